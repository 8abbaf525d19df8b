"""identity.db files as dicom-anon wrote them over the years, made from instances as it would have."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydicom.dataset import Dataset

Generation = Literal["newest", "no birth dates", "no studies", "ruby"]
GENERATIONS: tuple[Generation, ...] = ("newest", "no birth dates", "no studies", "ruby")

REMOVED = "^^Audit Trail - Removed by dicom-anon - Audit Trail^^"
ROOT = "5.555.5"
"""The old program's default; no valid root of a UID, and yet in published studies."""

PLAIN = "id INTEGER PRIMARY KEY AUTOINCREMENT, original, cleaned"
LINKED = f"{PLAIN}, study INTEGER, FOREIGN KEY(study) REFERENCES studyinstanceuid(id)"

TABLES = {
    "AccessionNumber": ("accessionnumber", "Accession Number"),
    "InstitutionName": ("institutionname", "Institution Name"),
    "ReferringPhysicianName": ("referringphysiciansname", "Referring Physician's Name"),
    "PhysiciansOfRecord": ("physiciansofrecord", "Physician(s) of Record"),
    "PatientName": ("patientsname", "Patient's Name"),
    "PatientID": ("patientid", "Patient ID"),
    "PatientBirthDate": ("patientsbirthdate", "Patient's Birth Date"),
    "StudyDate": ("studydate", "Study Date"),
}
RUBY_TABLES = {
    "AccessionNumber": ("accession", ""),
    "InstitutionName": ("institution", "Institution"),
    "ReferringPhysicianName": ("physician", "Physician"),
    "PhysiciansOfRecord": ("physofrecord", "PhysOfRecord"),
    "PatientName": ("patient", "Patient"),
    "PatientID": ("id", "ID"),
}
DATES = ("PatientBirthDate", "StudyDate")
REMOVED_ATTRIBUTES = ("InstitutionName",)


class OldProgram:
    """What one generation of the old program remembers in its file, and what it gives out."""

    def __init__(self, path: Path, generation: Generation = "newest") -> None:
        self.path = path
        self._generation = generation
        self._uids = 0
        self._connection = sqlite3.connect(path)
        if generation == "ruby":
            self._connection.execute(f"CREATE TABLE studyuid ({PLAIN}, date)")
            for table, _ in RUBY_TABLES.values():
                self._connection.execute(f'CREATE TABLE "{table}" ({PLAIN})')
        else:
            self._connection.execute(f"CREATE TABLE studyinstanceuid ({PLAIN})")
        self._connection.commit()

    def close(self) -> Path:
        """End the program; its file."""
        self._connection.commit()
        self._connection.close()
        return self.path

    def execute(self, statement: str, *parameters: object) -> None:
        """Have the file hold something odd."""
        self._connection.execute(statement, parameters)

    def anonymize(self, ds: Dataset) -> dict[str, str]:
        """What it would give the instance for each attribute that it keeps account of."""
        if self._generation == "ruby":
            return self._anonymize_in_ruby(ds)
        study_uid = str(ds.StudyInstanceUID)
        cleaned = self._known("studyinstanceuid", study_uid, None)
        if cleaned is None:
            cleaned = self._new_uid()
            self._save("studyinstanceuid", study_uid, cleaned, None)
        study = self._connection.execute("SELECT id FROM studyinstanceuid WHERE cleaned = ?", (cleaned,)).fetchone()[0]
        given = {"StudyInstanceUID": cleaned}
        for keyword in ("SeriesInstanceUID", "SOPInstanceUID", *TABLES):
            if keyword in ds and not (keyword == "PatientBirthDate" and self._generation != "newest"):
                given[keyword] = self._clean(keyword, _joined(ds[keyword].value), study)
        return given

    def _clean(self, keyword: str, original: str, study: int) -> str:
        if keyword.endswith("UID"):
            table, name = keyword.lower(), ""
        else:
            table, name = TABLES[keyword]
        links = study if self._generation != "no studies" or keyword in DATES else None
        self._create(table, linked=links is not None)
        known = self._known(table, original, links)
        if known is not None:
            return known
        cleaned = self._cleaned_now(keyword, table, name)
        self._save(table, original, cleaned, links)
        return cleaned

    def _cleaned_now(self, keyword: str, table: str, name: str) -> str:
        if keyword.endswith("UID"):
            return self._new_uid()
        if keyword in DATES:
            return "19010101" if self._generation == "newest" else "20000101"
        if keyword in REMOVED_ATTRIBUTES:
            return REMOVED
        return f"{name} {self._next(table)}"

    def _anonymize_in_ruby(self, ds: Dataset) -> dict[str, str]:
        study_uid = str(ds.StudyInstanceUID)
        given = {"StudyInstanceUID": self._known("studyuid", study_uid, None) or self._new_uid()}
        if self._known("studyuid", study_uid, None) is None:
            statement = "INSERT INTO studyuid (original, cleaned, date) VALUES (?, ?, ?)"
            date = str(ds.get("StudyDate", "20000101"))
            self._connection.execute(statement, (study_uid, given["StudyInstanceUID"], date))
        for keyword, (table, name) in RUBY_TABLES.items():
            if keyword in ds:
                original = _joined(ds[keyword].value)
                cleaned = self._known(table, original, None)
                if cleaned is None:
                    cleaned = f"{name}{self._next(table)}"
                    self._save(table, original, cleaned, None)
                given[keyword] = cleaned
        return given

    def _create(self, table: str, *, linked: bool) -> None:
        self._connection.execute(f'CREATE TABLE IF NOT EXISTS "{table}" ({LINKED if linked else PLAIN})')

    def _known(self, table: str, original: str, study: int | None) -> str | None:
        query = f'SELECT cleaned FROM "{table}" WHERE original = ?' + ("" if study is None else " AND study = ?")
        row = self._connection.execute(query, (original,) if study is None else (original, study)).fetchone()
        return None if row is None else str(row[0])

    def _save(self, table: str, original: str, cleaned: str, study: int | None) -> None:
        columns: Mapping[str, object] = {"original": original, "cleaned": cleaned}
        if study is not None:
            columns = {**columns, "study": study}
        marks = ", ".join("?" * len(columns))
        statement = f'INSERT INTO "{table}" ({", ".join(columns)}) VALUES ({marks})'
        self._connection.execute(statement, tuple(columns.values()))

    def _next(self, table: str) -> int:
        return int(self._connection.execute(f'SELECT COALESCE(max(id), 0) + 1 FROM "{table}"').fetchone()[0])

    def _new_uid(self) -> str:
        self._uids += 1
        return f"{ROOT}.2014.3.{self._uids}.12.30.{self._uids * 7919}"


def _joined(value: object) -> str:
    """Several values of one attribute are joined with a slash."""
    return "/".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)
