"""Where the walk is, and how far what it meets there reaches."""

from __future__ import annotations

import struct
from typing import NamedTuple

from dicom_assets.deidentification.descriptors import CODE_ATTRIBUTES
from dicom_assets.deidentification.encoded import LONG_VRS, UNDEFINED
from dicom_assets.deidentification.fast.plan import OddError, Plan

ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
"""Tags as they are encoded in little endian."""

long_at = struct.Struct("<L").unpack_from


_LONG_VRS = {vr.encode("ascii") for vr in LONG_VRS}
_LAST_CODE_ATTRIBUTE = max(CODE_ATTRIBUTES)


class Level(NamedTuple):
    """The data set the walk is in: where its elements begin, where they end at the latest, and how they end."""

    start: int
    end: int
    delimited: bool
    depth: int


class At(NamedTuple):
    """An element that needs more than a glance: where its header begins, and where its value does and ends."""

    position: int
    start: int
    stop: int
    level: Level
    plan: Plan

    @property
    def undefined(self) -> bool:
        """Whether its length is undefined."""
        return self.stop - self.start == UNDEFINED


def end_of_fragments(data: bytes, position: int, end: int) -> int:
    """Where encapsulated pixels that begin at `position` end, delimiter included (PS3.5 A.4).

    Raises:
        OddError: they are not whole, or not as they should be.
    """
    while position < end:
        tag, length = data[position : position + 4], long_at(data, position + 4)[0]
        position += 8
        if tag == SEQUENCE_END and length == 0:
            return position
        if tag != ITEM:
            break
        position += length
    raise OddError("truncated or broken fragments")


def may_hold_codes(data: bytes, at: At) -> bool:
    """Whether an item of a sequence is a code; also where that takes more than a glance to say."""
    position, end = at.start, at.level.end if at.undefined else at.stop
    while position < end and data[position : position + 4] == ITEM:
        start, length = position + 8, long_at(data, position + 4)[0]
        position = start + length
        if length == UNDEFINED or position > end or _may_be_code(data, start, position, implicit=at.plan.implicit):
            return True
    return False


def _may_be_code(data: bytes, position: int, end: int, *, implicit: bool) -> bool:
    while position < end:
        tag = int.from_bytes(data[position : position + 2], "little") << 16
        tag |= int.from_bytes(data[position + 2 : position + 4], "little")
        if tag > _LAST_CODE_ATTRIBUTE:
            return False
        if tag in CODE_ATTRIBUTES:
            return True
        if implicit:
            position += 8 + long_at(data, position + 4)[0]
        elif data[position + 4 : position + 6] in _LONG_VRS:
            position += 12 + long_at(data, position + 8)[0]
        else:
            position += 8 + int.from_bytes(data[position + 6 : position + 8], "little")
    return position > end
