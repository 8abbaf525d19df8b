"""C-STORE to the research PACS, one association at a time, every status read (PS3.4 B.2.3)."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from pynetdicom import _config, build_context
from pynetdicom.association import Association

from dicom_assets.adapters.pacs.association import associate, status_of
from dicom_assets.adapters.pacs.commitment import StorageCommitment
from dicom_assets.adapters.pacs.query import QueriedPacs
from dicom_assets.adapters.pacs.transfer_syntaxes import MAX_CONTEXTS
from dicom_assets.errors import NothingAcceptedError, PacsAwayError
from dicom_assets.study import Commitment, OutgoingInstance, StoreOutcome

# Stored, with a coercion or a mismatch that the receiver wants to have mentioned (PS3.4 Table B.2-1).
_STORED_WITH_WARNING = (0xB000, 0xB006, 0xB007)
_OUT_OF_RESOURCES = 0xA700

# Files go out as they lie on disk, never decoded.
_config.STORE_SEND_CHUNKED_DATASET = True


@dataclass(frozen=True, slots=True)
class CStorePacs(QueriedPacs):
    """A research PACS that takes C-STORE; implements `ResearchPacs`. Only with `commitment` is it asked for that."""

    commitment: StorageCommitment | None = None

    protocol: ClassVar[str] = "c-store"

    def store(self, instances: Sequence[OutgoingInstance]) -> Generator[StoreOutcome]:
        """Send each instance once; yield its outcome as the PACS answers.

        Raises:
            PacsAwayError: no association for now, or it was lost on the way.
        """
        for batch in _batches(instances):
            pairs = sorted({(item.sop_class_uid, item.transfer_syntax_uid) for item in batch})
            try:
                with associate(self.local, self.pacs, [build_context(*pair) for pair in pairs]) as assoc:
                    accepted = {(c.abstract_syntax, c.transfer_syntax[0]) for c in assoc.accepted_contexts}
                    for item in batch:
                        is_accepted = (item.sop_class_uid, item.transfer_syntax_uid) in accepted
                        yield self._send(assoc, item) if is_accepted else _not_accepted(item)
            except NothingAcceptedError:
                yield from map(_not_accepted, batch)

    def commit(self, instances: Sequence[OutgoingInstance]) -> Commitment | None:
        """Ask the PACS to commit itself to keeping the instances; None where it is not to be asked, or offers no such.

        Raises:
            PacsAwayError: it can't be asked now, or did not report in time.
            PacsError: it does not offer it and has to, or refuses the request.
        """
        return None if self.commitment is None else self.commitment.of(instances)

    def _send(self, assoc: Association, item: OutgoingInstance) -> StoreOutcome:
        try:
            item.content()
            status = status_of(assoc.send_c_store(item.path))
        except (RuntimeError, ValueError, AttributeError, OSError) as error:
            lost = f"{self.pacs.name} could not be sent to any further ({type(error).__name__})"
            raise PacsAwayError(f"{lost}: run again, only what is missing will be sent.") from None
        if status is None:
            raise PacsAwayError(f"{self.pacs.name} broke off a C-STORE: run again, only what is missing will be sent.")
        if status == 0x0000 or status in _STORED_WITH_WARNING:
            return StoreOutcome(item.sop_instance_uid)
        retriable = status & 0xFF00 == _OUT_OF_RESOURCES
        return StoreOutcome(item.sop_instance_uid, f"refused with status 0x{status:04X}", retriable)


def _not_accepted(item: OutgoingInstance) -> StoreOutcome:
    problem = f"not accepted: SOP Class {item.sop_class_uid} in transfer syntax {item.transfer_syntax_uid}"
    return StoreOutcome(item.sop_instance_uid, problem)


def _batches(instances: Sequence[OutgoingInstance]) -> Iterator[list[OutgoingInstance]]:
    """Instances grouped so that no association needs more than its 128 presentation contexts."""
    by_pair: dict[tuple[str, str], list[OutgoingInstance]] = {}
    for item in instances:
        by_pair.setdefault((item.sop_class_uid, item.transfer_syntax_uid), []).append(item)
    groups = iter(by_pair.values())
    while batch := list(islice(groups, MAX_CONTEXTS)):
        yield [item for group in batch for item in group]
