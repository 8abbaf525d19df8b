"""The original's attributes, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping

from dicom_assets.deidentification.encoded import Element, Reader


class ElementsOnDemand(MutableMapping[int, Element]):
    """Elements of a data set by tag. The strict reader reads each the first time it is wanted."""

    def __init__(self, reader: Reader, positions: Mapping[int, int], end: int) -> None:
        """`positions` tells where in the reader's data each one begins; the data set ends at `end`."""
        self._reader = reader
        self._positions = dict.fromkeys(positions)
        self._where = positions
        self._end = end
        self._read: dict[int, Element] = {}

    def __getitem__(self, tag: int) -> Element:
        """The element."""
        found = self._read.get(tag)
        if found is None:
            if tag not in self._positions:
                raise KeyError(tag)
            found = self._read[tag] = self._reader.element(self._where[tag], self._end, 0)[0]
        return found

    def __setitem__(self, tag: int, element: Element) -> None:
        """Put an element in the place of what was read, or add one."""
        self._positions[tag] = None
        self._read[tag] = element

    def __delitem__(self, tag: int) -> None:
        """Take an element out."""
        del self._positions[tag]
        self._read.pop(tag, None)

    def __contains__(self, tag: object) -> bool:
        """Whether there is such an element."""
        return tag in self._positions

    def __iter__(self) -> Iterator[int]:
        """The tags, in the order they came."""
        return iter(self._positions)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._positions)
