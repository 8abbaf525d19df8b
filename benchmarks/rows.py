"""One object per row of Table E.1-1, the row's attribute in it at three depths, and what became of each."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from benchmarks.encoding import CT_IMAGE, SPACE_PADDED, DataSet, Element, Encoder, attribute, file_meta
from dicom_assets.deidentification.table import PRIVATE, Row, confidentiality_table

DEPTHS = 3
REFERENCED_SERIES_SEQUENCE = 0x00081115
REFERENCED_SOP_SEQUENCE = 0x00081199
"""Two sequences that the table does not name: an engine has no reason to remove them."""

ROOT = "1.2.826.0.1.3680043.99.11"
SERIES_DESCRIPTION, REFERENCED_SOP_INSTANCE_UID = 0x0008103E, 0x00081155
FIRST_DATA_SET_TAG = 0x00040000
TEXT_VRS = SPACE_PADDED | {"UI"}
_EXAMPLES = {"50XXXXXX": 0x50023000, "60XX3000": 0x60023000, "60XX4000": 0x60024000, PRIVATE: 0x00091010}


@dataclass(frozen=True, slots=True)
class Case:
    """A row's file. `markers` are the row's values at top level, one deep and two deep; with `path_only`, they are
    too short to be told from other bytes, and only the attribute itself says whether they are still there."""

    name: str
    row: Row
    tag: int
    vr: str
    markers: tuple[bytes, ...]

    @property
    def in_data_set(self) -> bool:
        """Whether the row is about a data set's attribute, not about file meta information or a command."""
        return self.tag >= FIRST_DATA_SET_TAG

    @property
    def path_only(self) -> bool:
        """Whether searching bytes for the marker would find others."""
        return min(len(marker) for marker in self.markers) < 4

    @property
    def uid(self) -> str:
        """The UID inside the row's sequence, or the row's own."""
        return f"{ROOT}.{int(self.name[:4])}.77"


def cases(limit: int | None = None) -> list[Case]:
    """One case per row, or the first `limit` ones."""
    return [_case(number, row) for number, row in enumerate(confidentiality_table().rows[:limit])]


def _case(number: int, row: Row) -> Case:
    tag = _EXAMPLES[row.tag] if row.tag in _EXAMPLES else int(row.tag, 16)
    vr = row.vr or "LO"
    markers = tuple(_marker(number, depth, vr) for depth in range(DEPTHS))
    return Case(f"{number:04d}.dcm", row, tag, vr, markers)


def _marker(number: int, depth: int, vr: str) -> bytes:
    day = f"{date(1921, 1, 1) + timedelta(days=number * DEPTHS + depth):%Y%m%d}"
    time = f"{number % 24:02d}{(number + 37) % 60:02d}41.{number:04d}{depth}7"
    texts = {
        "AS": f"{70 + depth:03d}Y",
        "DA": day,
        "DS": f"77.{number:04d}{depth}",
        "DT": day + time,
        "IS": f"77{number:04d}{depth}",
        "TM": time,
        "UI": f"{ROOT}.{number}.77",
        "UR": f"http://zq{number:04d}{'abc'[depth]}.example",
    }
    if vr in {"US", "SS"}:
        return struct.pack("<H", 7000 + number * DEPTHS + depth)
    return texts.get(vr, f"ZQ{number:04d}{'ABC'[depth]}KX").encode("ascii")


def write_rows(folder: Path, wanted: Sequence[Case]) -> None:
    """Write a file for each case."""
    folder.mkdir(parents=True)
    for case in wanted:
        (folder / case.name).write_bytes(_file(case))


def _file(case: Case) -> bytes:
    number = case.name[:4]
    base = {element.tag: element for element in _base(int(number))}
    uid = base[0x00080018].value.decode("ascii")
    if case.tag >> 16 == 0x0002:
        return file_meta(case.uid) + Encoder().data_set(list(base.values()))
    if case.tag >> 16 == 0x0000:
        command = Encoder(implicit=True).element(Element(case.tag, case.vr, case.markers[0]))
        return file_meta(uid) + command + Encoder().data_set(list(base.values()))
    inner = [*_attribute(case, 2), attribute("ReferencedSOPClassUID", CT_IMAGE)]
    outer = [*_attribute(case, 1), Element(REFERENCED_SOP_SEQUENCE, "SQ", [inner])]
    nested = Element(REFERENCED_SERIES_SEQUENCE, "SQ", [outer])
    for element in (*_attribute(case, 0), nested):
        base[element.tag] = element
    uid = case.uid if case.tag == 0x00080018 else uid
    return file_meta(uid) + Encoder().data_set(list(base.values()))


