"""A second look for numbers: punctuation does not count, so 123-45-678 is found for 12345678."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import ahocorasick

from dicom_assets.deidentification.spellings import bare_forms

if TYPE_CHECKING:
    from dicom_assets.deidentification.residual import Identifier, Written
    from dicom_assets.deidentification.writer import Span

_PUNCTUATION = b" \t\r\n\0-/._:,;()[]+#*'^=|&~"
"""Not the backslash, which begins another value. NUL goes too, so that UTF-16 reads like ASCII."""
_LOWER = bytes(range(256)).lower()
_TEXT_VRS = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "OB", "PN", "SH", "ST", "UC", "UN", "UR", "UT"})
"""Where a number may be punctuated. In a DS a full stop or a minus is part of the number, and UIDs are all replaced."""


class BareSearch:
    """Searches bytes for the bare forms of identifiers."""

    def __init__(self, identifiers: Iterable[Identifier]) -> None:
        """Prepare the search."""
        self._automaton = ahocorasick.Automaton()
        for identifier in identifiers:
            for form in bare_forms(identifier.text, identifier.kind):
                self._automaton.add_word(form, (len(form), identifier.kind))
        if len(self._automaton):
            self._automaton.make_automaton()

    def occurs(self, content: bytes | bytearray) -> bool:
        """Whether there is anything that `hits` might give, wherever it stands."""
        return next(self._raw(content), None) is not None

    def hits(self, written: Written) -> Iterator[tuple[str, Span]]:
        """Kind and place of what was found within one text value, bounded by other than digits."""
        places: list[int] | None = None
        for last, (length, kind) in self._raw(written.buffer):
            if places is None:
                left_out = frozenset(_PUNCTUATION)
                places = [place for place, code in enumerate(written.buffer) if code not in left_out]
            start, end = places[last + 1 - length], places[last] + 1
            span = written.span_at(start)
            if span is None or end > span.end or span.vr not in _TEXT_VRS:
                continue
            before = bytes(written.buffer[span.start : start]).replace(b"\0", b"").decode("latin-1").rstrip("0")
            after = bytes(written.buffer[end : span.end]).replace(b"\0", b"").decode("latin-1")
            first, final = chr(written.buffer[start]), chr(written.buffer[end - 1])
            if not _goes_on(first, before[::-1][:2]) and not _goes_on(final, after[:2]):
                yield kind, span

    def _raw(self, content: bytes | bytearray) -> Iterator[tuple[int, tuple[int, str]]]:
        if not len(self._automaton):
            return iter(())
        found: Iterator[tuple[int, tuple[int, str]]] = self._automaton.iter(
            bytes(content).translate(_LOWER, _PUNCTUATION).decode("latin-1")
        )
        return found


def _goes_on(edge: str, neighbours: str) -> bool:
    if not edge.isdigit() or not neighbours:
        return False
    return neighbours[0].isdigit() or (neighbours[0] == "." and neighbours[1:].isdigit())
