"""What was done, said in the object itself (PS3.15 E.1.1 and E.3; codes of CID 7050)."""

from __future__ import annotations

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.dates import DATE_VRS
from dicom_assets.deidentification.dictionary import known_vr
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.options import CODES, Option
from dicom_assets.deidentification.profile import ENGINE_VERSION, Profile
from dicom_assets.deidentification.table import confidentiality_table

DEIDENTIFICATION_METHOD_CODES = 0x00120064
_MEANINGS = {
    Option.RETAIN_FULL_DATES: "Retain Longitudinal Temporal Information Full Dates",
    Option.RETAIN_MODIFIED_DATES: "Retain Longitudinal Temporal Information Modified Dates",
}
LONGITUDINAL = 0x00280303
_LEAST_TO_MOST_CHANGED = ("UNMODIFIED", "MODIFIED", "REMOVED")

BASIC_PROFILE = "113100"
CID_7050: dict[str, str] = {
    BASIC_PROFILE: "Basic Application Confidentiality Profile",
    **{code: f"{_MEANINGS.get(option, option)} Option" for option, code in CODES.items()},
}


_CLEANING = frozenset(CODES[option] for option in Option if option.name.startswith("CLEAN_"))


def earlier_codes(original: DataSet) -> tuple[str, ...]:
    """The codes of CID 7050 for what was cleaned before, in order; what was retained then may be gone now."""
    element = original.elements.get(DEIDENTIFICATION_METHOD_CODES)
    found = []
    for item in (element.items if element is not None else None) or ():
        code = item.value(0x00080100).strip(b" \0").decode("latin-1")
        if item.value(0x00080102).strip(b" \0") == b"DCM" and code in _CLEANING and code not in found:
            found.append(code)
    return tuple(found)


def write_method(data_set: DataSet, profile: Profile, original: DataSet, *, pixels_cleaned: bool = False) -> None:
    """Set (0012,0062) to (0012,0064) and (0028,0303) of a data set that was de-identified from `original`.

    The Clean Pixel Data Option is claimed only for an instance whose pixels were cleaned.
    With a risk that a person took, the Basic Profile was not kept to, and no code claims that it was.
    """
    edition = confidentiality_table().edition
    risks = len(profile.accepted_risks)
    texts = (
        f"DICOM PS3.15 {edition} "
        + (f"with {risks} exceptions" if risks else "Basic Application Confidentiality Profile"),
        f"dicom_assets engine {ENGINE_VERSION} profile {profile.name} {profile.version}"[:64].rstrip(),
    )
    data_set.put(_ours(0x00120062, "CS", "YES"))
    data_set.put(_ours(0x00120063, "LO", "\\".join(texts)))
    data_set.put(_ours(LONGITUDINAL, "CS", _longitudinal(profile, original)))
    if not risks:
        claimed = profile.options - (set() if pixels_cleaned else {Option.CLEAN_PIXEL_DATA})
        ours = [BASIC_PROFILE, *sorted(CODES[option] for option in claimed)]
        codes = [*ours, *(code for code in earlier_codes(original) if code not in ours)]
        data_set.put(Element(DEIDENTIFICATION_METHOD_CODES, "SQ", items=[_coded_item(code) for code in codes]))


def _longitudinal(profile: Profile, original: DataSet) -> str:
    """What became of the dates, now or in an earlier de-identification (PS3.3 C.12.1.1.1)."""
    now = "REMOVED"
    if Option.RETAIN_MODIFIED_DATES in profile.options or any(o.action is Action.SHIFT for o in profile.overrides):
        now = "MODIFIED"
    elif Option.RETAIN_FULL_DATES in profile.options:
        now = "UNMODIFIED"
    if any(o.action is Action.KEEP and known_vr(o.tag) in DATE_VRS for o in profile.overrides):
        now = "UNMODIFIED"  # a single date as it was tells by how much the others were moved
    before = original.value(LONGITUDINAL).strip(b" \0").decode("latin-1")
    return max(now, before if before in _LEAST_TO_MOST_CHANGED else now, key=_LEAST_TO_MOST_CHANGED.index)


def _coded_item(code: str) -> DataSet:
    item = DataSet()
    item.put(_ours(0x00080100, "SH", code))
    item.put(_ours(0x00080102, "SH", "DCM"))
    item.put(_ours(0x00080104, "LO", CID_7050[code]))
    return item


def _ours(tag: int, vr: str, text: str) -> Element:
    return Element(tag, vr, text.encode("ascii"), ours=True)
