"""Our Storage SCP: where a C-MOVE's instances land. It takes only what it is waiting for."""

from __future__ import annotations

import functools
import itertools
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.association import LocalNode
from dicom_assets.adapters.pacs.inbox import DiskFloor, Inbox
from dicom_assets.adapters.pacs.local_port import VERIFICATION, local_port
from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.acceptor import CALLING_AE_TITLE_UNKNOWN, Rejection
from dicom_assets.adapters.pacs.plane.answers import answer_other, why_not_storable
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.commands import Command
from dicom_assets.adapters.pacs.plane.file_meta import file_meta
from dicom_assets.adapters.pacs.plane.listener import HostAddresses
from dicom_assets.adapters.pacs.plane.negotiation import Request
from dicom_assets.adapters.pacs.plane.statuses import NOT_AUTHORIZED
from dicom_assets.adapters.pacs.plane.study_of import StudyPeek
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.transfer_syntaxes import STORED, all_storage_classes
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import Piece, Receive

__all__ = ["DiskFloor", "Inbox", "Sender", "StorageScp"]


MAX_ASSOCIATIONS = 16
MAX_BYTES_PER_ASSOCIATION = 2**40
LIMITS = Limits(acse_seconds=10.0, idle_seconds=120.0, max_bytes=MAX_BYTES_PER_ASSOCIATION)


@dataclass(frozen=True)
class Sender:
    """Who may send to us: an AE title, from the addresses of a host; from any address if `host` is None."""

    ae_title: str
    host: str | None = None
    _addresses: HostAddresses = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_addresses", HostAddresses(self.host or ""))

    def is_at(self, address: str) -> bool:
        """Whether the sender's host has this address."""
        return self.host is None or self._addresses.include(address)


class StorageScp:
    """Listens on `LOCAL_HOST`:`LOCAL_PORT` while at least one study waits for instances."""

    def __init__(
        self,
        local: LocalNode,
        calling_ae_title: str,
        *,
        host: str | None = None,
        senders: Sequence[Sender] = (),
        disk: DiskFloor | None = None,
        limits: Limits = LIMITS,
        max_associations: int = MAX_ASSOCIATIONS,
    ) -> None:
        """Describe it; the staging PACS is `calling_ae_title` at `host`, and `senders` are the others that may send."""
        self._local = local
        self._senders = (Sender(calling_ae_title, host), *senders)
        self._disk = disk
        self.limits = limits
        self.max_associations = max_associations
        self._inboxes: dict[str, list[Inbox]] = {}
        self._by_message_id: dict[int, Inbox] = {}
        self._came: Counter[str] = Counter()
        self._mutex = threading.Lock()

    @contextmanager
    def waiting_for(self, study_uid: str, message_id: int, receive: Receive) -> Iterator[Inbox]:
        """Take instances of this study for as long as the block lasts.

        An instance whose data set does not say its study is taken when it names the C-MOVE's
        message id as its originator (PS3.7 9.3.1.1), and kept for quarantine.

        Raises:
            ConfigurationError: the port is taken, or the address is not ours.
        """
        inbox = Inbox(receive, self._disk)
        with self._mutex:
            self._inboxes.setdefault(study_uid, []).append(inbox)
            self._by_message_id[message_id] = inbox
        try:
            with self.listening():
                yield inbox
        finally:
            with self._mutex:
                if self._by_message_id.get(message_id) is inbox:
                    del self._by_message_id[message_id]
                self._inboxes[study_uid].remove(inbox)
                if not self._inboxes[study_uid]:
                    del self._inboxes[study_uid]
                    del self._came[study_uid]
            inbox.close()

    def came(self, study_uid: str) -> int:
        """How many instances have come for a study that is waited for, and of studies that nobody waits for.

        Not every PACS says which C-MOVE an instance is sent for, so those of one study's moves are counted together.
        """
        with self._mutex:
            return self._came[study_uid] + self._came[""]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Be there for as long as the block lasts: C-ECHO is answered, instances that nobody waits for are refused.

        Raises:
            ConfigurationError: the port is taken, or the address is not ours; a TLS file can't be used.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(local_port(self._local).serving(self))
            except OSError:
                raise ConfigurationError(
                    f"Our Storage SCP can't listen on {self._local.host} port {self._local.port}: another program, "
                    "perhaps another run, has the port, or the address is not this machine's. "
                    "End the other program, or correct LOCAL_HOST and LOCAL_PORT (and the PACS's entry for us)."
                ) from None
            yield

    def supported(self) -> Sequence[PresentationContext]:
        """Every Storage SOP Class, and C-ECHO."""
        return _supported()

    def is_expected(self, address: str) -> bool:
        """Whether one of the senders has this address."""
        return any(sender.is_at(address) for sender in self._senders)

    def admits(self, request: Request, address: str) -> Rejection | None:
        """Only the senders, from their own addresses."""
        callers = [sender for sender in self._senders if sender.ae_title == request.calling_ae_title]
        return None if any(sender.is_at(address) for sender in callers) else CALLING_AE_TITLE_UNKNOWN

    def answer(self, association: Association, command: Command) -> None:
        """Take an instance, answer C-ECHO, and refuse what else is asked for."""
        if command.field == commands.C_STORE_RQ:
            status = self._store(association, command)
            association.send(command.context_id, commands.c_store_rsp(command, status))
        else:
            answer_other(association, command)

    def _store(self, association: Association, command: Command) -> int:
        if (refusal := why_not_storable(command)) is not None:
            return refusal
        syntax = association.contexts[command.context_id].transfer_syntax_uid
        study_uid, pieces = _peek(association.pieces(), syntax)
        inbox = self._inbox_for(study_uid, command.originator_message_id)
        if inbox is None:
            return NOT_AUTHORIZED
        meta = file_meta(command.sop_class_uid, command.sop_instance_uid, syntax)
        return inbox.take(command.sop_instance_uid, itertools.chain((meta,), pieces))

    def _inbox_for(self, study_uid: str | None, message_id: int | None) -> Inbox | None:
        with self._mutex:
            inbox = None if message_id is None else self._by_message_id.get(message_id)
            waiting = self._inboxes.get(study_uid or "", [])
            if study_uid is not None and inbox not in waiting:
                inbox = next(iter(waiting), None)
            for study, inboxes in self._inboxes.items():
                self._came[study] += inbox in inboxes
            self._came[""] += inbox is None
            return inbox


def _peek(pieces: Iterator[memoryview], transfer_syntax_uid: str) -> tuple[str | None, Iterable[Piece]]:
    """The Study Instance UID of a data set, and all of its pieces; nothing is copied if the first one tells."""
    peek = StudyPeek(transfer_syntax_uid)
    before: list[Piece] = []
    for piece in pieces:
        if peek.feed(piece):
            return peek.study_uid, itertools.chain(before, (piece,), pieces)
        before.append(bytes(piece))
    peek.finish()
    return peek.study_uid, before


@functools.cache
def _supported() -> list[PresentationContext]:
    classes = [build_context(sop_class, list(STORED)) for sop_class in all_storage_classes()]
    return [build_context(VERIFICATION), *classes]
