"""The identifiers that a PACS answers a C-FIND with: a few short elements each, thousands of times (PS3.5 7.1.3)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from io import BytesIO

from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode

Identifier = Mapping[int, str]
"""Tag to value, values of an element parted by backslashes."""

_ELEMENT = struct.Struct("<HHI")
_UNDEFINED_LENGTH = 0xFFFFFFFF
_PADDING = b" \0"


def read_identifier(content: bytes) -> Identifier:
    """Read a data set in Implicit VR Little Endian; of use for elements whose values are ASCII.

    Raises:
        ValueError: it is not encoded so.
    """
    found: dict[int, str] = {}
    position, end = 0, len(content)
    while position < end:
        if end - position < _ELEMENT.size:
            raise ValueError("an element is cut")
        group, number, length = _ELEMENT.unpack_from(content, position)
        position += _ELEMENT.size
        if length == _UNDEFINED_LENGTH:
            return _read_with_sequences(content)
        if length > end - position:
            raise ValueError("a value is cut")
        found[group << 16 | number] = content[position : position + length].strip(_PADDING).decode("latin-1")
        position += length
    return found


def _read_with_sequences(content: bytes) -> Identifier:
    try:
        ds: Dataset = decode(BytesIO(content), is_implicit_vr=True, is_little_endian=True)
        raw = {int(tag): ds.get_item(tag) for tag in ds.keys()}  # noqa: SIM118  iterating a Dataset decodes it
    except Exception:  # noqa: BLE001  an edge: whatever its bytes do to pydicom, they are no identifier
        raise ValueError("it can't be read") from None
    values = {tag: getattr(item, "value", None) for tag, item in raw.items()}
    return {tag: value.strip(_PADDING).decode("latin-1") for tag, value in values.items() if isinstance(value, bytes)}
