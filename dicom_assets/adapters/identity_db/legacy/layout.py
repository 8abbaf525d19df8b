"""Which tables a legacy identity.db has, what they are about, and in which layout.

Four layouts are known. The newest has a `study` column in every table but that of the studies, and a table of birth
dates; before that there were no birth dates; before 2013-10-24 only tables of dates had a `study` column; the oldest,
by a Ruby program, has short table names, the study's date beside its UID, and no UIDs of series and instances.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache

from dicom_assets.study import UidLevel

REMOVED = "^^Audit Trail - Removed by dicom-anon - Audit Trail^^"
"""What stands where a value was removed; an empty text with us."""

STUDIES, SERIES, INSTANCES = "studyinstanceuid", "seriesinstanceuid", "sopinstanceuid"
RUBY_STUDIES = "studyuid"

UID_TABLES: Mapping[str, UidLevel] = {
    STUDIES: UidLevel.STUDY,
    RUBY_STUDIES: UidLevel.STUDY,
    SERIES: UidLevel.SERIES,
    INSTANCES: UidLevel.INSTANCE,
}

_RUBY_KEYWORDS: Mapping[str, str] = {
    "accession": "AccessionNumber",
    "accession_no": "AccessionNumber",
    "institution": "InstitutionName",
    "instaddress": "InstitutionAddress",
    "physician": "ReferringPhysicianName",
    "physaddr": "ReferringPhysicianAddress",
    "physphone": "ReferringPhysicianTelephoneNumbers",
    "physphoner": "ReferringPhysicianTelephoneNumbers",
    "physofrecord": "PhysiciansOfRecord",
    "physofrecordid": "PhysiciansOfRecordIdentificationSequence",
    "perfphysname": "PerformingPhysicianName",
    "readphysname": "NameOfPhysiciansReadingStudy",
    "operator": "OperatorsName",
    "station": "StationName",
    "patient": "PatientName",
    "patientbname": "PatientBirthName",
    "id": "PatientID",
    "patient_id": "PatientID",
    "date": "StudyDate",
}

_PLAIN = frozenset({"id", "original", "cleaned"})
_SHAPES: tuple[frozenset[str], ...] = (_PLAIN, _PLAIN | {"study"})
_RUBY_STUDY_SHAPES: tuple[frozenset[str], ...] = (_PLAIN, _PLAIN | {"date"})


class Layout(StrEnum):
    """The generations of the legacy file."""

    RUBY = "ruby, before 2013"
    WITHOUT_STUDIES = "dicom-anon before 2013-10-24, values without their study"
    WITHOUT_BIRTH_DATES = "dicom-anon, without birth dates"
    NEWEST = "dicom-anon, newest"


def layout_of(tables: Mapping[str, frozenset[str]]) -> Layout:
    """The layout of a file with these tables (names to columns, in lower case).

    Raises:
        ValueError: it is none of those that are known; says why, and no value.
    """
    if RUBY_STUDIES not in tables and STUDIES not in tables:
        raise ValueError(f"it has no table {STUDIES} (nor {RUBY_STUDIES}): it is no identity.db, or not whole")
    for table, columns in tables.items():
        _require_shape(table, columns)
    if STUDIES not in tables:
        return Layout.RUBY
    linked = ["study" in columns for table, columns in tables.items() if table in (SERIES, INSTANCES)]
    if not all(linked):
        return Layout.WITHOUT_STUDIES
    return Layout.NEWEST if table_of("PatientBirthDate") in tables else Layout.WITHOUT_BIRTH_DATES


def keyword_of(table: str, layout: Layout) -> str:
    """The keyword of the attribute that a table is about; the table's name where no dictionary knows it."""
    if layout is Layout.RUBY and table in _RUBY_KEYWORDS:
        return _RUBY_KEYWORDS[table]
    return _keywords().get(table, table)


@cache
def table_of(keyword: str) -> str:
    """The table that values of an attribute are in: its name in lower case without what no word has."""
    from pydicom.datadict import dictionary_description

    try:
        return squeezed(dictionary_description(keyword))
    except (KeyError, ValueError):
        return squeezed(keyword)


def squeezed(name: str) -> str:
    """As the old program made table names."""
    return re.sub(r"\W+", "", name.lower())


def _require_shape(table: str, columns: frozenset[str]) -> None:
    shapes = _RUBY_STUDY_SHAPES if table == RUBY_STUDIES else _SHAPES
    if columns not in shapes:
        shown = table if re.fullmatch(r"\w{1,64}", table) else "of another name"
        raise ValueError(
            f"its table {shown} has not the columns that a known generation gives it: something else, or a newer "
            "program than this one knows, made it"
        )
    if not re.fullmatch(r"\w{1,64}", table):
        raise ValueError("it has a table whose name is no attribute's")


@cache
def _keywords() -> Mapping[str, str]:
    from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined]  # public, but not re-exported by name

    # Of attributes that share a name, the one that is not retired; `setdefault` keeps the first.
    entries = sorted(DicomDictionary.values(), key=lambda entry: entry[3] != "")
    found: dict[str, str] = {}
    for _, _, name, _, keyword in entries:
        if keyword:
            found.setdefault(squeezed(name), keyword)
    return found