def _base(number: int) -> Iterator[Element]:
    for keyword, value in (
        ("SpecificCharacterSet", "ISO_IR 100"),
        ("ImageType", "ORIGINAL\\PRIMARY\\AXIAL"),
        ("SOPClassUID", CT_IMAGE),
        ("SOPInstanceUID", f"{ROOT}.{number}.1"),
        ("StudyInstanceUID", f"{ROOT}.{number}.2"),
        ("SeriesInstanceUID", f"{ROOT}.{number}.3"),
        ("StudyDate", "20190304"),
        ("Modality", "CT"),
        ("Manufacturer", "SIEMENS"),
        ("ManufacturerModelName", "SOMATOM"),
        ("PatientName", "Ackerbau^Ida"),
        ("PatientID", "PID-77"),
        ("SamplesPerPixel", 1),
        ("PhotometricInterpretation", "MONOCHROME2"),
        ("Rows", 4),
        ("Columns", 4),
        ("BitsAllocated", 16),
        ("BitsStored", 16),
        ("HighBit", 15),
        ("PixelRepresentation", 0),
        ("PixelData", bytes(range(32))),
    ):
        yield attribute(keyword, value)


def _attribute(case: Case, depth: int) -> list[Element]:
    if case.vr != "SQ":
        creator = [Element(0x00090010, "LO", b"BENCHMARK")] if case.row.tag == PRIVATE else []
        return [*creator, Element(case.tag, case.vr, case.markers[depth])]
    item: DataSet = [
        Element(SERIES_DESCRIPTION, "LO", case.markers[depth]),
        Element(REFERENCED_SOP_INSTANCE_UID, "UI", case.uid.encode("ascii")),
    ]
    return [Element(case.tag, "SQ", [item])]


@dataclass(frozen=True, slots=True)
class RowResult:
    """`satisfied` at top level and at both depths below, as far as the row is about a data set; `leaks` at any."""

    tag: str
    written: bool
    leaks: bool
    satisfied_at_top: bool
    satisfied_below: tuple[bool, ...]


def judge(case: Case, target: Path) -> RowResult:
    """What became of a case; a file that was not written leaks nothing and satisfies nothing."""
    file = target / case.name
    below = DEPTHS - 1 if case.in_data_set else 0
    if not file.exists():
        return RowResult(case.row.tag, False, False, False, (False,) * below)
    content = file.read_bytes()
    try:
        satisfied, same_value = _judge_data_set(case, file)
    except Exception:  # noqa: BLE001 - whatever an engine wrote that can't be read satisfies nothing
        satisfied, same_value = [False] * (below + 1), False
    leaks = same_value if case.path_only else any(marker in content for marker in case.markers)
    leaks = leaks or (case.vr == "SQ" and case.uid.encode("ascii") in content)
    return RowResult(case.row.tag, True, leaks, satisfied[0], tuple(satisfied[1:]))


def _judge_data_set(case: Case, file: Path) -> tuple[list[bool], bool]:
    ds = pydicom.dcmread(file, force=True)
    if not case.in_data_set:
        gone = case.markers[0] not in file.read_bytes()
        named = case.tag != 0x00020003 or ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        return [gone and named], False
    levels = [ds, *_level_below(ds, REFERENCED_SERIES_SEQUENCE)]
    levels += [level for outer in levels[1:] for level in _level_below(outer, REFERENCED_SOP_SEQUENCE)]
    places: list[Dataset] = [*levels, *[Dataset()] * (DEPTHS - len(levels))]
    values = [_value(place, case.tag) for place in places]
    satisfied = [_satisfied(case, value, marker) for value, marker in zip(values, case.markers, strict=True)]
    if case.row.basic == "U" and len({value for value in values if isinstance(value, bytes)}) > 1:
        satisfied = [False] * DEPTHS
    return satisfied, any(value == marker for value, marker in zip(values, case.markers, strict=True))


def _level_below(ds: Dataset, tag: int) -> list[Dataset]:
    return list(ds[tag].value or [])[:1] if tag in ds else []


def _value(ds: Dataset, tag: int) -> bytes | list[Dataset] | None:
    """A value's bytes, those of text without padding, or a sequence's items; None for an absent attribute."""
    if tag not in ds:
        return None
    raw = ds.get_item(tag)
    if isinstance(raw, pydicom.dataelem.RawDataElement) and raw.VR != "SQ":
        value = raw.value or b""
        return value.strip(b" \0") if raw.VR in TEXT_VRS else value
    element = ds[tag]
    if element.VR == "SQ":
        return list(element.value or [])
    if element.is_empty:
        return b""
    whole = element.value if isinstance(element.value, bytes) else str(element.value).encode("utf-8", "replace")
    return whole.strip(b" \0") if element.VR in TEXT_VRS else whole


def _satisfied(case: Case, value: bytes | list[Dataset] | None, marker: bytes) -> bool:
    """PS3.15 E.1.1; a compound code is satisfied by any of its actions, as which one is the IOD's affair."""
    code = case.row.basic
    if code == "U":
        return isinstance(value, bytes) and value != marker and _is_uid(value)
    if value is None:
        return "X" in code
    if len(value) == 0:
        return "Z" in code
    if isinstance(value, bytes):
        return ("D" in code or "Z" in code) and value.strip(b" \0") != marker
    inside = [str(_value(item, tag)) for item in value for tag in (SERIES_DESCRIPTION, REFERENCED_SOP_INSTANCE_UID)]
    cleaned = not any(case.uid in text or marker.decode("ascii") in text for text in inside)
    return cleaned and ("D" in code or "Z" in code or "U" in code)


def _is_uid(value: bytes) -> bool:
    uid = pydicom.uid.UID(value.decode("latin-1"))
    return uid.is_valid
