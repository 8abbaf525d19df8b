"""The options of PS3.15 E.3, the table's column of each and its code in CID 7050."""

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


DATE_OPTIONS = frozenset({Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES})
"""The two ways of keeping dates; a profile has one of them at most."""

COLUMNS: dict[Option, str] = {
    Option.CLEAN_GRAPHICS: "clean_graphics",
    Option.CLEAN_STRUCTURED_CONTENT: "clean_structured_content",
    Option.CLEAN_DESCRIPTORS: "clean_descriptors",
    Option.RETAIN_FULL_DATES: "retain_longitudinal_full_dates",
    Option.RETAIN_MODIFIED_DATES: "retain_longitudinal_modified_dates",
    Option.RETAIN_PATIENT_CHARACTERISTICS: "retain_patient_characteristics",
    Option.RETAIN_DEVICE_IDENTITY: "retain_device_identity",
    Option.RETAIN_UIDS: "retain_uids",
    Option.RETAIN_SAFE_PRIVATE: "retain_safe_private",
    Option.RETAIN_INSTITUTION_IDENTITY: "retain_institution_identity",
}
"""The column of Table E.1-1 that an option reads; the two that are about pixels have none."""

CODES: dict[Option, str] = {
    Option.CLEAN_PIXEL_DATA: "113101",
    Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES: "113102",
    Option.CLEAN_GRAPHICS: "113103",
    Option.CLEAN_STRUCTURED_CONTENT: "113104",
    Option.CLEAN_DESCRIPTORS: "113105",
    Option.RETAIN_FULL_DATES: "113106",
    Option.RETAIN_MODIFIED_DATES: "113107",
    Option.RETAIN_PATIENT_CHARACTERISTICS: "113108",
    Option.RETAIN_DEVICE_IDENTITY: "113109",
    Option.RETAIN_UIDS: "113110",
    Option.RETAIN_SAFE_PRIVATE: "113111",
    Option.RETAIN_INSTITUTION_IDENTITY: "113112",
}
"""CID 7050."""

SUPPORTED: frozenset[Option] = frozenset(
    {
        Option.CLEAN_DESCRIPTORS,
        Option.CLEAN_GRAPHICS,
        Option.CLEAN_STRUCTURED_CONTENT,
        Option.CLEAN_PIXEL_DATA,
        Option.RETAIN_FULL_DATES,
        Option.RETAIN_MODIFIED_DATES,
        Option.RETAIN_PATIENT_CHARACTERISTICS,
        Option.RETAIN_DEVICE_IDENTITY,
        Option.RETAIN_UIDS,
        Option.RETAIN_INSTITUTION_IDENTITY,
        Option.RETAIN_SAFE_PRIVATE,
    }
)
"""What the engine carries out. A profile that asks for another option is refused."""
