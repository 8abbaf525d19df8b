"""Boxes of pixels: rectangles of rules made to fit an image, and what lies outside ultrasound regions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from dicom_assets.deidentification.encoded import DataSet
from dicom_assets.deidentification.pixel_cleaning.rules import Rectangle

_REGIONS = 0x00186011
_CORNERS = (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E)


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """Columns `left` to `right` and rows `top` to `bottom`, the last ones not included."""

    left: int
    top: int
    right: int
    bottom: int

    def grown(self, margin: int, rows: int, columns: int) -> Box:
        """Larger by `margin` pixels on each side, as far as the image goes."""
        return Box(
            max(0, self.left - margin),
            max(0, self.top - margin),
            min(columns, self.right + margin),
            min(rows, self.bottom + margin),
        )


def fitted(rectangle: Rectangle, rows: int, columns: int) -> Box | None:
    """The part of a rectangle that lies in the image; None if there is none."""
    left = max(0, rectangle.x + (columns if rectangle.x < 0 else 0))
    top = max(0, rectangle.y + (rows if rectangle.y < 0 else 0))
    box = Box(left, top, min(columns, left + rectangle.width), min(rows, top + rectangle.height))
    return box if box.left < box.right and box.top < box.bottom else None


def ultrasound_regions(data_set: DataSet, rows: int, columns: int, *, little: bool) -> list[Box] | None:
    """The regions of (0018,6011), their corners included (PS3.3 C.8.5.5.1.1); None where one can't be believed."""
    element = data_set.elements.get(_REGIONS)
    if element is None:
        return []
    if element.items is None:
        return None
    boxes = []
    for item in element.items:
        values = [item.value(tag) for tag in _CORNERS]
        if any(len(value) != 4 for value in values):
            return None
        left, top, right, bottom = (int.from_bytes(value, "little" if little else "big") for value in values)
        if not (left <= right < columns and top <= bottom < rows):
            return None
        boxes.append(Box(left, top, right + 1, bottom + 1))
    return boxes


def outside(boxes: Iterable[Box], rows: int, columns: int) -> list[Box]:
    """Boxes that cover, without overlap, all pixels that lie in none of `boxes`."""
    inside = list(boxes)
    edges = sorted({0, rows, *(box.top for box in inside), *(box.bottom for box in inside)})
    found = []
    for top, bottom in pairwise(edges):
        position = 0
        for box in sorted(box for box in inside if box.top <= top and bottom <= box.bottom):
            if box.left > position:
                found.append(Box(position, top, box.left, bottom))
            position = max(position, box.right)
        if position < columns:
            found.append(Box(position, top, columns, bottom))
    return found
