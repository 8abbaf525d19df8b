"""Clean Graphics (PS3.15 E.3.3): overlays, curves and the annotations of presentation states.

Text goes, whatever it says. Of graphics stays what the profile asks for, and only where its description is whole:
nobody looks at the bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.annotations import clean_annotations
from dicom_assets.deidentification.dictionary import known_vr, tag_text
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.deidentification.rule import Rule
from dicom_assets.study import QuarantineReason

if TYPE_CHECKING:
    from dicom_assets.deidentification.cleaner import Cleaner, Place

ANNOTATIONS, LAYER = 0x00700001, 0x00700002
SHUTTER_SHAPE, SHUTTER_OVERLAY_GROUP = 0x00181600, 0x00181623
OVERLAYS = 0x60
PIXEL_DATA, PIXEL_BITS_ALLOCATED = 0x7FE00010, 0x00280100

ROWS, COLUMNS, FRAMES, TYPE, SUBTYPE = 0x0010, 0x0011, 0x0015, 0x0040, 0x0045
BITS_ALLOCATED, BIT_POSITION, ACTIVATION_LAYER, OVERLAY_DATA = 0x0100, 0x0102, 0x1001, 0x3000
"""Element numbers of an overlay's group (PS3.3 C.9.2)."""
_OVERLAY = frozenset(
    {ROWS, COLUMNS, FRAMES, TYPE, 0x0050, 0x0051, BITS_ALLOCATED, BIT_POSITION, 0x1301, 0x1302, 0x1303, OVERLAY_DATA}
)
LONGEST_NUMBER = 16
_SUBTYPES = frozenset({b"USER", b"AUTOMATED", b"ACTIVE IMAGE AREA"})

DIMENSIONS, POINTS, CURVE_TYPE, REPRESENTATION, CURVE_DATA = 0x0005, 0x0010, 0x0020, 0x0103, 0x3000
"""Element numbers of a curve's group (PS3.3 2004 C.10.2, retired)."""
_CURVE = frozenset({DIMENSIONS, POINTS, CURVE_TYPE, REPRESENTATION, 0x0104, 0x0105, 0x0106, 0x0110, 0x0112, 0x0114})
_CURVE_TYPES = frozenset(
    {b"TAC", b"PROF", b"HIST", b"ROI", b"FILT", b"POLY", b"ECG", b"PRESSURE", b"FLOW", b"PHYSIO", b"RESP"}
)
_BYTES_PER_NUMBER = {0: 2, 1: 2, 2: 4, 3: 8, 4: 4}


class Overlays(StrEnum):
    """Which overlays stay."""

    REMOVE = "remove"
    KEEP_REGIONS = "keep_regions"
    """Those of Overlay Type R: their bits mark pixels and write nothing."""
    KEEP_ALL = "keep_all"
    """Those of type G too, whose bits may be writing: a risk that a person has to take."""


class Curves(StrEnum):
    """Whether curves stay."""

    REMOVE = "remove"
    KEEP = "keep"
    """Their numbers, without labels and descriptions."""


class Annotations(StrEnum):
    """What stays of graphic annotations."""

    REMOVE = "remove"
    REMOVE_TEXT = "remove_text"
    """Graphic objects stay, text objects and compound graphics go."""


@dataclass(frozen=True, slots=True)
class GraphicsRules:
    """What Clean Graphics leaves. `accepted_risk` is the reason that a person gave for keeping overlays unseen."""

    overlays: Overlays = Overlays.REMOVE
    curves: Curves = Curves.REMOVE
    annotations: Annotations = Annotations.REMOVE_TEXT
    accepted_risk: str = ""


_OVERLAY_TYPES: dict[Overlays, frozenset[bytes]] = {
    Overlays.REMOVE: frozenset(),
    Overlays.KEEP_REGIONS: frozenset({b"R"}),
    Overlays.KEEP_ALL: frozenset({b"R", b"G"}),
}


