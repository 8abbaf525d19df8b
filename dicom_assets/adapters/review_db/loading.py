"""Rows of the review database as the values that the rules are about; what makes no sense is said, not guessed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from dicom_assets.adapters.review_db.rules import NO_TIME, Review, StudyRecord, StudyRow
from dicom_assets.adapters.review_db.tables import UNREADABLE_TIME, ReviewTables

_FLAGS_OF_ROW = ("exclude", "image_published")
_FLAGS_OF_REVIEW = ("has_reconstruction", "has_protocol_series", "relevant", "exclude")


def load_records(connection: Connection, tables: ReviewTables, condition: ColumnElement[bool]) -> list[StudyRecord]:
    """The studies whose rows meet a condition, with all reviews of these rows."""
    study, review = tables.study, tables.review
    reviews: dict[int, list[Review]] = defaultdict(list)
    joined = select(review).join(study, review.c.study_id == study.c.id).where(condition)
    for row in connection.execute(joined):
        reviews[row.study_id].append(_review(row))
    rows: dict[str, list[StudyRow]] = defaultdict(list)
    for row in connection.execute(tables.facts_of_studies().where(condition)):
        rows[str(row.uid)].append(_study_row(row, reviews[row.id]))
    return [StudyRecord(uid, tuple(of_study)) for uid, of_study in rows.items()]


def _study_row(row: Row[Any], reviews: Iterable[Review]) -> StudyRow:
    flags = row._mapping
    error = flags.get("processing_error")
    return StudyRow(
        id=row.id,
        exclude=row.exclude == 1,
        image_published=row.image_published == 1,
        processing_error=error == 1,
        reviews=tuple(reviews),
        patient_id=_text(flags.get("patient_id")),
        accession_number=_text(flags.get("accession_no")),
        is_sound=all(_is_flag(flags[name]) for name in _FLAGS_OF_ROW) and (error is None or _is_flag(error)),
        has_plain_uid=str(row.original_study_uid).strip(" ") == row.uid,
    )


def _review(row: Row[Any]) -> Review:
    flags = row._mapping
    is_sound = all(_is_flag(flags[name]) for name in _FLAGS_OF_REVIEW)
    is_sound &= row.has_phi is None or _is_flag(row.has_phi)
    return Review(
        id=row.id,
        created=row.created or NO_TIME,
        modified=row.modified or NO_TIME,
        has_phi=None if row.has_phi is None else row.has_phi == 1,
        relevant=row.relevant == 1,
        has_reconstruction=row.has_reconstruction == 1,
        exclude=row.exclude == 1,
        has_protocol_series=row.has_protocol_series == 1,
        comment=_text(row.comment),
        is_sound=is_sound and UNREADABLE_TIME not in (row.created, row.modified),
    )


def _is_flag(value: object) -> bool:
    return isinstance(value, int) and value in (0, 1)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
