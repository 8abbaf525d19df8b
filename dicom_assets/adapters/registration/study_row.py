"""The study's row in `staging_radiologystudy`: found, brought up to date, or made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydicom.uid import UID
from sqlalchemy import Boolean, Connection, Date, Row, String, Table, func, insert, select, update
from sqlalchemy.types import TypeEngine

from dicom_assets.adapters.database_columns import UtcDateTime
from dicom_assets.study import RegisteredStudy

TIMES = ("created", "modified", "pub_date")


@dataclass(frozen=True, slots=True)
class StudyLink:
    """What a study is linked with: ids of the research database's patient and encounter."""

    patient_id: int
    encounter_id: int


def write_study(
    connection: Connection, table: Table, study: RegisteredStudy, link: StudyLink, now: datetime
) -> Mapping[str, int]:
    """Bring every row of the study up to date, or insert one; rows that already say so are left as they are.

    Returns:
        How many rows were `rows_inserted`, `rows_updated` and `rows_unchanged`.
    """
    wanted = _fitted(table, _facts(study, link))
    rows = _rows(connection, table, study, wanted)
    outdated = [row for row in rows if not _says(row, wanted)]
    for row in outdated:
        connection.execute(update(table).where(table.c.id == row.id).values(wanted | _times(table, row, now)))
    if not rows:
        connection.execute(insert(table).values(_new_row(table, study, wanted, now)))
    counts = {
        "rows_inserted": 0 if rows else 1,
        "rows_updated": len(outdated),
        "rows_unchanged": len(rows) - len(outdated),
    }
    return {name: count for name, count in counts.items() if count}


def compare_study(connection: Connection, table: Table, study: RegisteredStudy, link: StudyLink) -> Mapping[str, int]:
    """How many rows of the study there are, and how many say what `write_study` would write."""
    wanted = _fitted(table, _facts(study, link))
    rows = _rows(connection, table, study, wanted)
    return {"rows_found": len(rows), "rows_agreeing": sum(_says(row, wanted) for row in rows)}


def _rows(
    connection: Connection, table: Table, study: RegisteredStudy, wanted: Mapping[str, Any]
) -> Sequence[Row[Any]]:
    stored = func.trim(table.c.original_study_uid) == study.original_study_uid.strip()
    asked = [table.c[name] for name in ("id", *wanted, "pub_date") if name in table.c]  # no right on others is needed
    return connection.execute(select(*asked).where(stored)).all()


def sop_class_text(sop_class_uid: str, length: int | None) -> str:
    """The SOP Class UID where it fits; else its name, cut, as a UID cut short could be another one's."""
    if length is None or len(sop_class_uid) <= length:
        return sop_class_uid
    return UID(sop_class_uid).name[:length]


def _facts(study: RegisteredStudy, link: StudyLink) -> dict[str, Any]:
    return {
        "patient_id": link.patient_id,
        "encounter_id": link.encounter_id,
        "study_uid": study.study_uid,
        "number_of_series": study.number_of_series,
        "total_images": study.number_of_instances,
        "modality": study.modality,
        "sop_class": study.sop_class_uid,
    }


def _fitted(table: Table, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that this table has columns for, in the columns' length."""
    fitted = {name: value for name, value in facts.items() if name in table.c}
    if "modality" in fitted:
        fitted["modality"] = fitted["modality"][: _length(table, "modality")]
    if "sop_class" in fitted:
        fitted["sop_class"] = sop_class_text(fitted["sop_class"], _length(table, "sop_class"))
    return fitted


def _length(table: Table, column: str) -> int | None:
    return getattr(table.c[column].type, "length", None)


def _says(row: Row[Any], wanted: Mapping[str, Any]) -> bool:
    stored = row._mapping
    return all(stored[name] == value for name, value in wanted.items()) and stored.get("pub_date", True) is not None


def _times(table: Table, row: Row[Any], now: datetime) -> dict[str, datetime]:
    stored = row._mapping
    names = ["created", "modified"] + (["pub_date"] if stored.get("pub_date", now) is None else [])
    return {name: now for name in names if name in table.c}


def _new_row(table: Table, study: RegisteredStudy, wanted: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Every column that may not be null is filled: flags false, numbers 0, texts empty, times now."""
    fillers = {
        column.name: _filler(column.type, now)
        for column in table.c
        if not column.nullable and not column.primary_key and column.server_default is None
    }
    known = {
        "original_study_uid": study.original_study_uid.strip(),
        "accession_no": "".join(study.accession_numbers).strip(),
        **dict.fromkeys(TIMES, now),
    }
    return fillers | {name: value for name, value in known.items() if name in table.c} | dict(wanted)


def _filler(type_: TypeEngine[Any], now: datetime) -> bool | int | str | datetime | date:
    if isinstance(type_, Boolean):
        return False
    if isinstance(type_, String):
        return ""
    if isinstance(type_, Date):
        return now.date()
    return now if isinstance(type_, UtcDateTime) else 0
