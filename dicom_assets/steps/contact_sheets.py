"""Has a contact sheet of a study drawn, in worker processes; whatever goes wrong with it, the study goes on."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from dicom_assets.contact_sheet import SeriesOrder, Sheet, SheetOrder, Word, draw_sheet
from dicom_assets.contact_sheet.order import MOST_SERIES, Files
from dicom_assets.deidentification import Deidentified
from dicom_assets.steps.deidentify_batch import InstanceOutcome
from dicom_assets.steps.manifests import Stopwatch
from dicom_assets.study import Fact

CONTACT_SHEET = "contact_sheet.jpg"

HANG_SECONDS = 30.0
"""After so long, a decoder is taken to hang, and its process is ended; it has a limit of its own before that."""

MOST_DECODER_MEMORY = 4 << 30
"""Bytes of address space of the process in which decoders run."""

_DATA_URI_GROWTH = 4 / 3
_PLAIN_SYNTAXES = frozenset(f"1.2.840.10008.1.2{rest}" for rest in ("", ".1", ".2", ".1.99"))
"""Transfer syntaxes whose pixels lie open: no decoder touches them (PS3.5 A.1 to A.3, A.5)."""


class ProcessApart(Protocol):
    """A worker process of its own, which may be killed at any time."""

    def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
        """Have the process call `fn`."""

    def renew(self) -> None:
        """End the process, whatever it does; another one takes what is submitted next."""


@dataclass(frozen=True, slots=True)
class ContactSheets:
    """Draws contact sheets of at most so many kilobytes, as Dagster keeps them: in base64.

    Pixels that lie open are drawn by `workers`. Decoders of compressed ones are other people's native code and may
    crash or hang on odd bytes: they run in the process `apart`, for one sheet at a time.
    """

    workers: Executor
    apart: ProcessApart
    most_kilobytes: int
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def draw(self, files: Files, series: Sequence[SeriesOrder]) -> tuple[bytes | None, Fact]:
        """The sheet as JPEG, and what to tell of it; None and the reason's name where there is none."""
        watch = Stopwatch()
        left_out = max(0, len(series) - MOST_SERIES)
        most_bytes = int(self.most_kilobytes * 1000 / _DATA_URI_GROWTH)
        drawn = self._drawn(SheetOrder(files, tuple(series[:MOST_SERIES]), left_out, most_bytes))
        if isinstance(drawn, str):
            return None, f"none: {drawn}"
        facts = {
            "series": drawn.series,
            "series_left_out": left_out,
            "tiles": drawn.tiles,
            **drawn.gray,
            "bytes": len(drawn.jpeg),
            "milliseconds": round(watch.seconds() * 1000),
        }
        return drawn.jpeg, facts

    def _drawn(self, order: SheetOrder) -> Sheet | str:
        if any(series.is_compressed for series in order.series):
            drawn = self._drawn_apart(order)
            if not isinstance(drawn, Word):
                return drawn
            order = replace(order, without_decoders=drawn)
        try:
            return self.workers.submit(draw_safely, order).result()
        except BrokenProcessPool:  # by another study's doing, or for want of memory
            return "BrokenProcessPool"

    def _drawn_apart(self, order: SheetOrder) -> Sheet | str | Word:
        with self._one_at_a_time:
            try:
                drawn: Sheet | str = self.apart.submit(draw_with_limits, order).result(HANG_SECONDS)
                return drawn
            except BrokenProcessPool:
                return Word.DECODER_DIED
            except TimeoutError:
                self.apart.renew()
                return Word.TOO_SLOW


def draw_safely(order: SheetOrder) -> Sheet | str:
    """Draw; for worker processes. What goes wrong is told by the name of its class, since texts may quote values."""
    try:
        return draw_sheet(order)
    except Exception as error:  # noqa: BLE001  the outer edge: a sheet never fails a study
        return type(error).__name__


def draw_with_limits(order: SheetOrder) -> Sheet | str:
    """Draw; for the process apart, which gets no more memory than `MOST_DECODER_MEMORY`."""
    with suppress(ValueError, OSError):  # a lower limit is set already, or the system knows none
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_DECODER_MEMORY, most))
    return draw_safely(order)


def series_of(outcomes: Iterable[InstanceOutcome], original_uids: Mapping[str, str]) -> list[SeriesOrder]:
    """The series of what may leave; instances in the order of their original SOP Instance UIDs, by file."""
    files: dict[str, list[InstanceOutcome]] = {}
    for one in outcomes:
        if isinstance(one.outcome, Deidentified):
            files.setdefault(one.outcome.series_instance_uid, []).append(one)
    return [_series(number, files[uid], original_uids) for number, uid in enumerate(files, start=1)]


def _series(number: int, outcomes: list[InstanceOutcome], original_uids: Mapping[str, str]) -> SeriesOrder:
    def place(one: InstanceOutcome) -> tuple[int, str]:
        # Devices count up at the end of UIDs, so that of two the longer one is the later.
        uid = original_uids.get(one.source, "")
        return len(uid), uid

    done = [one.outcome for one in outcomes if isinstance(one.outcome, Deidentified)]
    is_compressed = any(one.transfer_syntax_uid not in _PLAIN_SYNTAXES for one in done)
    names = [one.source for one in sorted(outcomes, key=place)]
    return SeriesOrder.of(number, done[0].modality, names, is_compressed=is_compressed)