class Graphics:
    """The graphics of one instance."""

    def __init__(self, rules: GraphicsRules, *, little: bool) -> None:
        """Clean by `rules`; `little` tells the byte order of numbers."""
        self._rules = rules
        self._little = little

    def clean(self, element: Element, original: DataSet, place: Place, cleaner: Cleaner) -> Element | None:
        """What may leave of an element that is about graphics."""
        tag, group = element.tag, element.tag >> 16
        if tag == ANNOTATIONS:
            if place.dummied:
                return cleaner.apply(Rule(Action.DUMMY, "E.3.3"), element, original, place)
            removed = self._rules.annotations is Annotations.REMOVE
            return None if removed else clean_annotations(element, place, cleaner)
        if tag == LAYER:
            return _layer(element, cleaner)
        if tag in {SHUTTER_SHAPE, SHUTTER_OVERLAY_GROUP}:
            return self._shutter(element, original)
        if place.path or element.items is not None:
            return None  # planes and curves describe what is at top level
        if 0x5000 <= group <= 0x50FF:
            return self._curve(element, original, place, cleaner)
        return self._overlay(element, original, place, cleaner)

    def _overlay(self, element: Element, original: DataSet, place: Place, cleaner: Cleaner) -> Element | None:
        group, number = element.tag & 0xFFFF0000, element.tag & 0xFFFF
        if not self._plane_stays(original, group):
            return None
        if number == ACTIVATION_LAYER:
            return _layer(element, cleaner)
        if number == SUBTYPE:
            return element if bytes(element.value).strip(b" \0") in _SUBTYPES else None
        return _number(element, original, place, cleaner) if number in _OVERLAY else None

    def _plane_stays(self, original: DataSet, group: int) -> bool:
        """Whether an overlay is of a type that stays and its data are what its description says, and nothing more."""
        if original.value(group | TYPE).strip(b" \0") not in _OVERLAY_TYPES[self._rules.overlays]:
            return False
        data = original.elements.get(group | OVERLAY_DATA)
        rows, columns = (self._unsigned(original, group | number) for number in (ROWS, COLUMNS))
        if data is None or data.items is not None or data.undefined or not rows or not columns:
            return False
        if self._unsigned(original, group | BITS_ALLOCATED) != 1 or self._unsigned(original, group | BIT_POSITION):
            return False
        frames = original.value(group | FRAMES).strip(b" \0") or b"1"
        if not frames.isdigit() or len(frames) > 10:
            return False
        return 0 <= len(data.value) - -(-rows * columns * int(frames) // 8) <= 1

    def _curve(self, element: Element, original: DataSet, place: Place, cleaner: Cleaner) -> Element | None:
        group, number = element.tag & 0xFFFF0000, element.tag & 0xFFFF
        if self._rules.curves is Curves.REMOVE or not self._curve_stays(original, group):
            return None
        return _number(element, original, place, cleaner) if number in _CURVE | {CURVE_DATA} else None

    def _curve_stays(self, original: DataSet, group: int) -> bool:
        data = original.elements.get(group | CURVE_DATA)
        if data is None or data.items is not None or data.undefined or group | REPRESENTATION not in original.elements:
            return False
        if original.value(group | CURVE_TYPE).strip(b" \0") not in _CURVE_TYPES:
            return False
        dimensions, points, kind = (self._unsigned(original, group | n) for n in (DIMENSIONS, POINTS, REPRESENTATION))
        return 0 < len(data.value) <= dimensions * points * _BYTES_PER_NUMBER.get(kind, 0) + 1

    def _shutter(self, element: Element, original: DataSet) -> Element | None:
        # A bitmap shutter is an overlay; without it there is nothing to shut.
        group = self._unsigned(original, SHUTTER_OVERLAY_GROUP) << 16
        stays = 0x60000000 <= group <= 0x60FF0000 and self._plane_stays(original, group)
        if element.tag == SHUTTER_OVERLAY_GROUP:
            return element if stays and element.items is None else None
        shapes = [shape.strip(b" \0") for shape in bytes(element.value).split(b"\\")]
        known = {b"RECTANGULAR", b"CIRCULAR", b"POLYGONAL"} | ({b"BITMAP"} if stays else set())
        kept = [shape for shape in shapes if shape in known]
        return Element(element.tag, "CS", b"\\".join(kept)) if kept else None

    def _unsigned(self, data_set: DataSet, tag: int) -> int:
        return _unsigned(data_set, tag, little=self._little)


def refuse_embedded_overlays(original: DataSet, *, little: bool) -> None:
    """Let an image pass whose Pixel Data hold no overlay in bits of their own (retired, PS3.3-2004 C.9.2).

    Such a plane has no data of its own. Its description goes, or stays, but the bits would stay whatever is done.

    Raises:
        RefusedError: there is one, or it can't be seen that there is none.
    """
    for group in sorted({tag & 0xFFFF0000 for tag in original.elements if tag >> 24 == OVERLAYS}):
        pixels = original.elements.get(PIXEL_DATA)
        if pixels is None or original.value(group | OVERLAY_DATA):
            continue
        allocated, position = (_unsigned(original, group | n, little=little) for n in (BITS_ALLOCATED, BIT_POSITION))
        if allocated in {0, 1} and not position:
            continue
        bits = _unsigned(original, PIXEL_BITS_ALLOCATED, little=little)
        if _bit_is_used(pixels, bits, position, little=little):
            place = f"{tag_text(group | BIT_POSITION)} an overlay in the bits of {tag_text(PIXEL_DATA)}"
            raise RefusedError(QuarantineReason.BURNED_IN_ANNOTATION, place)


def _bit_is_used(pixels: Element, allocated: int, position: int, *, little: bool) -> bool:
    if pixels.undefined or pixels.items is not None or allocated not in {8, 16, 32} or position >= allocated:
        return True  # can't be seen, so it may be
    width = allocated // 8
    byte = position // 8 if little else width - 1 - position // 8
    return any(value >> position % 8 & 1 for value in set(bytes(pixels.value)[byte::width]))


def _unsigned(data_set: DataSet, tag: int, *, little: bool) -> int:
    value = data_set.value(tag)
    return int.from_bytes(value, "little" if little else "big") if len(value) == 2 else 0


def _layer(element: Element, cleaner: Cleaner) -> Element:
    # Whoever drew gave the layer its name; what refers to the layer gets the same new one.
    name = bytes(element.value).strip(b" \0").decode("latin-1")
    return Element(element.tag, "CS", cleaner.layer_name(name).encode("ascii") if name else b"", ours=True)


def _number(element: Element, original: DataSet, place: Place, cleaner: Cleaner) -> Element | None:
    # Besides the data no number of these groups is longer than a DS, and what is longer is no number.
    same_vr = element.vr in {"", "UN", *known_vr(element.tag).split(" or ")}
    if not same_vr or (element.tag & 0xFFFF != OVERLAY_DATA and len(element.value) > LONGEST_NUMBER):
        return None
    return cleaner.apply(Rule(Action.KEEP, "E.3.3"), element, original, place)
