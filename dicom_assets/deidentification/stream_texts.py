"""What compressed frames say beside their pixels: comments, application data and what comes after the image.

The bits of an image can't be searched: in megabytes of them any short word comes up. Its headers can, in JPEG, JPEG-LS
and JPEG 2000 (ISO/IEC 10918-1 B.1.1.3, 14495-1 and 15444-1 A.2). Video is not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from dicom_assets.deidentification.encoded import Element
from dicom_assets.deidentification.writer import Span, span_at

_STILL_IMAGES = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.([5-9]\d|11\d|20\d)")
_START = re.compile(rb"\xff\xd8\xff|\xff\x4f\xff\x51")
_IN_SCANS = re.compile(rb"\xff[\xe0-\xef\xfe]")
"""Coded data of JPEG and JPEG-LS never hold these two bytes."""
_END = b"\xff\xd9"
_TEXTS = frozenset({0x64, *range(0xE0, 0xF0), 0xFE})
"""COM of JPEG 2000; APP0 to APP15 and COM of JPEG."""
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_CODED_DATA = frozenset({0x90, 0x93, 0xD9, 0xDA})
_ITEM_HEADER = 8


class StreamTexts:
    """The texts of an encapsulated pixel element, as something that is about to be written."""

    def __init__(self, pixels: Element, transfer_syntax: str) -> None:
        """Collect them from the fragments, which are little endian (PS3.5 A.4)."""
        still = _STILL_IMAGES.fullmatch(transfer_syntax) is not None
        texts: list[bytes] = []
        for number, fragment in enumerate(_fragments(bytes(pixels.value))):
            texts += [fragment] if number == 0 else _texts(fragment) if still else []
        self.buffer = b"\\".join(text for text in texts if text.strip(b"\0"))
        self._spans = [Span(0, len(self.buffer), pixels.tag, "UN", ours=False)]

    def span_at(self, position: int) -> Span | None:
        """The one span that they are, or None past it."""
        return span_at(self._spans, position)


def _fragments(value: bytes) -> Iterator[bytes]:
    position = 0
    while position + _ITEM_HEADER <= len(value):
        start = position + _ITEM_HEADER
        position = start + int.from_bytes(value[start - 4 : start], "little")
        yield value[start:position]


def _texts(fragment: bytes) -> Iterator[bytes]:
    start = _START.search(fragment)
    coded = 0
    if start is not None:
        yield fragment[: start.start()]
        jpeg = start[0].startswith(b"\xff\xd8")
        coded = yield from _segments(fragment, start.start() + 2)
        coded_jpeg = _IN_SCANS.finditer(fragment, coded) if jpeg else iter(())
        yield from (_segment(fragment, found.start()) for found in coded_jpeg)
    end = fragment.rfind(_END, coded)
    if end >= 0:
        yield fragment[end + len(_END) :]


def _segments(fragment: bytes, position: int) -> Generator[bytes, None, int]:
    """The texts among the marker segments from a position on; returns where coded data begin."""
    while position + 4 <= len(fragment) and fragment[position] == 0xFF:
        marker = fragment[position + 1]
        if marker in _CODED_DATA:
            break
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        if marker in _TEXTS:
            yield _segment(fragment, position)
        position += 2 + max(2, int.from_bytes(fragment[position + 2 : position + 4], "big"))
    return min(position, len(fragment))


def _segment(fragment: bytes, position: int) -> bytes:
    length = int.from_bytes(fragment[position + 2 : position + 4], "big")
    return fragment[position + 4 : position + 2 + length]
