"""PACSs at either end that speak DICOMweb; implement `StagingPacs` and `ResearchPacs`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import ClassVar, Self

from dicom_assets.adapters.dicomweb.client import DicomwebClient
from dicom_assets.adapters.dicomweb.node import DicomwebNode
from dicom_assets.adapters.dicomweb.query import answers, find_study
from dicom_assets.adapters.dicomweb.retrieve import retrieve
from dicom_assets.adapters.dicomweb.store import store
from dicom_assets.adapters.pacs.inbox import DiskFloor
from dicom_assets.study import Commitment, OutgoingInstance, Receive, Retrieval, StoreOutcome, StudyListing


class DicomwebPacs:
    """What both ends share: a pool of connections that is there from the beginning to `close`."""

    protocol: ClassVar[str] = "dicomweb"

    def __init__(self, node: DicomwebNode) -> None:
        """Connect to nothing yet.

        Raises:
            ConfigurationError: a file is missing or not what its setting says.
        """
        self._client = DicomwebClient(node)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    @property
    def name(self) -> str:
        """The base URL."""
        return self._client.node.url

    @property
    def connections(self) -> int:
        """How many connections we may have there at once."""
        return self._client.node.max_connections

    def find_study(self, study_uid: str) -> StudyListing:
        """What the PACS says it has of a study, by QIDO-RS.

        Raises:
            PacsAwayError: it can't be asked for now.
            PacsError: it ended a query with a failure.
        """
        return find_study(self._client, study_uid)

    def check(self) -> None:
        """Return if it answers QIDO-RS.

        Raises:
            PacsError: it does not.
        """
        answers(self._client)


class DicomwebStagingPacs(DicomwebPacs):
    """Hands instances over by WADO-RS; `disk` is how much of ours must stay free."""

    def __init__(self, node: DicomwebNode, disk: DiskFloor | None = None) -> None:
        """Connect to nothing yet.

        Raises:
            ConfigurationError: a file is missing or not what its setting says.
        """
        super().__init__(node)
        self._disk = disk

    def retrieve(self, retrieval: Retrieval, receive: Receive) -> str:
        """Ask once; hand every instance that arrives to `receive`. Returns what was odd about the answers.

        Raises:
            PacsAwayError: no connection for now, or it was lost on the way.
            PacsError: the PACS answered with a failure.
            StorageError: an instance that arrived could not be written.
        """
        return retrieve(self._client, retrieval, receive if self._disk is None else self._disk.before(receive))


class DicomwebResearchPacs(DicomwebPacs):
    """Takes instances by STOW-RS."""

    def store(self, instances: Sequence[OutgoingInstance]) -> Generator[StoreOutcome]:
        """Send each instance once, several at a time, and yield its outcome as the PACS answers.

        Raises:
            PacsAwayError: no connection for now, or it was lost on the way.
            PacsError: the PACS can't be sent to.
            ChangedContentError: an instance's content is not what passed the residual scan.
        """
        return store(self._client, instances)

    def commit(self, instances: Sequence[OutgoingInstance]) -> Commitment | None:  # noqa: ARG002  DICOMweb has none
        """DICOMweb knows no storage commitment that PACSs offer."""
        return None
