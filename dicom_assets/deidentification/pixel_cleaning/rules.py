"""The profile's section `pixels`, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_MARGIN = 4


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Pixels from the upper left corner (0, 0); a negative `x` or `y` counts from the right or lower edge."""

    x: int
    y: int
    width: int
    height: int


class UltrasoundRegions(StrEnum):
    """What is done outside the regions of Sequence of Ultrasound Regions (0018,6011)."""

    IGNORE = "ignore"
    BLANK_OUTSIDE = "blank_outside"
    REQUIRE = "require"
    """As `blank_outside`; ultrasound images without regions are kept back."""


class Found(StrEnum):
    """What is done with an image in which text is seen."""

    QUARANTINE = "quarantine"
    BLANK = "blank"


class Effort(StrEnum):
    """On which frames text is read: all, or those on which a quick look finds something like text."""

    THOROUGH = "thorough"
    FLAGGED = "flagged"


@dataclass(frozen=True, slots=True)
class PixelRule:
    """What is done with the instances that meet the condition `when` (see `signature`).

    A rule that does nothing lets the instances pass that it names: the rules below it are not asked.
    """

    name: str
    when: str
    rectangles: tuple[Rectangle, ...] = ()
    outside_ultrasound_regions: bool = False
    quarantine: bool = False


@dataclass(frozen=True, slots=True)
class DetectorRules:
    """Which SOP Classes are searched for text; `*` stands for all. `margin` grows what is blanked, in pixels."""

    sop_classes: tuple[str, ...]
    found: Found = Found.QUARANTINE
    effort: Effort = Effort.THOROUGH
    margin: int = DEFAULT_MARGIN

    def covers(self, sop_class_uid: str) -> bool:
        """Whether instances of a SOP Class are searched."""
        return "*" in self.sop_classes or sop_class_uid in self.sop_classes


@dataclass(frozen=True, slots=True)
class PixelRules:
    """How pixels are cleaned. Of `rules` the first that an instance meets is carried out, and no other.

    `release_declared` lets instances pass whose Burned In Annotation is not NO if their pixels were cleaned.
    """

    rules: tuple[PixelRule, ...] = ()
    ultrasound_regions: UltrasoundRegions = UltrasoundRegions.IGNORE
    detector: DetectorRules | None = None
    release_declared: bool = False

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != PixelRules()
