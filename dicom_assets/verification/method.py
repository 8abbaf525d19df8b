"""What a file says of how it was de-identified (PS3.15 E.1.1, PS3.3 C.12.1.1.7 and CID 7050 of PS3.16)."""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset

from dicom_assets.verification.reading import Instance, element_at, paired_elements, place_of, values_of

CLEAN_PIXEL_DATA = "113101"
CLEAN_RECOGNIZABLE_VISUAL_FEATURES = "113102"
RETAIN_FULL_DATES = "113106"
RETAIN_MODIFIED_DATES = "113107"
RETAIN_DEVICE_IDENTITY = "113109"
RETAIN_UIDS = "113110"
RETAIN_SAFE_PRIVATE = "113111"
RETAIN_INSTITUTION_IDENTITY = "113112"
CID_7050 = frozenset(str(code) for code in range(113100, 113113))

_METHOD = "(0012,0063) or (0012,0064)"
_CODES = "(0012,0064) DeidentificationMethodCodeSequence"
_TEMPORAL = "(0028,0303) LongitudinalTemporalInformationModified"
_DATES_OF_EXAMINATION = frozenset({0x00080020, 0x00080021, 0x00080022, 0x00080023, 0x0008002A})

Find = Callable[[str, str], None]
"""Takes a rule and a place."""


def method_codes(ds: Dataset) -> frozenset[str]:
    """The codes of CID 7050 that a file claims."""
    return frozenset(code for scheme, code in _coded_items(ds) if scheme == "DCM") & CID_7050


def check_method(dest: Instance, find: Find) -> None:
    """Check what the file says of itself."""
    if dest.text("PatientIdentityRemoved") != "YES":
        find("Patient Identity Removed is not YES", "(0012,0062) PatientIdentityRemoved")
    items = _coded_items(dest.ds)
    if not dest.text("DeidentificationMethod") and not items:
        find("no de-identification method", _METHOD)
    for scheme, code in items:
        if scheme != "DCM" or code not in CID_7050:
            find("a method code that is not of CID 7050", _CODES)
    codes = method_codes(dest.ds)
    _check_temporal(dest.text("LongitudinalTemporalInformationModified"), codes, find)
    if CLEAN_PIXEL_DATA in codes and dest.text("BurnedInAnnotation") not in ("", "NO"):
        find("pixels are said to be clean, Burned In Annotation is not NO", "(0028,0301) BurnedInAnnotation")
    if dest.text("BurnedInAnnotation") == "YES" and CLEAN_PIXEL_DATA not in codes:
        find("burned-in annotation is declared and was not cleaned", "(0028,0301) BurnedInAnnotation")
    if CLEAN_RECOGNIZABLE_VISUAL_FEATURES in codes and dest.text("RecognizableVisualFeatures") == "YES":
        find("features are said to be clean, but declared", "(0028,0302) RecognizableVisualFeatures")


def check_dates(source: Instance, dest: Instance, find: Find) -> None:
    """Check that the examination's dates are not the source's, where no option of the method retains them.

    Those of a source that was de-identified before may be replacements already, and are let pass.
    """
    if {RETAIN_FULL_DATES, RETAIN_MODIFIED_DATES} & method_codes(dest.ds) or method_codes(source.ds):
        return
    for before, after in paired_elements(source.ds, dest.ds):
        if before.tag in _DATES_OF_EXAMINATION and values_of(before) and values_of(before) == values_of(after):
            find("a date is retained, but no option of the method says so", place_of(after.path))


def _check_temporal(value: str, codes: frozenset[str], find: Find) -> None:
    if {RETAIN_FULL_DATES, RETAIN_MODIFIED_DATES} <= codes:
        find("claims both full and modified dates", _CODES)
    elif RETAIN_MODIFIED_DATES in codes and value != "MODIFIED":
        find("dates are said to be modified, Longitudinal Temporal Information Modified is not MODIFIED", _TEMPORAL)
    elif RETAIN_FULL_DATES in codes and value != "UNMODIFIED":
        find("dates are said to be retained, Longitudinal Temporal Information Modified is not UNMODIFIED", _TEMPORAL)
    elif not {RETAIN_FULL_DATES, RETAIN_MODIFIED_DATES} & codes and value not in ("", "REMOVED"):
        find("Longitudinal Temporal Information Modified is not REMOVED, but no option says so", _TEMPORAL)


def _coded_items(ds: Dataset) -> list[tuple[str, str]]:
    items = element_at(ds, 0x00120064).value if "DeidentificationMethodCodeSequence" in ds else ()
    return [(_text(item, 0x00080102), _text(item, 0x00080100)) for item in items or ()]


def _text(item: Dataset, tag: int) -> str:
    return next((str(value) for value in values_of(element_at(item, tag))), "") if tag in item else ""
