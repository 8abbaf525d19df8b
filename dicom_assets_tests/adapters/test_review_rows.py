"""Rows of the review database that make no sense hold back their study, say so, and stop no other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, timedelta
from typing import Any

import pytest

from dicom_assets.adapters.review_db import ReviewDatabase
from dicom_assets.errors import StudyNotApprovedError
from dicom_assets_tests.adapters.builders import (
    ACCESSION,
    NOON,
    STUDY_UID,
    ReviewTables,
    minutes,
    names_nothing_identified,
    sqlite_file,
)

STUDY, REVIEW = "staging_radiologystudy", "staging_radiologystudyreview"
OTHER = "1.2.9"
NO_UID, INVALID = "without study UID", "study UID is not a UID"
UNREADABLE, DISAGREE = "values that make no sense", "rows of one study disagree about patient or accession number"
LONGEST = "1." + "2" * 62


@pytest.fixture
def tables(any_database_url: str) -> ReviewTables:
    """A review database with one study in order."""
    tables = ReviewTables(any_database_url)
    tables.approved(OTHER)
    return tables


@pytest.fixture
def sqlite_tables(new_sqlite_url: Callable[[], str]) -> ReviewTables:
    """The same in an SQLite file, which takes any value in any column."""
    tables = ReviewTables(new_sqlite_url())
    tables.approved(OTHER)
    return tables


def opened(tables: ReviewTables) -> ReviewDatabase:
    return ReviewDatabase.open(tables.url, clock=lambda: minutes(90))


def ready_uids(tables: ReviewTables) -> list[str]:
    return [study.study_uid for study in opened(tables).ready()]


def left_out(tables: ReviewTables) -> dict[str, int]:
    return {reason: number for reason, number in opened(tables).standing_counts().items() if number}


def give_room(tables: ReviewTables) -> None:
    """Take the limit off the column of UIDs, as some site may have done."""
    if tables.kind == "postgresql":
        tables.execute(f"ALTER TABLE {STUDY} ALTER COLUMN original_study_uid TYPE text")
    if tables.kind == "mysql":
        tables.execute(f"ALTER TABLE {STUDY} MODIFY original_study_uid TEXT COLLATE utf8mb4_unicode_ci")


NO_UIDS = (
    LONGEST + "3",
    "1.2.3\\1.2.4",
    "1.2.*",
    "1.2.3 4",
    "1.2.3a",
    "SENTINEL",
    "1.2.3\n",
    "1.2.\N{ARABIC-INDIC DIGIT THREE}",
    "1.2.3\N{ZERO WIDTH SPACE}",
    "1.2.3\0",
)


def test_study_uid_that_is_none_never_gets_to_a_pacs(tables: ReviewTables) -> None:
    give_room(tables)
    uids = [uid for uid in NO_UIDS if tables.kind != "postgresql" or "\0" not in uid]  # it stores no NUL
    rows = [tables.approved(uid) for uid in uids]
    tables.approved(LONGEST)
    before = tables.everything()
    review_db = opened(tables)
    assert ready_uids(tables) == [OTHER, LONGEST]
    assert list(review_db.conflicts()) == []
    assert left_out(tables) == {INVALID: len(uids)}
    assert review_db.unusable_rows() == {INVALID: rows}
    for uid in uids:
        with pytest.raises(StudyNotApprovedError) as caught:
            review_db.approval(uid)
        assert uid not in str(caught.value)
    assert tables.everything() == before


@pytest.mark.parametrize(
    "beside", [f"{STUDY_UID}\n", f"{STUDY_UID}\r\n", f"\t{STUDY_UID}", STUDY_UID.replace(".", ". ", 1)]
)
def test_a_row_whose_uid_differs_by_white_space_alone_holds_its_study_back(tables: ReviewTables, beside: str) -> None:
    tables.approved()
    tables.review(tables.study(beside), has_phi=True)

    assert ready_uids(tables) == [OTHER]
    assert [(one.study_uid, one.reasons) for one in opened(tables).conflicts()] == [(STUDY_UID, (UNREADABLE,))]


@pytest.mark.parametrize("study_uid", [None, "", "   "])
def test_approved_row_without_a_study_uid_is_named_by_its_id(tables: ReviewTables, study_uid: str | None) -> None:
    row = tables.approved(study_uid)
    tables.study(None)
    assert ready_uids(tables) == [OTHER]
    assert left_out(tables) == {NO_UID: 2}
    assert opened(tables).unusable_rows() == {NO_UID: [row]}


def test_texts_that_a_collation_calls_equal_are_other_studies(new_mariadb_url: Callable[[], str]) -> None:
    tables = ReviewTables(new_mariadb_url())
    give_room(tables)
    for number, uid in enumerate(("1.2.3\N{ZERO WIDTH SPACE}", "1.2.\N{FULLWIDTH DIGIT THREE}", "1.2.3", "1.2.3 ")):
        tables.approved(uid, at=minutes(number))
    with tables.engine.connect() as connection:
        equal = connection.exec_driver_sql(f"SELECT count(*) FROM {STUDY} WHERE original_study_uid = '1.2.3'").scalar()
    assert equal == 4, "the collation is one of those"
    review_db = opened(tables)
    assert review_db.approval("1.2.3").approved_at == minutes(2)
    assert ready_uids(tables) == ["1.2.3"]
    review_db.mark_error("1.2.3", "went wrong")
    assert [row["processing_error"] for row in tables.rows(STUDY)] == [None, None, True, True]
    review_db.clear_error("1.2.3")
    review_db.mark_published("1.2.3")
    assert [row["image_published"] for row in tables.rows(STUDY)] == [False, False, True, True]


def test_rows_of_one_study_about_two_patients_hold_it_back(tables: ReviewTables) -> None:
    other_patient = tables.add("staging_patient", alias="A2")
    rows = [tables.approved(), tables.approved(patient_id=other_patient)]
    held_back(tables, DISAGREE, rows)


def test_rows_of_one_study_with_two_accession_numbers_hold_it_back(tables: ReviewTables) -> None:
    held_back(tables, DISAGREE, [tables.approved(), tables.approved(accession_no="SENTINEL-ACC-8")])


def held_back(tables: ReviewTables, reason: str, rows: list[int]) -> None:
    review_db = opened(tables)
    assert ready_uids(tables) == [OTHER]
    (conflict,) = review_db.conflicts()
    assert conflict.study_uid == STUDY_UID
    assert conflict.reasons == (reason,)
    assert conflict.review_ids
    assert left_out(tables) == {reason: 1}
    assert review_db.unusable_rows() == {reason: rows}
    assert [study.study_uid for _, study in review_db.approvals().approvals] == [OTHER]
    with pytest.raises(StudyNotApprovedError, match=reason) as caught:
        review_db.approval(STUDY_UID)
    assert names_nothing_identified(str(caught.value))
    assert names_nothing_identified(repr(conflict))


@pytest.mark.parametrize("accession_no", [f" {ACCESSION} ", "", "  "])
def test_accession_number_that_is_empty_or_has_spaces_around_it_does_not_disagree(
    tables: ReviewTables, accession_no: str
) -> None:
    tables.approved()
    tables.approved(accession_no=accession_no)
    assert ready_uids(tables) == [OTHER, STUDY_UID]


def test_accession_number_that_changes_between_two_runs_is_no_new_approval(tables: ReviewTables) -> None:
    tables.approved()
    first = opened(tables).approval(STUDY_UID)
    tables.execute(f"UPDATE {STUDY} SET accession_no = 'SENTINEL-ACC-8'")
    assert opened(tables).approval(STUDY_UID) == first
    opened(tables).mark_published(STUDY_UID)
    assert ready_uids(tables) == [OTHER]


def test_study_without_a_date_is_a_study_like_others(tables: ReviewTables) -> None:
    tables.approved(study_date=None, pub_date=None, modality=None, impression=None)
    tables.approved("1.2.8", study_date=NOON - timedelta(days=40_000))
    assert ready_uids(tables) == [OTHER, STUDY_UID, "1.2.8"]


def test_review_that_is_there_twice_counts_as_one(tables: ReviewTables) -> None:
    study_id = tables.approved(at=minutes(3))
    tables.review(study_id, created=minutes(3), modified=minutes(3))
    (_, study) = opened(tables).ready()
    assert study.approved_at == minutes(3)
    objection = {"has_phi": True, "user_id": 2}
    for _ in range(2):
        tables.review(study_id, **objection)
    (conflict,) = opened(tables).conflicts()
    assert len(conflict.review_ids) == 4
    assert conflict.reasons == ("has PHI",)


FLAGS = [
    (STUDY, "exclude"),
    (STUDY, "image_published"),
    (STUDY, "processing_error"),
    (REVIEW, "has_phi"),
    (REVIEW, "has_reconstruction"),
    (REVIEW, "relevant"),
    (REVIEW, "exclude"),
]
MAY_BE_NULL = ("processing_error", "has_phi")


@pytest.mark.parametrize("value", [2, -1, "yes", "t", 1.5, None, b"\1"], ids=repr)
def test_flag_that_is_neither_true_nor_false_holds_its_study_back(sqlite_tables: ReviewTables, value: Any) -> None:
    tables = sqlite_tables
    expected = [OTHER]
    for number, (table, column) in enumerate(FLAGS):
        uid = f"1.2.3.{number}"
        study_id = tables.approved(uid)
        rows = {STUDY: study_id, REVIEW: tables.review(study_id)}
        store_anything(tables, table, column, value, rows[table])
        expected += [uid] if value is None and column in MAY_BE_NULL else []
    review_db = opened(tables)
    assert ready_uids(tables) == expected
    assert left_out(tables) == {UNREADABLE: len(FLAGS) + 1 - len(expected)}
    with pytest.raises(StudyNotApprovedError, match=UNREADABLE):
        review_db.approval("1.2.3.0")


def store_anything(tables: ReviewTables, table: str, column: str, value: Any, row: int) -> None:
    """Put a value into a row, NOT NULL or not."""
    tables.engine.dispose()
    with closing(sqlite3.connect(sqlite_file(tables.url))) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE type = 'table'")
        connection.commit()
    with closing(sqlite3.connect(sqlite_file(tables.url))) as connection:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, row))
        connection.commit()


def test_number_that_is_no_flag_holds_its_study_back_on_mariadb(new_mariadb_url: Callable[[], str]) -> None:
    tables = ReviewTables(new_mariadb_url())
    tables.approved(OTHER)
    row = tables.approved()
    tables.review(row)
    tables.execute(f"UPDATE {REVIEW} SET relevant = 2 ORDER BY id DESC LIMIT 1")
    held_back(tables, UNREADABLE, [row])


@pytest.mark.parametrize("column", ["created", "modified"])
@pytest.mark.parametrize("value", ["yesterday SENTINEL", "2024-13-45", 5.5, 1714564800])
def test_time_of_a_review_that_is_none_holds_its_study_back(
    sqlite_tables: ReviewTables, column: str, value: object
) -> None:
    row = sqlite_tables.approved()
    store_anything(sqlite_tables, REVIEW, column, value, row + 1)
    held_back(sqlite_tables, UNREADABLE, [row])
    position = opened(sqlite_tables).approvals().position
    assert position is not None
    assert position.changed_at == NOON


def test_zero_date_of_mysql_holds_its_study_back(new_mariadb_url: Callable[[], str]) -> None:
    tables = ReviewTables(new_mariadb_url())
    tables.approved(OTHER)
    row = tables.approved()
    tables.execute(
        "SET SESSION sql_mode = ''",
        f"UPDATE {REVIEW} SET modified = '0000-00-00 00:00:00' ORDER BY id DESC LIMIT 1",
        "SET SESSION sql_mode = DEFAULT",
    )
    held_back(tables, UNREADABLE, [row])


def test_review_of_the_future_hides_no_approval_that_comes_before_it(tables: ReviewTables) -> None:
    tables.approved("1.2.8", at=minutes(60 * 24 * 365))
    page = opened(tables).approvals()
    assert [study.study_uid for _, study in page.approvals] == [OTHER, "1.2.8"]
    assert page.position is not None
    assert page.position.changed_at == minutes(90), "now, not then"
    tables.approved(at=minutes(91))
    assert STUDY_UID in [study.study_uid for _, study in opened(tables).approvals(page.position).approvals]


def test_error_without_date_or_message_is_listed_and_cleared(tables: ReviewTables) -> None:
    tables.approved(processing_error=True)
    review_db = opened(tables)
    (marked,) = review_db.errors()
    assert (marked.marked_at, marked.message) == (None, "")
    review_db.clear_error(STUDY_UID)
    assert ready_uids(tables) == [OTHER, STUDY_UID]


@pytest.mark.parametrize("comment", ["größer als 5 \N{LESS-THAN OR EQUAL TO} \N{BRAIN}", "tab\tand\nline"])
def test_comments_come_as_they_were_written(tables: ReviewTables, comment: str) -> None:
    tables.review(tables.study(), comment=comment)
    assert opened(tables).approval(STUDY_UID).comments == (comment,)
    assert opened(tables).approval(STUDY_UID).approved_at.tzinfo is UTC
