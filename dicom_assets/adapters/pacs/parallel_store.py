"""C-STORE over several associations at once: each takes the next instance when it has its answer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from enum import Enum, auto
from queue import SimpleQueue

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.opened import opened
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.probe import storage_offered
from dicom_assets.adapters.pacs.slots import is_one_free_at
from dicom_assets.adapters.pacs.store_channel import StoreChannel, contexts_for, pairs_for
from dicom_assets.adapters.pacs.store_status import not_accepted
from dicom_assets.errors import DicomAssetsError, NothingAcceptedError, PacsAwayError, PacsError, StudyError
from dicom_assets.study import OutgoingInstance, StoreOutcome

INSTANCES_FOR_ONE_MORE = 8
BYTES_FOR_ONE_MORE = 16 << 20
"""How much there must be to send for each association after the first: opening one takes about as long."""

_JOIN_SECONDS = 10.0


class _Change(Enum):
    """What becomes of an association."""

    OPENED = auto()
    ENDED = auto()


class ParallelStore:
    """Sends instances once; `outcomes` may be asked for once."""

    def __init__(
        self,
        local: LocalNode,
        pacs: PacsNode,
        instances: Sequence[OutgoingInstance],
        *,
        transcode: bool,
        limits: Limits | None,
    ) -> None:
        """Prepare; no more than 128 pairs of SOP Class and transfer syntax, those to transcode to included."""
        self._local = local
        self._pacs = pacs
        self._transcode = transcode
        self._limits = limits
        self._contexts = contexts_for(pairs_for(instances, transcode=transcode))
        self._to_send = deque(instances)
        self._unanswered = {item.sop_instance_uid: item for item in instances}
        self._most = _associations_for(instances, pacs.max_associations)
        self._news: SimpleQueue[StoreOutcome | DicomAssetsError | _Change] = SimpleQueue()
        self._mutex = threading.Lock()
        self._open: set[Association] = set()
        self._threads: list[threading.Thread] = []
        self._is_opening = False
        self._is_stopped = False
        self._error: PacsError | None = None

    def outcomes(self) -> Generator[StoreOutcome]:
        """Send, and yield each outcome as it comes. What is under way when the caller goes away is aborted.

        Where one association is lost the others go on; that an instance has no answer is raised in the end.

        Raises:
            PacsAwayError: no association for now, or it was lost on the way.
            PacsError: the PACS does not want us.
            ChangedContentError: an instance is not what passed the residual scan.
            StudyError: it is not what its record says.
            StorageError: it can't be read.
        """
        try:
            yield from self._answered()
        finally:
            self._stop()
        if isinstance(self._error, NothingAcceptedError):
            self._require_any_storage()
            for item in self._unanswered.values():
                yield not_accepted(item.sop_instance_uid, item.sop_class_uid, item.transfer_syntax_uid)
        elif self._unanswered:
            raise self._error or PacsAwayError(f"{self._pacs.name} left instances without an answer: run again.")

    def _require_any_storage(self) -> None:
        """Tell a PACS that refuses what we have from one that lets us store nothing, which is no study's fault."""
        classes, _ = storage_offered(self._local, self._pacs)
        if not any(classes.values()):
            raise NothingAcceptedError(
                f"{self._pacs.name} takes no images from {self._local.ae_title} at all: have it let us store there, or "
                f"correct LOCAL_AE_TITLE or {self._pacs.setting}_*."
            )

    def _answered(self) -> Generator[StoreOutcome]:
        self._begin_another()
        working = 1
        while working and self._unanswered:
            news = self._news.get()
            if isinstance(news, StoreOutcome):
                self._unanswered.pop(news.sop_instance_uid, None)
                yield news
            elif news is _Change.OPENED:
                self._is_opening = False
            elif news is _Change.ENDED:
                working -= 1
            elif isinstance(news, PacsError):
                self._error = _graver(self._error, news)
            elif isinstance(news, DicomAssetsError):
                raise news
            if self._has_use_for_another():
                self._begin_another()
                working += 1

    def _has_use_for_another(self) -> bool:
        """Whether to open one more: one after the other, as PACSs may count those that they are about to reject."""
        wanted = self._to_send and len(self._threads) < self._most and not self._is_opening and self._error is None
        return bool(wanted) and is_one_free_at(self._pacs)

    def _begin_another(self) -> None:
        self._is_opening = True
        thread = threading.Thread(target=self._work, name="c-store", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        try:
            with opened(self._local, self._pacs, self._contexts, limits=self._limits) as association:
                self._send_on(association)
        except DicomAssetsError as error:
            self._news.put(error)
        except Exception as error:  # noqa: BLE001  an edge: the thread's traceback would show values
            self._news.put(StudyError(f"Unexpected {type(error).__name__} while an instance was sent."))
        finally:
            self._news.put(_Change.ENDED)

    def _send_on(self, association: Association) -> None:
        with self._mutex:
            self._open.add(association)
        self._news.put(_Change.OPENED)
        try:
            channel = StoreChannel(association, transcode=self._transcode)
            while (item := self._next()) is not None:
                self._news.put(channel.send(item))
        finally:
            with self._mutex:
                self._open.discard(association)

    def _next(self) -> OutgoingInstance | None:
        with self._mutex:
            return self._to_send.popleft() if self._to_send and not self._is_stopped else None

    def _stop(self) -> None:
        """Send nothing more; what waits for an answer that nobody wants any more is cut short."""
        with self._mutex:
            self._is_stopped = True
            still_open = list(self._open) if self._unanswered else []
        for association in still_open:
            association.interrupt()
        for thread in self._threads if still_open else ():
            thread.join(_JOIN_SECONDS)


def _associations_for(instances: Sequence[OutgoingInstance], most: int) -> int:
    """How many associations are worthwhile."""
    size = sum(item.size_bytes for item in instances)
    more = max(len(instances) // INSTANCES_FOR_ONE_MORE, size // BYTES_FOR_ONE_MORE)
    return max(1, min(most, len(instances), 1 + more))


def _graver(one: PacsError | None, other: PacsError) -> PacsError:
    """Of two reasons why there is no association the one that a person has to see to."""
    return other if one is None or isinstance(one, PacsAwayError) else one


def batches(
    instances: Iterable[OutgoingInstance], most_contexts: int, *, transcode: bool
) -> Generator[list[OutgoingInstance]]:
    """Instances in order of their pairs, in parts of which none needs more contexts than one association has."""
    by_class: dict[str, dict[str, list[OutgoingInstance]]] = {}
    for item in instances:
        by_class.setdefault(item.sop_class_uid, {}).setdefault(item.transfer_syntax_uid, []).append(item)
    batch: list[OutgoingInstance] = []
    for by_syntax in by_class.values():
        for group in by_syntax.values():
            if batch and len(pairs_for([*batch, group[0]], transcode=transcode)) > most_contexts:
                yield batch
                batch = []
            batch += group
    if batch:
        yield batch
