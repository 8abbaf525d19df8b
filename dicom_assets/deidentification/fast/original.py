"""The original's attributes, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from dicom_assets.deidentification.encoded import SHORT_VRS, Element, Encoding, Reader

_SHORT_VRS = {vr.encode("ascii"): vr for vr in SHORT_VRS}


class ElementsOnDemand(MutableMapping[int, Element]):
    """Elements by tag, of a data set that the walk has found in order. Each is read the first time it is wanted."""

    def __init__(self, data: bytes, encoding: Encoding, positions: Mapping[int, int]) -> None:
        """`positions` tells where in the data each one begins; the last ends with the data."""
        self._data = memoryview(data)
        self._short_vrs = {} if encoding.implicit else _SHORT_VRS
        self._reader = Reader(self._data, encoding)
        self._positions = dict.fromkeys(positions)
        self._where = positions
        self._read: dict[int, Element] = {}

    def __getitem__(self, tag: int) -> Element:
        """The element."""
        found = self._read.get(tag)
        if found is None:
            if tag not in self._positions:
                raise KeyError(tag)
            found = self._read[tag] = self._element(tag, self._where[tag])
        return found

    def _element(self, tag: int, position: int) -> Element:
        vr = self._short_vrs.get(bytes(self._data[position + 4 : position + 6]))
        if vr is None:
            return self._reader.element(position, len(self._data), 0)[0]
        start = position + 8
        return Element(tag, vr, self._data[start : start + int.from_bytes(self._data[start - 2 : start], "little")])

    def __setitem__(self, tag: int, element: Element) -> None:
        """Put an element in the place of what was read, or add one."""
        self._positions[tag] = None
        self._read[tag] = element

    def __delitem__(self, tag: int) -> None:
        """Take an element out."""
        del self._positions[tag]
        self._read.pop(tag, None)

    def get(self, tag: int, default: Any = None) -> Any:
        """The element, or the default; quicker than the base class."""
        return self[tag] if tag in self._positions else default

    def __contains__(self, tag: object) -> bool:
        """Whether there is such an element."""
        return tag in self._positions

    def __iter__(self) -> Iterator[int]:
        """The tags, in the order they came."""
        return iter(self._positions)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._positions)
