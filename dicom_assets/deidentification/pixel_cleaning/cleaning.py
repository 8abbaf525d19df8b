"""Cleans the pixels of one instance: rules first, then what lies outside ultrasound regions, then text that is seen.

What no rule touches leaves as it came, compressed or not. What was compressed and is blanked is stored uncompressed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dicom_assets.deidentification.conditions import holds, parse_condition
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.header import Header
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.deidentification.part10 import Part10
from dicom_assets.deidentification.pixel_cleaning.black import black_samples
from dicom_assets.deidentification.pixel_cleaning.blanking import blank
from dicom_assets.deidentification.pixel_cleaning.decoding import (
    NATIVE_TRANSFER_SYNTAX,
    OFFSET_TABLES,
    Native,
    native_header,
    native_pixels,
)
from dicom_assets.deidentification.pixel_cleaning.geometry import Box, fitted, outside, ultrasound_regions
from dicom_assets.deidentification.pixel_cleaning.image import Image, describe, not_cleanable
from dicom_assets.deidentification.pixel_cleaning.rules import (
    DetectorRules,
    Effort,
    Found,
    PixelRule,
    PixelRules,
    UltrasoundRegions,
)
from dicom_assets.deidentification.pixels import PIXEL_DATA, PIXEL_TAGS
from dicom_assets.study import QuarantineReason

BURNED_IN_ANNOTATION = 0x00280301
_ELSEWHERE = frozenset({0x00287FE0, 0x00420011})
"""Pixel Data Provider URL and Encapsulated Document: what is seen is not in Pixel Data."""
_EXTREMES = frozenset({0x00280106, 0x00280107})
"""Smallest and Largest Image Pixel Value, which blanking may have made untrue."""
_ROUNDS = 4
"""How often text is looked for, and blanked, before an image is given up."""
_ULTRASOUND_CLASSES = frozenset(
    {"1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"}
    | {"1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.3"}
)
"""Ultrasound (Multi-frame) Image Storage, retired ones included; enhanced volumes have no such regions."""


@dataclass(frozen=True, slots=True)
class PixelPlan:
    """What is to be done with an instance's pixels. `image` is None where nothing is."""

    image: Image | None = None
    rule: str = ""
    boxes: tuple[Box, ...] = ()
    detector: DetectorRules | None = None
    without_pixels: bool = False

    @property
    def cleans(self) -> bool:
        """Whether pixels will be looked at or blanked."""
        return self.image is not None


@dataclass(frozen=True, slots=True, repr=False)
class PixelOutcome:
    """What became of an instance's pixels.

    `cleaned` says that the option was carried out on this instance. `pixels` is None where they leave as they came.
    `put` and `drop` are changes to the header. `rule` names the rule that was carried out, and is empty for none;
    `blanked` counts boxes. `examined` says that text was looked for in every frame.
    """

    cleaned: bool = False
    transfer_syntax: str = ""
    pixels: Element | None = None
    put: tuple[Element, ...] = ()
    drop: frozenset[int] = frozenset()
    rule: str = ""
    blanked: int = 0
    examined: bool = False

    @property
    def account(self) -> str:
        """What was done, for the manifest; empty where nothing was."""
        said = [f"rule {self.rule}"] if self.rule else []
        said += [f"{self.blanked} boxes blanked"] if self.blanked else []
        said += ["searched for text"] if self.examined else []
        return ", ".join(said)

    def change(self, cleaned: DataSet) -> None:
        """Make a data set that was de-identified say what its pixels now are."""
        if self.pixels is not None:
            cleaned.put(self.pixels)
        for element in self.put:
            cleaned.put(element)
        for tag in self.drop:
            cleaned.elements.pop(tag, None)

    def encoded_in(self, part10: Part10) -> Part10:
        """How the instance is written."""
        return replace(part10, transfer_syntax=self.transfer_syntax or part10.transfer_syntax)


def plan_pixels(rules: PixelRules, original: DataSet, part10: Part10) -> PixelPlan:
    """Find out what is to be done.

    Raises:
        EncodingError: the image is not described.
        RefusedError: a rule keeps the instance back, or it can't be carried out.
    """
    if not rules:
        return PixelPlan()
    if PIXEL_TAGS.isdisjoint(original.elements):
        return PixelPlan(without_pixels=_ELSEWHERE.isdisjoint(original.elements))
    header = Header.of(original, part10)
    rule = next((rule for rule in rules.rules if holds(parse_condition(rule.when), header)), None)
    if rule is not None and rule.quarantine:
        raise RefusedError(QuarantineReason.PIXEL_RULE, f"rule {rule.name}")
    sop_class_uid = original.value(0x00080016).strip(b" \0").decode("latin-1")
    detector = rules.detector if rules.detector is not None and rules.detector.covers(sop_class_uid) else None
    regional = _regional(rules, rule, original, sop_class_uid)
    if not (detector or regional or (rule is not None and rule.rectangles)):
        return PixelPlan()
    image = describe(original, little=header.little)
    fitting = [fitted(rectangle, image.rows, image.columns) for rectangle in (rule.rectangles if rule else ())]
    boxes = [box for box in fitting if box is not None]
    carried_out = rule is not None and (boxes or rule.outside_ultrasound_regions)
    if regional:
        boxes += _outside_regions(original, image, little=header.little)
    if not (detector or boxes):
        return PixelPlan()
    return PixelPlan(image, rule.name if rule is not None and carried_out else "", tuple(boxes), detector)


