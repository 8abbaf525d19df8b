"""The database of django-dicom-review, asked for what is ready and told of the outcome."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, update

from dicom_assets.adapters.databases import Database, open_database
from dicom_assets.adapters.review_db import withdrawn
from dicom_assets.adapters.review_db.rules import NO_TIME, Review, Standing, StudyRecord, StudyRow
from dicom_assets.adapters.review_db.tables import (
    ReviewTables,
    flag_value,
    is_not_true,
    is_true,
    reflect_tables,
)
from dicom_assets.adapters.review_db.withdrawn import Objection
from dicom_assets.errors import StudyNotApprovedError
from dicom_assets.study import ReviewConflict, ReviewedStudy

SETTING = "REVIEW_DB_URL"
NO_STUDY_UID = "without study UID"
_MESSAGE_LENGTH = 400


class ReviewPosition(NamedTuple):
    """A place in the order of changes: when a review changed (UTC), and its id."""

    changed_at: datetime
    review_id: int

    def __str__(self) -> str:
        """The form that a sensor stores as its cursor."""
        return f"{self.changed_at.isoformat()} {self.review_id}"

    @classmethod
    def parse(cls, cursor: str) -> Self:
        """The position that `str` wrote.

        Raises:
            ValueError: not such a text.
        """
        changed_at, _, review_id = cursor.rpartition(" ")
        return cls(datetime.fromisoformat(changed_at), int(review_id))


@dataclass(frozen=True, slots=True)
class ApprovalPage:
    """Approvals in order of change. `position` goes into the next question; None while there is no review at all."""

    approvals: tuple[tuple[ReviewPosition, ReviewedStudy], ...]
    position: ReviewPosition | None


@dataclass(frozen=True, slots=True)
class MarkedStudy:
    """A study that is marked with an error, since when and why. *Identified*."""

    study_uid: str = field(repr=False)
    marked_at: datetime | None
    message: str


class ReviewDatabase:
    """Answers by the rules in `rules`; writes `image_published` and `processing_error*` and no other column.

    Times without a zone are taken as UTC. Rows without an original Study Instance UID are no studies.
    """

    def __init__(self, database: Database, tables: ReviewTables, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._tables = tables
        self._clock = clock

    @classmethod
    def open(
        cls, url: str, *, read_only: bool = False, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> Self:
        """The review database; with `read_only`, for dry runs, it refuses to write and its file keeps its bytes.

        Raises:
            ConfigurationError: it does not open, or lacks a table or a column.
        """
        database = open_database(url, SETTING, read_only=read_only)
        try:
            return cls(database, reflect_tables(database), clock)
        except BaseException:
            database.close()
            raise

    @property
    def can_mark_errors(self) -> bool:
        """Whether this version of the tables has the columns for a processing error."""
        return self._tables.has_error_columns

    def close(self) -> None:
        """Give back all connections."""
        self._database.close()

    def ready(self) -> Sequence[ReviewedStudy]:
        """Studies that may be published now, oldest approval first, conflicts left out."""
        ready = [record for record in self._candidates() if record.standing is Standing.READY]
        return [record.reviewed() for record in sorted(ready, key=StudyRecord.approval_order)]

    def conflicts(self) -> Sequence[ReviewConflict]:
        """Studies that would be ready but for a review that forbids what another approves, oldest approval first.

        A review that excludes the study is at odds with one that approves it, too.
        """
        at_odds = [record for record in self._candidates() if record.standing is Standing.IN_CONFLICT]
        return [record.conflict() for record in sorted(at_odds, key=StudyRecord.approval_order)]

    def approval(self, study_uid: str) -> ReviewedStudy:
        """The study's approval, whether or not it was published or marked with an error.

        Raises:
            StudyNotApprovedError: unknown, not approved, excluded or in conflict.
        """
        with self._database.reading() as connection:
            records = self._load(connection, self._is(study_uid))
        if not study_uid.strip() or not records:
            raise StudyNotApprovedError("The review database does not know the study.")
        verdict = records[0].verdict
        if verdict is not Standing.READY:
            raise StudyNotApprovedError(f"The review database does not approve the study: {verdict}.")
        return records[0].reviewed()

    def approvals(self, after: tuple[datetime, int] | None = None, limit: int | None = None) -> ApprovalPage:
        """Ready studies of which a review changed after a position, in order of their newest review's change.

        The newest review of any kind counts, not just the approving one: when an objection is taken back, it is that
        review which changes. A transaction that commits late may bring a change that is older than a position already
        handed out. So ask again from some minutes before the last position, and drop what was seen by study and
        `version`. What becomes ready without a change of a review (a cleared error) is found by `ready()` only.
        """
        start = (NO_TIME, 0) if after is None else after
        with self._database.reading() as connection:
            newest = self._newest_position(connection)
            records = self._load(connection, self._may_be_ready())
        ready = (record for record in records if record.standing is Standing.READY)
        found = sorted(
            ((ReviewPosition(*record.newest_review()), record) for record in ready if record.newest_review() > start),
            key=lambda pair: pair[0],
        )
        page = tuple((position, record.reviewed()) for position, record in found[:limit])
        if len(page) < len(found):
            return ApprovalPage(page, page[-1][0] if page else _position(after))
        return ApprovalPage(page, max((p for p in (newest, _position(after)) if p), default=None))

    def standing_counts(self) -> Mapping[str, int]:
        """How many studies are left out, by reason; every reason is there, each study counts once.

        Rows without an original Study Instance UID count one by one.
        """
        study = self._tables.study
        with self._database.reading() as connection:
            records = self._load(connection, self._tables.has_study_uid())
            rows = connection.execute(select(func.count()).select_from(study)).scalar_one()
        counts = Counter(record.standing for record in records)
        unnamed = rows - sum(len(record.rows) for record in records)
        left_out = {standing.value: counts[standing] for standing in Standing if standing is not Standing.READY}
        return left_out | {NO_STUDY_UID: unnamed}

    def mark_published(self, study_uid: str) -> None:
        """Set `image_published` on every row of the study; doing it again changes nothing.

        Raises:
            StudyNotApprovedError: the study has no row any more.
        """
        study = self._tables.study
        with self._database.writing() as connection:
            if not connection.execute(select(study.c.id).where(self._is(study_uid))).first():
                raise StudyNotApprovedError("The review database has no row of the study any more.")
            connection.execute(
                update(study)
                .where(self._is(study_uid), is_not_true(study.c.image_published))
                .values(image_published=flag_value(study.c.image_published, True))
            )

    def mark_error(self, study_uid: str, message: str) -> None:
        """Set the processing error of those rows of the study that are neither published nor marked before.

        `message` holds no value; it becomes one line and is cut to the column. Where the tables have no columns for
        it (`can_mark_errors`), nothing is written.
        """
        if not self.can_mark_errors:
            return
        study = self._tables.study
        length = study.c.processing_error_msg.type.length or _MESSAGE_LENGTH  # type: ignore[attr-defined] # a String
        with self._database.writing() as connection:
            connection.execute(
                update(study)
                .where(self._is(study_uid), is_not_true(study.c.image_published), is_not_true(study.c.processing_error))
                .values(
                    processing_error=flag_value(study.c.processing_error, True),
                    processing_error_date=self._clock(),
                    processing_error_msg=" ".join(message.split())[:length],
                )
            )

    def objections(self, in_flight: Collection[str] = ()) -> Sequence[Objection]:
        """Published studies that a row's or a review's flag objects to, and those of `in_flight` that one does.

        Whether another review approves does not count. A study without any review left is none of them.
        """
        with self._database.reading() as connection:
            records = self._load(connection, withdrawn.may_be_objected_to(self._tables))
            known = {record.study_uid for record in records}
            for uid in in_flight:
                if uid.strip() not in known:
                    records += self._load(connection, self._is(uid))
        return withdrawn.objections(records)

    def objections_to(self, study_uid: str) -> tuple[tuple[str, ...], str]:
        """What rows and reviews of a study hold against it, whether or not it is published, and their version."""
        with self._database.reading() as connection:
            found = withdrawn.objections(self._load(connection, self._is(study_uid)))
        return (found[0].reasons, found[0].version) if found else ((), "")

    def mark_withdrawn(self, study_uid: str, message: str, *, is_gone: bool) -> None:
        """Set the error of every row, published or not; with `is_gone` take `image_published` off as well.

        `message` holds no value. Doing it again changes nothing.
        """
        with self._database.writing() as connection:
            rows = self._is(study_uid)
            withdrawn.mark_withdrawn(connection, self._tables, rows, message, self._clock(), is_gone=is_gone)

    def is_published(self, study_uid: str) -> bool:
        """Whether a row of the study says so."""
        study = self._tables.study
        published = select(study.c.id).where(self._is(study_uid), is_true(study.c.image_published))
        with self._database.reading() as connection:
            return connection.execute(published).first() is not None

    def mark_lifted(self, study_uid: str) -> None:
        """Take `image_published` and the error off every row, so that the next run looks at the study."""
        with self._database.writing() as connection:
            withdrawn.mark_lifted(connection, self._tables, self._is(study_uid))

    def errors(self) -> Sequence[MarkedStudy]:
        """Studies that are marked with an error and not published, oldest first; each once, with its newest message."""
        if not self.can_mark_errors:
            return []
        study = self._tables.study
        columns = (study.c.processing_error_date.label("at"), study.c.processing_error_msg.label("message"))
        marked = select(self._tables.study_uid().label("uid"), *columns).where(
            self._tables.has_study_uid(), is_true(study.c.processing_error), is_not_true(study.c.image_published)
        )
        with self._database.reading() as connection:
            rows = list(connection.execute(marked))
        newest = {row.uid: row for row in sorted(rows, key=lambda row: row.at or NO_TIME)}
        return [MarkedStudy(uid, row.at, row.message or "") for uid, row in newest.items()]

    def clear_error(self, study_uid: str) -> None:
        """Take the error off every row of the study; doing it again changes nothing."""
        if not self.can_mark_errors:
            return
        study = self._tables.study
        with self._database.writing() as connection:
            connection.execute(
                update(study)
                .where(self._is(study_uid), is_true(study.c.processing_error))
                .values(
                    processing_error=flag_value(study.c.processing_error, False),
                    processing_error_date=None,
                    processing_error_msg=None,
                )
            )

    def _is(self, study_uid: str) -> ColumnElement[bool]:
        return and_(self._tables.has_study_uid(), self._tables.study_uid() == study_uid.strip())

    def _may_be_ready(self) -> ColumnElement[bool]:
        """All rows of studies of which some row is unpublished and approved by some review."""
        study, review = self._tables.study, self._tables.review
        approved = (
            select(self._tables.study_uid())
            .join(review, review.c.study_id == study.c.id)
            .where(
                is_not_true(study.c.image_published),
                review.c.has_phi.is_not(None),
                is_not_true(review.c.has_phi),
                is_true(review.c.relevant),
                is_not_true(review.c.has_reconstruction),
            )
        )
        return and_(self._tables.has_study_uid(), self._tables.study_uid().in_(approved))

    def _candidates(self) -> list[StudyRecord]:
        with self._database.reading() as connection:
            return self._load(connection, self._may_be_ready())

    def _load(self, connection: Connection, condition: ColumnElement[bool]) -> list[StudyRecord]:
        study, review = self._tables.study, self._tables.review
        reviews: dict[int, list[Review]] = defaultdict(list)
        joined = select(review).join(study, review.c.study_id == study.c.id).where(condition)
        for row in connection.execute(joined):
            reviews[row.study_id].append(_review(row))
        columns = [column for column in study.c if column.name not in ("processing_error_msg", "processing_error_date")]
        rows: dict[str, list[StudyRow]] = defaultdict(list)
        for row in connection.execute(select(*columns, self._tables.study_uid().label("uid")).where(condition)):
            rows[row.uid].append(_study_row(row, reviews[row.id]))
        return [StudyRecord(uid, tuple(of_study)) for uid, of_study in rows.items()]

    def _newest_position(self, connection: Connection) -> ReviewPosition | None:
        review = self._tables.review
        by_change = select(review.c.modified, review.c.id).where(review.c.modified.is_not(None))
        newest = connection.execute(by_change.order_by(review.c.modified.desc(), review.c.id.desc()).limit(1)).first()
        return ReviewPosition(*newest) if newest else None


def _position(after: tuple[datetime, int] | None) -> ReviewPosition | None:
    return None if after is None else ReviewPosition(*after)


def _study_row(row: Row[Any], reviews: Iterable[Review]) -> StudyRow:
    return StudyRow(
        id=row.id,
        exclude=bool(row.exclude),
        image_published=bool(row.image_published),
        processing_error=bool(getattr(row, "processing_error", False)),
        reviews=tuple(reviews),
    )


def _review(row: Row[Any]) -> Review:
    return Review(
        id=row.id,
        created=row.created or NO_TIME,
        modified=row.modified or NO_TIME,
        has_phi=None if row.has_phi is None else bool(row.has_phi),
        relevant=bool(row.relevant),
        has_reconstruction=bool(row.has_reconstruction),
        exclude=bool(row.exclude),
        has_protocol_series=bool(row.has_protocol_series),
        comment=row.comment or "",
    )
