"""Graphic annotations of presentation states (PS3.3 C.10.5): graphic objects stay, text goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicom_assets.deidentification.dictionary import known_vr
from dicom_assets.deidentification.encoded import DataSet, Element

if TYPE_CHECKING:
    from dicom_assets.deidentification.cleaner import Cleaner, Place

GRAPHIC_OBJECTS, GRAPHIC_DATA = 0x00700009, 0x00700022

_BESIDE_OBJECTS = frozenset({0x00081140, 0x00700002})
"""Referenced Image Sequence and Graphic Layer, by their own rules."""
_NUMBERS = frozenset({0x00700020, 0x00700021, GRAPHIC_DATA, 0x00700295})
_STYLES = frozenset({0x00700232, 0x00700233})
"""Line Style and Fill Style Sequence, by their own rules."""
_TERMS: dict[int, frozenset[bytes]] = {
    0x00700005: frozenset({b"PIXEL", b"DISPLAY", b"MATRIX"}),
    0x00700023: frozenset({b"POINT", b"POLYLINE", b"INTERPOLATED", b"CIRCLE", b"ELLIPSE"}),
    0x00700024: frozenset({b"Y", b"N"}),
}
"""The defined terms of Graphic Annotation Units, Graphic Type and Graphic Filled."""


def clean_annotations(element: Element, place: Place, cleaner: Cleaner) -> Element | None:
    """The annotations with graphic objects, without text and without compound graphics.

    Compound graphics (rulers with labelled ticks and such) tell again what simple objects tell, for readers that know
    them. None where no graphic object is left: the module is absent where there are no annotations.
    """
    inside = place.inside(element.tag)
    items = [kept for item in element.items or () if (kept := _annotation(item, inside, cleaner)) is not None]
    return Element(element.tag, "SQ", items=items, undefined=element.undefined) if items else None


def _annotation(item: DataSet, place: Place, cleaner: Cleaner) -> DataSet | None:
    cleaned = DataSet(undefined=item.undefined)
    for element in item.elements.values():
        if element.tag == GRAPHIC_OBJECTS:
            kept = _objects(element, place.inside(GRAPHIC_OBJECTS), cleaner)
        else:
            kept = cleaner.element(element, item, place) if element.tag in _BESIDE_OBJECTS else None
        if kept is not None:
            cleaned.put(kept)
    return cleaned if GRAPHIC_OBJECTS in cleaned.elements else None


def _objects(element: Element, place: Place, cleaner: Cleaner) -> Element | None:
    items = [_object(item, place, cleaner) for item in element.items or ()]
    items = [item for item in items if GRAPHIC_DATA in item.elements]
    return Element(element.tag, "SQ", items=items, undefined=element.undefined) if items else None


def _object(item: DataSet, place: Place, cleaner: Cleaner) -> DataSet:
    cleaned = DataSet(undefined=item.undefined)
    for element in item.elements.values():
        kept = _part(element, item, place, cleaner)
        if kept is not None:
            cleaned.put(kept)
    return cleaned


def _part(element: Element, item: DataSet, place: Place, cleaner: Cleaner) -> Element | None:
    if element.tag in _STYLES:
        return cleaner.element(element, item, place)
    if element.items is not None:
        return None
    if element.tag in _NUMBERS:
        return element if element.vr in {"", "UN", known_vr(element.tag)} else None
    return element if bytes(element.value).strip(b" \0") in _TERMS.get(element.tag, ()) else None