def _regional(rules: PixelRules, rule: PixelRule | None, original: DataSet, sop_class_uid: str) -> bool:
    if rule is not None and rule.outside_ultrasound_regions:
        return True
    match rules.ultrasound_regions:
        case UltrasoundRegions.REQUIRE if sop_class_uid in _ULTRASOUND_CLASSES:
            return True
        case UltrasoundRegions.IGNORE:
            return False
    return 0x00186011 in original.elements


def _outside_regions(original: DataSet, image: Image, *, little: bool) -> list[Box]:
    regions = ultrasound_regions(original, image.rows, image.columns, little=little)
    if not regions:
        raise not_cleanable("(0018,6011) holds no regions that can be believed")
    return outside(regions, image.rows, image.columns)


def clean_pixels(plan: PixelPlan, original: DataSet, part10: Part10) -> PixelOutcome:
    """Carry out a plan.

    Raises:
        EncodingError: the image is not described.
        RefusedError: text was seen, or the pixels can't be cleaned.
    """
    if plan.image is None:
        return PixelOutcome(cleaned=plan.without_pixels)
    native = native_pixels(original, part10, plan.image)
    boxes = list(plan.boxes)
    if boxes:
        native = _blanked(native, boxes, original)
    if plan.detector is not None:
        native, seen = _without_text(native, original, plan.detector)
        boxes += seen
    said = (Element(BURNED_IN_ANNOTATION, "CS", b"NO", ours=True),)
    outcome = PixelOutcome(True, put=said, rule=plan.rule, examined=plan.detector is not None)
    return _stored(outcome, native, original, part10, len(boxes)) if boxes else outcome


def _blanked(native: Native, boxes: list[Box], original: DataSet) -> Native:
    black = black_samples(native.image, original, little=native.little)
    pixels = blank(native.pixels, native.image, boxes, black, little=native.little, words=native.words)
    return replace(native, pixels=pixels)


def _without_text(native: Native, original: DataSet, detector: DetectorRules) -> tuple[Native, list[Box]]:
    blanked: list[Box] = []
    for _ in range(_ROUNDS):
        seen = _text_boxes(native, original, detector)
        if not seen:
            return native, blanked
        native = _blanked(native, seen, original)
        blanked += seen
    raise RefusedError(QuarantineReason.BURNED_IN_TEXT, f"text is seen again after {_ROUNDS} times of blanking it")


def _text_boxes(native: Native, original: DataSet, detector: DetectorRules) -> list[Box]:
    found: set[Box] = set()
    frames = 0
    for frame in range(native.image.frames):
        boxes = _read_frame(native, original, frame, detector.effort)
        frames += bool(boxes)
        found.update(box.grown(detector.margin, native.image.rows, native.image.columns) for box in boxes)
    if found and detector.found is Found.QUARANTINE:
        detail = f"text at {len(found)} places, in {frames} of {native.image.frames} frames"
        raise RefusedError(QuarantineReason.BURNED_IN_TEXT, detail)
    return sorted(found)


def _read_frame(native: Native, original: DataSet, frame: int, effort: Effort) -> list[Box]:
    try:
        from dicom_assets.deidentification.pixel_cleaning.detector import read_text
        from dicom_assets.deidentification.pixel_cleaning.display import views
        from dicom_assets.deidentification.pixel_cleaning.strokes import looks_like_text

        declared = original.value(BURNED_IN_ANNOTATION).strip(b" \0").upper() not in {b"", b"NO"}
        return [
            box
            for view in views(native, original, frame)
            if effort is Effort.THOROUGH or declared or looks_like_text(view)
            for box in read_text(view)
        ]
    except ImportError:
        raise not_cleanable("text is to be looked for and the extra `ocr` is not installed") from None


def _stored(outcome: PixelOutcome, native: Native, original: DataSet, part10: Part10, blanked: int) -> PixelOutcome:
    content = bytes(native.pixels)
    if not part10.encapsulated:
        element = Element(PIXEL_DATA, original.elements[PIXEL_DATA].vr, content)
        return replace(outcome, pixels=element, blanked=blanked, drop=_EXTREMES)
    return replace(
        outcome,
        pixels=Element(PIXEL_DATA, "OW" if native.words else "OB", content),
        blanked=blanked,
        put=(*outcome.put, *native_header(native, part10.transfer_syntax)),
        drop=_EXTREMES | OFFSET_TABLES,
        transfer_syntax=NATIVE_TRANSFER_SYNTAX,
    )
