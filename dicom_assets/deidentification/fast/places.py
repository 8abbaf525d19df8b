"""Where the walk is, and how far what it meets there reaches."""

from __future__ import annotations

import struct
from typing import NamedTuple

from dicom_assets.deidentification.encoded import UNDEFINED
from dicom_assets.deidentification.fast.plan import OddError, Plan

ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
"""Tags as they are encoded in little endian."""

long_at = struct.Struct("<L").unpack_from


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
