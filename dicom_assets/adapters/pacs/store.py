"""A research PACS that takes C-STORE."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

from dicom_assets.adapters.pacs.commitment import StorageCommitment
from dicom_assets.adapters.pacs.parallel_store import ParallelStore, batches
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.query import QueriedPacs
from dicom_assets.adapters.pacs.transfer_syntaxes import MAX_CONTEXTS
from dicom_assets.study import Commitment, OutgoingInstance, StoreOutcome


@dataclass(frozen=True, slots=True)
class CStorePacs(QueriedPacs):
    """Implements `ResearchPacs`.

    Only with `commitment` is the PACS asked for that; `transcode` allows to send what it does not take as it is in
    another transfer syntax that loses nothing.
    """

    protocol: ClassVar[str] = "c-store"

    commitment: StorageCommitment | None = None
    transcode: bool = False
    limits: Limits | None = None

    def store(self, instances: Sequence[OutgoingInstance]) -> Generator[StoreOutcome]:
        """Send each instance once; yield its outcome as the PACS answers.

        Raises:
            PacsAwayError: no association for now, or it was lost on the way.
            PacsError: the PACS does not want us.
            ChangedContentError: an instance is not what passed the residual scan.
        """
        for batch in batches(instances, MAX_CONTEXTS, transcode=self.transcode):
            job = ParallelStore(self.local, self.pacs, batch, transcode=self.transcode, limits=self.limits)
            with closing(job.outcomes()) as outcomes:
                yield from outcomes

    def commit(self, instances: Sequence[OutgoingInstance]) -> Commitment | None:
        """Ask the PACS to commit itself to keeping the instances; None where it is not to be asked, or offers no such.

        Raises:
            PacsAwayError: it can't be asked now, or did not report in time.
            PacsError: it does not offer it and has to, or refuses the request.
        """
        return None if self.commitment is None else self.commitment.of(instances)
