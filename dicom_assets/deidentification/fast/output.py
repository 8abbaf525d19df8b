"""What the walk writes: runs of bytes as they are, new values between them, and gaps to be filled at the end."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from dicom_assets.deidentification.encoded import DataSet, Element, Encoding
from dicom_assets.deidentification.fast.plan import OddError
from dicom_assets.deidentification.method import write_method
from dicom_assets.deidentification.profile import Profile
from dicom_assets.deidentification.writer import Writer

METHOD_PLACES = ((0x00120062, 0x00120063, 0x00120064), (0x00280303,))
"""What `write_method` may write: neighbours, whose originals are removed, so that they go in together."""
_METHOD_TAGS = {tag for tags in METHOD_PLACES for tag in tags}
NO_TAG = 1 << 32


class Output:
    """Bytes written so far, and the run of `data` from `run` on that is to be written as it is.

    `gaps` are offsets in what is written and what goes in there: an original element, or tags of the method.
    """

    def __init__(self, data: bytes, start: int) -> None:
        """Begin a run at `start`."""
        self.written = bytearray()
        self.run = start
        self.gaps: list[tuple[int, Element | tuple[int, ...]]] = []
        self._data = data
        self._places_passed = 0

    def flush(self, position: int) -> None:
        """End the run before `position`."""
        if self.run < position:
            self.written += self._data[self.run : position]
        self.run = position

    def replace(self, position: int, stop: int, content: bytes) -> None:
        """Write something in place of what lies between two positions."""
        self.flush(position)
        self.written += content
        self.run = stop

    def offset(self, position: int) -> int:
        """Where in what is written a position of the run comes to lie."""
        return len(self.written) + position - self.run

    def mend_length(self, length_at: int, length: int, position: int) -> None:
        """Write the four bytes of a length anew if what comes after them, up to a position, has become another."""
        new_length = self.offset(position) - length_at - 4
        if new_length != length:
            self.flush(position)
            self.written[length_at : length_at + 4] = new_length.to_bytes(4, "little")

    def pass_method_places(self, tag: int, offset: int) -> int:
        """Leave gaps for what belongs before an element of the top level; returns the first tag of the next gap."""
        while self._places_passed < len(METHOD_PLACES) and tag >= METHOD_PLACES[self._places_passed][0]:
            self.gaps.append((offset, METHOD_PLACES[self._places_passed]))
            self._places_passed += 1
        return METHOD_PLACES[self._places_passed][0] if self._places_passed < len(METHOD_PLACES) else NO_TAG

    def whole(self, fillings: list[bytes]) -> bytes:
        """Everything, the gaps filled."""
        parts: list[bytes | bytearray] = []
        done = 0
        for (offset, _), filling in zip(self.gaps, fillings, strict=True):
            parts += [self.written[done:offset], filling]
            done = offset
        return b"".join([*parts, self.written[done:]])


def encode(element: Element, encoding: Encoding) -> bytes:
    """The element as the writer of the thorough path encodes it."""
    writer = Writer(encoding)
    writer.element(element)
    return bytes(writer.buffer)


def encoded_method(profile: Profile, original: DataSet, encoding: Encoding) -> Mapping[int, bytes]:
    """The elements of `write_method` by tag."""
    if 0x00120064 in original.elements or 0x00280303 in original.elements:
        return _encoded_method(profile, original, encoding)  # they have a say in what is written
    return _usual_method(profile, encoding)


@lru_cache(maxsize=16)
def _usual_method(profile: Profile, encoding: Encoding) -> Mapping[int, bytes]:
    return _encoded_method(profile, DataSet(), encoding)


def _encoded_method(profile: Profile, original: DataSet, encoding: Encoding) -> Mapping[int, bytes]:
    method = DataSet()
    write_method(method, profile, original)
    if not set(method.elements) <= _METHOD_TAGS:
        raise OddError("an unknown element of the method")
    return {tag: encode(element, encoding) for tag, element in method.elements.items()}
