"""What was done, said in the object itself (PS3.15 E.1.1 and E.3; codes of CID 7050)."""

from __future__ import annotations

from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.profile import ENGINE_VERSION, Profile
from dicom_assets.deidentification.table import confidentiality_table

DEIDENTIFICATION_METHOD_CODES = 0x00120064

CID_7050: dict[str, str] = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113102": "Clean Recognizable Visual Features Option",
    "113103": "Clean Graphics Option",
    "113104": "Clean Structured Content Option",
    "113105": "Clean Descriptors Option",
    "113106": "Retain Longitudinal Temporal Information Full Dates Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
    "113110": "Retain UIDs Option",
    "113111": "Retain Safe Private Option",
    "113112": "Retain Institution Identity Option",
}
BASIC_PROFILE = "113100"


def earlier_codes(original: DataSet) -> tuple[str, ...]:
    """The codes of CID 7050 that the instance already carries, in order."""
    element = original.elements.get(DEIDENTIFICATION_METHOD_CODES)
    found = []
    for item in (element.items if element is not None else None) or ():
        code = item.value(0x00080100).strip(b" \0").decode("latin-1")
        if item.value(0x00080102).strip(b" \0") == b"DCM" and code in CID_7050 and code not in found:
            found.append(code)
    return tuple(found)


def write_method(data_set: DataSet, profile: Profile, earlier: tuple[str, ...]) -> None:
    """Set (0012,0062) to (0012,0064); Longitudinal Temporal Information Modified is left out, no date having stayed."""
    edition = confidentiality_table().edition
    texts = (
        f"DICOM PS3.15 {edition} Basic Application Confidentiality Profile",
        f"dicom_assets engine {ENGINE_VERSION} profile {profile.name} {profile.version}"[:64].rstrip(),
    )
    codes = [BASIC_PROFILE, *(code for code in earlier if code != BASIC_PROFILE)]
    data_set.put(_ours(0x00120062, "CS", "YES"))
    data_set.put(_ours(0x00120063, "LO", "\\".join(texts)))
    items = [_coded_item(code) for code in codes]
    data_set.put(Element(DEIDENTIFICATION_METHOD_CODES, "SQ", items=items))


def _coded_item(code: str) -> DataSet:
    item = DataSet()
    item.put(_ours(0x00080100, "SH", code))
    item.put(_ours(0x00080102, "SH", "DCM"))
    item.put(_ours(0x00080104, "LO", CID_7050[code]))
    return item


def _ours(tag: int, vr: str, text: str) -> Element:
    return Element(tag, vr, text.encode("ascii"), ours=True)
