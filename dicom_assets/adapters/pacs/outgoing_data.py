"""Where in a Part 10 file the data set begins, which is what C-STORE carries (PS3.10 7.1)."""

from __future__ import annotations

import struct

from dicom_assets.errors import StudyError
from dicom_assets.study import OutgoingInstance

_PREFIX_AT = 128
_SHORT = struct.Struct("<HH2sH")
_UNSIGNED = struct.Struct("<I")
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_META_GROUP = b"\2\0"
_GROUP_LENGTH, _TRANSFER_SYNTAX = 0x0000, 0x0010


def data_set_of(item: OutgoingInstance) -> memoryview:
    """The encoded data set of an instance's file.

    Raises:
        ChangedContentError: the file is not what passed the residual scan.
        StudyError: it is no Part 10 file, or in another transfer syntax than is said of it.
        StorageError: it can't be read.
    """
    content = item.content()
    try:
        start, transfer_syntax = _data_set_start(content)
    except (struct.error, ValueError):
        raise StudyError(f"File {item.path.name} of stage deidentified has no legible file meta information.") from None
    if transfer_syntax != item.transfer_syntax_uid:
        raise StudyError(f"File {item.path.name} of stage deidentified is in another transfer syntax than recorded.")
    return content[start:]


def _data_set_start(content: memoryview) -> tuple[int, str]:
    """Where group 0002 ends, found element by element and as its length says, and the transfer syntax that it names."""
    if bytes(content[_PREFIX_AT : _PREFIX_AT + 4]) != b"DICM":
        raise ValueError("no prefix")
    position, end, transfer_syntax = _PREFIX_AT + 4, len(content), ""
    while position < end and bytes(content[position : position + 2]) == _META_GROUP:
        _, number, vr, length = _SHORT.unpack_from(content, position)
        position += _SHORT.size
        if vr in _LONG_VRS:
            length = _UNSIGNED.unpack_from(content, position)[0]
            position += _UNSIGNED.size
        value = content[position : position + length]
        position += length
        if number == _GROUP_LENGTH:
            end = position + _UNSIGNED.unpack(value)[0]
        elif number == _TRANSFER_SYNTAX:
            transfer_syntax = bytes(value).decode("ascii", "replace").strip("\0 ")
    if end != len(content) and position != end:
        raise ValueError("the group is not as long as it says")
    return position, transfer_syntax
