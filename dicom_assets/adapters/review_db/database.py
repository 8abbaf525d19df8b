"""The database of django-dicom-review, asked for what is ready and told of the outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from dicom_assets.adapters.databases import Database, open_database
from dicom_assets.adapters.review_db import withdrawn
from dicom_assets.adapters.review_db.answers import ApprovalPage, MarkedStudy, ReviewPosition
from dicom_assets.adapters.review_db.loading import load_records
from dicom_assets.adapters.review_db.rules import NO_TIME, UNUSABLE, Standing, StudyRecord
from dicom_assets.adapters.review_db.tables import (
    UNREADABLE_TIME,
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
_NEWEST = 50
"""Of how many reviews that changed last one must have a time that can be read."""


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
            ConfigurationError: it does not open, lacks a table or a column, or its login a right that is needed; or
                it can't be written to and shall be.
            TransientError: somebody holds it.
        """
        database = open_database(url, SETTING, read_only=read_only)
        try:
            tables = reflect_tables(database)
            with database.looking() as connection:
                tables.try_rights(connection, to_write=not read_only)
            return cls(database, tables, clock)
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

        A review that excludes the study is at odds with one that approves it, too. With them come those of which a
        row, or a review, makes no sense.
        """
        needs_a_person = (Standing.IN_CONFLICT, *UNUSABLE)
        at_odds = [
            record
            for record in self._candidates()
            if record.standing in needs_a_person and record.standing is not Standing.INVALID_UID
        ]
        return [record.conflict() for record in sorted(at_odds, key=StudyRecord.approval_order)]

    def approval(self, study_uid: str) -> ReviewedStudy:
        """The study's approval, whether or not it was published or marked with an error.

        Raises:
            StudyNotApprovedError: unknown, not approved, excluded or in conflict.
        """
        with self._database.reading() as connection:
            found = self._load(connection, self._is(study_uid))
        records = [record for record in found if record.study_uid == study_uid.strip()]
        if not records:
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
        `version`. A review that is dated in the future counts as changed now, each time that it is asked for. What
        becomes ready without a change of a review (a cleared error) is found by `ready()` only.
        """
        start = (NO_TIME, 0) if after is None else after
        with self._database.reading() as connection:
            newest = self._newest_position(connection)
            records = self._load(connection, self._may_be_ready())
        ready = (record for record in records if record.standing is Standing.READY)
        now = self._clock()
        changed = (record for record in ready if record.newest_review() > start)
        found = sorted(((_by(now, record.newest_review()), record) for record in changed), key=lambda pair: pair[0])
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

    def unusable_rows(self) -> Mapping[str, Sequence[int]]:
        """Ids of rows of `staging_radiologystudy` that people approve and no run can use, by reason."""
        study, review = self._tables.study, self._tables.review
        approved = select(study.c.id).join(review, review.c.study_id == study.c.id).where(*self._approves())
        nameless = approved.where(or_(study.c.original_study_uid.is_(None), self._tables.study_uid() == ""))
        with self._database.reading() as connection:
            found = {NO_STUDY_UID: {row.id for row in connection.execute(nameless)}}
            records = self._load(connection, self._tables.has_study_uid())
        for record in records:
            if record.standing in UNUSABLE and any(review.approves for review in record.reviews):
                found.setdefault(record.standing.value, set()).update(row.id for row in record.rows)
        return {reason: sorted(ids) for reason, ids in found.items() if ids}

    def mark_published(self, study_uid: str) -> None:
        """Set `image_published` on every row of the study; doing it again changes nothing.

        Raises:
            StudyNotApprovedError: the study has no row any more.
        """
        study = self._tables.study
        with self._database.writing() as connection:
            ids = self._ids(connection, study_uid)
            if not ids:
                raise StudyNotApprovedError("The review database has no row of the study any more.")
            connection.execute(
                update(study)
                .where(study.c.id.in_(ids), is_not_true(study.c.image_published))
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
            ids = self._ids(connection, study_uid)
            connection.execute(
                update(study)
                .where(study.c.id.in_(ids), is_not_true(study.c.image_published), is_not_true(study.c.processing_error))
                .values(
                    processing_error=flag_value(study.c.processing_error, True),
                    processing_error_date=self._clock(),
                    processing_error_msg=" ".join(message.split())[:length],
                )
            )

    def objections(self, in_flight: Collection[str] = ()) -> Sequence[Objection]:
        """Published studies that a row's or a review's flag objects to, and those of `in_flight` that one does.

        Whether another review approves does not count. Reviews of which none approves, or one makes no sense, object
        as well. A study without any review left is none of them.
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
            rows = self._tables.study.c.id.in_(self._ids(connection, study_uid))
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
            rows = self._tables.study.c.id.in_(self._ids(connection, study_uid))
            withdrawn.mark_lifted(connection, self._tables, rows)

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
            ids = self._ids(connection, study_uid)
            connection.execute(
                update(study)
                .where(study.c.id.in_(ids), is_true(study.c.processing_error))
                .values(
                    processing_error=flag_value(study.c.processing_error, False),
                    processing_error_date=None,
                    processing_error_msg=None,
                )
            )

    def _is(self, study_uid: str) -> ColumnElement[bool]:
        return and_(self._tables.has_study_uid(), self._tables.study_uid() == study_uid.strip())

    def _ids(self, connection: Connection, study_uid: str) -> list[int]:
        """The study's rows: an UPDATE that looks for them itself locks every row of the table on MySQL.

        Compared once more here, as collations of MySQL call texts equal that are not.
        """
        wanted = select(self._tables.study.c.id, self._tables.study_uid().label("uid")).where(self._is(study_uid))
        return [row.id for row in connection.execute(wanted) if row.uid == study_uid.strip()]

    def _may_be_ready(self) -> ColumnElement[bool]:
        """All rows of studies of which some row is unpublished and approved by some review."""
        study, review = self._tables.study, self._tables.review
        approved = (
            select(self._tables.study_uid())
            .join(review, review.c.study_id == study.c.id)
            .where(is_not_true(study.c.image_published), *self._approves())
        )
        return and_(self._tables.has_study_uid(), self._tables.study_uid().in_(approved))

    def _approves(self) -> Collection[ColumnElement[bool]]:
        review = self._tables.review
        return (
            review.c.has_phi.is_not(None),
            is_not_true(review.c.has_phi),
            is_true(review.c.relevant),
            is_not_true(review.c.has_reconstruction),
        )

    def _candidates(self) -> list[StudyRecord]:
        with self._database.reading() as connection:
            return self._load(connection, self._may_be_ready())

    def _load(self, connection: Connection, condition: ColumnElement[bool]) -> list[StudyRecord]:
        return load_records(connection, self._tables, condition)

    def _newest_position(self, connection: Connection) -> ReviewPosition | None:
        review = self._tables.review
        by_change = select(review.c.modified, review.c.id).where(review.c.modified.is_not(None))
        newest = connection.execute(by_change.order_by(review.c.modified.desc(), review.c.id.desc()).limit(_NEWEST))
        return next((_by(self._clock(), row) for row in newest if row.modified != UNREADABLE_TIME), None)


def _by(now: datetime, changed: tuple[datetime, int]) -> ReviewPosition:
    """A position that is not in the future: whoever looked on from there would miss what is approved until then."""
    return ReviewPosition(min(changed[0], now), changed[1])


def _position(after: tuple[datetime, int] | None) -> ReviewPosition | None:
    return None if after is None else ReviewPosition(*after)
