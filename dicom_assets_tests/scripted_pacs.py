"""An embedded PACS that writes down what it is asked for, and that a test can make wait or misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import evt

from dicom_assets.adapters.pacs.canary_object import CanaryObject
from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets.demo.pacs_index import SOP_UID, STUDY_UID, Entry
from dicom_assets.demo.pacs_transfer import Outgoing

WAIT_SECONDS = 120.0
"""How long anything in a test waits for anything else before the test fails."""

PENDING = 0xFF00
SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
REFUSED = 0x0110
UNABLE_TO_PROCESS = 0xC001

CANARY = CanaryObject.make("2.25", datetime(2026, 1, 1))
"""What the staging PACS of a site holds beside its studies."""

Deliver = Callable[[list[Entry]], Iterable[Entry]]
Judge = Callable[[str, Callable[[], int]], int]


class Gate:
    """A place that a PACS stops at until the test lets it go on."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def stop(self) -> None:
        """Be the PACS: say that the place is reached and wait."""
        self._reached.set()
        assert self._open.wait(WAIT_SECONDS), "the test left a gate closed"

    def wait_until_reached(self) -> None:
        """Be the test: return once the PACS stands at the gate."""
        assert self._reached.wait(WAIT_SECONDS), "the PACS did not get to the gate"

    def open(self) -> None:
        """Be the test: let the PACS go on."""
        self._open.set()


class ScriptedPacs(EmbeddedPacs):
    """An embedded PACS that a test can script.

    `deliver` says which entries a retrieve hands out for those it was asked for, one after the other; `judge` says
    which status a C-STORE of a SOP Instance UID gets, and whether the instance is kept (its second argument keeps it).
    `before_move` is told of the study of each C-MOVE, and may change the `destinations`.
    The canary is no part of any script: how often it was handed out is told by `canaries` alone.
    `lists` says which entries queries find. Queries at IMAGE level and the counts of series can be switched off.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.folder = self._folder
        self.handed_out: list[str] = []
        self.canaries = 0
        self.before_canary: Callable[[], None] = lambda: None
        self.before_move: Callable[[str], None] = lambda _study_uid: None
        self.destinations = dict(self._destinations)
        self._destinations = self.destinations
        self.offered: list[str] = []
        self.deliver: Deliver = list
        self.judge: Judge = lambda _uid, keep: keep()
        self.lists: Callable[[Entry], bool] = lambda _entry: True
        self.answers_at_image_level = True
        self.tells_counts = True

    def entries(self) -> list[Entry]:
        """All that the PACS holds."""
        return list(self._entries())

    def forget(self, study_uid: str) -> None:
        """Have a person remove a study."""
        for entry in self.entries():
            if entry.text(STUDY_UID) == study_uid:
                entry.path.unlink()
        self.look_again()

    def look_again(self) -> None:
        """Find what was put into the folder, or taken out of it, behind the PACS's back."""
        self._index = None

    def handle(self, event: evt.EventType, handler: Callable[[evt.Event], Any]) -> None:
        """Have a handler called on associations from now on, until the PACS stops."""
        assert self._server is not None
        self._server.bind(event, handler)

    def _listed(self) -> list[Entry]:
        return [entry for entry in self._entries() if self.lists(entry)]

    def _on_find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        level = event.identifier.get_item("QueryRetrieveLevel").value  # read as attribute, it would be another element
        if level.strip() == b"IMAGE" and not self.answers_at_image_level:
            yield UNABLE_TO_PROCESS, None
            return
        for status, answer in super()._on_find(event):
            if answer is not None and not self.tells_counts and "NumberOfSeriesRelatedInstances" in answer:
                del answer.NumberOfSeriesRelatedInstances
            yield status, answer

    def _on_get(self, event: evt.Event) -> Iterator[Any]:
        return self._scripted(event, super()._on_get(event), preamble=0)

    def _on_move(self, event: evt.Event) -> Iterator[Any]:
        self.before_move(event.identifier.get_item("StudyInstanceUID").value.decode().strip("\0 "))
        return self._scripted(event, super()._on_move(event), preamble=1)

    def _scripted(self, event: evt.Event, answers: Iterator[Any], preamble: int) -> Iterator[Any]:
        for _ in range(preamble):
            yield next(answers)
        next(answers)
        rest = list(answers)
        entries = [one.entry for _, one in rest if isinstance(one, Outgoing)]
        if len(entries) != len(rest):
            yield 1
            yield from rest
            return
        if [entry.text(SOP_UID) for entry in entries] == [CANARY.sop_instance_uid]:
            self.canaries += 1
            self.before_canary()
            yield 1
            yield from rest
            return
        delivered = self.deliver(entries)
        yield len(delivered) if isinstance(delivered, list) else len(entries)
        for entry in delivered:
            if not event.assoc.is_established:
                return
            self.handed_out.append(entry.text(SOP_UID))
            yield PENDING, Outgoing.of(entry)

    def _on_store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.offered.append(uid)
        return self.judge(uid, lambda: super(ScriptedPacs, self)._on_store(event))
