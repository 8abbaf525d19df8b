"""Published studies that a review objects to, and what is written on the rows of studies that are withdrawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from dicom_assets.adapters.review_db.rules import Standing, StudyRecord
from dicom_assets.adapters.review_db.tables import ReviewTables, flag_value, is_not_true, is_true, makes_no_sense

MESSAGE_LENGTH = 400
NOT_APPROVED = "no review approves it"
OBJECTIONS = (Standing.EXCLUDED, Standing.HAS_PHI, Standing.NOT_RELEVANT, Standing.WITH_RECONSTRUCTION)


@dataclass(frozen=True, slots=True)
class Objection:
    """A study that is published, or may be, and that a reviewer does not want to be. *Identified*.

    `version` changes with every change of its reviews and holds no original value.
    """

    study_uid: str = field(repr=False)
    reasons: tuple[str, ...]
    version: str


def may_be_objected_to(tables: ReviewTables) -> ColumnElement[bool]:
    """All rows of studies of which some row is published, and that some row or review objects to or none approves."""
    study, review = tables.study, tables.review
    flags = (review.c.has_phi, review.c.exclude, review.c.relevant, review.c.has_reconstruction)
    reviewed = select(review.c.study_id).where(review.c.study_id.is_not(None))
    approving = reviewed.where(review.c.has_phi.is_not(None), is_not_true(review.c.has_phi), is_true(review.c.relevant))
    doubtful = or_(
        study.c.id.in_(reviewed.where(or_(*(makes_no_sense(flag) for flag in flags)))),
        and_(study.c.id.in_(reviewed), study.c.id.not_in(approving)),
    )
    objecting = select(review.c.study_id).where(
        or_(
            is_true(review.c.has_phi),
            is_true(review.c.exclude),
            is_not_true(review.c.relevant),
            is_true(review.c.has_reconstruction),
        )
    )
    published = select(tables.study_uid()).where(is_true(study.c.image_published))
    objected = select(tables.study_uid()).where(or_(is_true(study.c.exclude), study.c.id.in_(objecting), doubtful))
    return and_(tables.has_study_uid(), tables.study_uid().in_(published), tables.study_uid().in_(objected))


def objections(records: Iterable[StudyRecord]) -> list[Objection]:
    """Those of the studies that are objected to, by what and in which state of their reviews."""
    return [found for record in records if (found := _objection(record)) is not None]


def _objection(record: StudyRecord) -> Objection | None:
    held = {objection for review in record.reviews for objection in review.objections}
    if any(row.exclude for row in record.rows):
        held.add(Standing.EXCLUDED)
    reasons = [one.value for one in OBJECTIONS if one in held]
    if not reasons and record.lost_approval:
        reasons.append(NOT_APPROVED)
    if not reasons:
        return None
    facts = [record.version, *(f"{row.id} {row.exclude}" for row in record.rows)]
    version = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    return Objection(record.study_uid, tuple(reasons), version)


def mark_withdrawn(
    connection: Connection,
    tables: ReviewTables,
    rows: ColumnElement[bool],
    message: str,
    now: datetime,
    *,
    is_gone: bool,
) -> None:
    """Set the error of every row, published or not; with `is_gone` take `image_published` off as well.

    A row that says so already is left as it is. Tables without the columns for errors get the flag alone.
    """
    study = tables.study
    if is_gone:
        _unpublish(connection, tables, rows)
    if not tables.has_error_columns:
        return
    length = study.c.processing_error_msg.type.length or MESSAGE_LENGTH  # type: ignore[attr-defined]  # a String
    text = " ".join(message.split())[:length]
    outdated = or_(
        is_not_true(study.c.processing_error),
        study.c.processing_error_msg.is_(None),
        study.c.processing_error_msg != text,
    )
    connection.execute(
        update(study)
        .where(rows, outdated)
        .values(
            processing_error=flag_value(study.c.processing_error, True),
            processing_error_date=now,
            processing_error_msg=text,
        )
    )


def mark_lifted(connection: Connection, tables: ReviewTables, rows: ColumnElement[bool]) -> None:
    """Take `image_published` and the error off every row."""
    study = tables.study
    _unpublish(connection, tables, rows)
    if tables.has_error_columns:
        connection.execute(
            update(study)
            .where(rows, is_true(study.c.processing_error))
            .values(
                processing_error=flag_value(study.c.processing_error, False),
                processing_error_date=None,
                processing_error_msg=None,
            )
        )


def _unpublish(connection: Connection, tables: ReviewTables, rows: ColumnElement[bool]) -> None:
    published = tables.study.c.image_published
    connection.execute(
        update(tables.study).where(rows, is_true(published)).values(image_published=flag_value(published, False))
    )
