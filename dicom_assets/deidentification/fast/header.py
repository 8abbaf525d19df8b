"""The top level of a header without its pixels, where nothing in it is odd: found at a run, read when asked for."""

from __future__ import annotations

import struct

from dicom_assets.deidentification.encoded import LONG_VRS, SHORT_VRS, UNDEFINED, DataSet
from dicom_assets.deidentification.fast.file import open_plain
from dicom_assets.deidentification.fast.original import ElementsOnDemand
from dicom_assets.deidentification.fast.places import long_at
from dicom_assets.deidentification.fast.plan import OddError

_SHORT_VRS = frozenset(vr.encode("ascii") for vr in SHORT_VRS)
_LONG_VRS = frozenset(vr.encode("ascii") for vr in LONG_VRS)


def plain_header(content: bytes, stop: int) -> DataSet | None:
    """What a file's beginning holds before the first tag at or above `stop`; None where only the strict reader can say.

    That is also where `content` ends before such a tag.
    """
    try:
        part10, start = open_plain(content)
        positions = _positions(content, start, stop, implicit=part10.encoding.implicit)
    except (OddError, IndexError, struct.error):
        return None
    return DataSet(ElementsOnDemand(content, part10.encoding, positions)) if positions is not None else None


def _positions(content: bytes, position: int, stop: int, *, implicit: bool) -> dict[int, int] | None:
    found: dict[int, int] = {}
    previous = -1
    while True:
        group, number, vr, length = _HEADER(content, position)
        tag = group << 16 | number
        if tag >= stop:
            return found
        if tag <= previous:
            return None
        found[tag] = position
        previous = tag
        if implicit:
            length, position = long_at(content, position + 4)[0], position + 8
        elif vr in _SHORT_VRS:
            position += 8
        elif vr in _LONG_VRS:
            length, position = long_at(content, position + 8)[0], position + 12
        else:
            return None
        if length == UNDEFINED:
            return None
        position += length


_HEADER = struct.Struct("<HH2sH").unpack_from
