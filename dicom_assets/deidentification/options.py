"""The options of PS3.15 E.3."""

from __future__ import annotations

from enum import StrEnum


class Option(StrEnum):
    """An option by its name in PS3.15 E.3."""

    CLEAN_PIXEL_DATA = "Clean Pixel Data"
    CLEAN_RECOGNIZABLE_VISUAL_FEATURES = "Clean Recognizable Visual Features"
    CLEAN_GRAPHICS = "Clean Graphics"
    CLEAN_STRUCTURED_CONTENT = "Clean Structured Content"
    CLEAN_DESCRIPTORS = "Clean Descriptors"
    RETAIN_FULL_DATES = "Retain Longitudinal Temporal Information with Full Dates"
    RETAIN_MODIFIED_DATES = "Retain Longitudinal Temporal Information with Modified Dates"
    RETAIN_PATIENT_CHARACTERISTICS = "Retain Patient Characteristics"
    RETAIN_DEVICE_IDENTITY = "Retain Device Identity"
    RETAIN_UIDS = "Retain UIDs"
    RETAIN_SAFE_PRIVATE = "Retain Safe Private"
    RETAIN_INSTITUTION_IDENTITY = "Retain Institution Identity"


SUPPORTED: frozenset[Option] = frozenset()
"""What the engine carries out. A profile that asks for another option is refused."""
