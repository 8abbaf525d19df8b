"""The review database is read and written by its own rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dicom_assets.adapters.review_db import ReviewDatabase, ReviewPosition
from dicom_assets.errors import ConfigurationError, DicomAssetsError, StudyNotApprovedError
from dicom_assets.steps.ports import ReviewDb
from dicom_assets_tests.adapters.builders import (
    NOON,
    STUDY_UID,
    ReviewTables,
    engine_for,
    minutes,
    names_nothing_identified,
    sqlite_file,
)

STUDY = "staging_radiologystudy"


@pytest.fixture
def tables(any_database_url: str) -> ReviewTables:
    """An empty review database of the newest version."""
    return ReviewTables(any_database_url)


def opened(tables: ReviewTables, **options: Any) -> ReviewDatabase:
    return ReviewDatabase.open(tables.url, clock=lambda: minutes(90), **options)


def ready_uids(tables: ReviewTables) -> list[str]:
    return [study.study_uid for study in opened(tables).ready()]


def test_adapter_fulfils_the_port(tables: ReviewTables) -> None:
    port: ReviewDb = opened(tables)
    assert list(port.ready()) == []


def test_approved_study_is_ready_with_what_its_reviews_say(tables: ReviewTables) -> None:
    study_id = tables.study()
    tables.review(study_id, created=minutes(5), has_protocol_series=True, comment=" fine ")
    tables.review(study_id, created=minutes(2), comment="")
    (study,) = opened(tables).ready()
    assert study.study_uid == STUDY_UID
    assert study.approved_at == minutes(2)
    assert study.approved_at.tzinfo is UTC
    assert study.has_protocol_series
    assert study.comments == ("fine",)


@pytest.mark.parametrize(
    "review",
    [
        {"has_phi": True},
        {"has_phi": None},
        {"relevant": False},
        {"has_reconstruction": True},
        {"exclude": True},
    ],
)
def test_study_whose_only_review_does_not_approve_is_not_ready(tables: ReviewTables, review: dict[str, Any]) -> None:
    tables.review(tables.study(), **review)
    assert ready_uids(tables) == []
    assert opened(tables).conflicts() == []


def test_approval_must_come_from_one_and_the_same_review(tables: ReviewTables) -> None:
    study_id = tables.study()
    tables.review(study_id, has_phi=None)
    tables.review(study_id, relevant=False)
    assert ready_uids(tables) == []


def test_undecided_second_review_is_no_conflict(tables: ReviewTables) -> None:
    tables.review(tables.approved(), has_phi=None)
    assert ready_uids(tables) == [STUDY_UID]


@pytest.mark.parametrize("flag", ["exclude", "image_published", "processing_error"])
def test_study_with_a_flag_of_its_row_set_is_not_ready(tables: ReviewTables, flag: str) -> None:
    tables.approved(**{flag: True})
    assert ready_uids(tables) == []


def test_processing_error_that_is_null_or_false_does_not_hold_back(tables: ReviewTables) -> None:
    tables.approved("1.2.1", processing_error=None)
    tables.approved("1.2.2", processing_error=False)
    assert ready_uids(tables) == ["1.2.1", "1.2.2"]


def test_oldest_approval_comes_first_and_ties_go_by_id(tables: ReviewTables) -> None:
    tables.approved("1.2.3", at=minutes(7))
    tables.approved("1.2.2", at=minutes(3))
    tables.approved("1.2.1", at=minutes(3))
    assert ready_uids(tables) == ["1.2.2", "1.2.1", "1.2.3"]


@pytest.mark.parametrize("study_uid", [None, "", "  "])
def test_row_without_original_study_uid_is_no_study(tables: ReviewTables, study_uid: str | None) -> None:
    tables.approved(study_uid)
    assert ready_uids(tables) == []
    assert opened(tables).standing_counts()["without study UID"] == 1


def test_spaces_around_a_study_uid_do_not_count(tables: ReviewTables) -> None:
    tables.approved(f" {STUDY_UID} ")
    assert ready_uids(tables) == [STUDY_UID]
    opened(tables).mark_published(STUDY_UID)
    assert tables.row(STUDY)["image_published"]


@pytest.mark.parametrize(
    ("review", "reason"),
    [
        ({"has_phi": True}, "has PHI"),
        ({"exclude": True}, "excluded"),
        ({"relevant": False}, "not relevant"),
        ({"has_reconstruction": True}, "with reconstruction"),
    ],
)
def test_study_in_conflict_is_left_out_and_its_reviews_named(
    tables: ReviewTables, review: dict[str, Any], reason: str
) -> None:
    study_id = tables.study()
    approving = tables.review(study_id)
    forbidding = tables.review(study_id, **review)
    tables.review(study_id, has_phi=None)
    (conflict,) = opened(tables).conflicts()
    assert ready_uids(tables) == []
    assert conflict.study_uid == STUDY_UID
    assert conflict.review_ids == (approving, forbidding)
    assert conflict.reasons == (reason,)


@pytest.mark.parametrize("flag", ["exclude", "image_published", "processing_error"])
def test_study_that_would_not_be_taken_anyway_is_no_conflict(tables: ReviewTables, flag: str) -> None:
    tables.review(tables.approved(**{flag: True}), has_phi=True)
    assert opened(tables).conflicts() == []


def test_two_rows_of_one_study_are_one_study(tables: ReviewTables) -> None:
    tables.approved(at=minutes(5))
    tables.approved(at=minutes(2))
    (study,) = opened(tables).ready()
    assert study.approved_at == minutes(2)


@pytest.mark.parametrize(
    "second", [{"exclude": True}, {"image_published": True}, {"processing_error": True}, {"reviews": ()}]
)
def test_one_row_that_does_not_agree_holds_the_study_back(tables: ReviewTables, second: dict[str, Any]) -> None:
    tables.approved()
    if "reviews" in second:
        tables.study()
    else:
        tables.approved(**second)
    assert ready_uids(tables) == []


def test_conflict_between_two_rows_of_one_study_is_a_conflict(tables: ReviewTables) -> None:
    first = tables.approved()
    tables.review(tables.study(), has_phi=True)
    (conflict,) = opened(tables).conflicts()
    assert len(conflict.review_ids) == 2
    assert first


def test_approval_is_found_whatever_became_of_the_study(tables: ReviewTables) -> None:
    tables.approved(image_published=True, processing_error=True)
    assert opened(tables).approval(STUDY_UID).study_uid == STUDY_UID


@pytest.mark.parametrize("case", ["unknown", "blank", "unreviewed", "excluded", "in conflict", "has PHI"])
def test_study_without_approval_is_refused_without_its_uid(tables: ReviewTables, case: str) -> None:
    if case == "unreviewed":
        tables.study()
    if case == "excluded":
        tables.approved(exclude=True)
    if case == "in conflict":
        tables.review(tables.approved(), has_phi=True)
    if case == "has PHI":
        tables.review(tables.study(), has_phi=True)
    with pytest.raises(StudyNotApprovedError) as caught:
        opened(tables).approval("" if case == "blank" else STUDY_UID)
    assert names_nothing_identified(str(caught.value))
    assert case in ("unknown", "blank") or case in str(caught.value)


def test_version_changes_with_a_review_and_only_with_a_review(tables: ReviewTables) -> None:
    study_id = tables.approved()
    first = opened(tables).approval(STUDY_UID).version
    with tables.engine.begin() as connection:
        connection.execute(text(f"UPDATE {STUDY} SET modality = 'CT'"))
    assert opened(tables).approval(STUDY_UID).version == first
    tables.review(study_id, has_phi=None)
    assert opened(tables).approval(STUDY_UID).version != first


def test_published_study_is_marked_on_all_rows_and_nothing_else_changes(tables: ReviewTables) -> None:
    tables.approved()
    tables.approved()
    tables.approved("1.2.9")
    before = tables.everything()
    opened(tables).mark_published(STUDY_UID)
    opened(tables).mark_published(STUDY_UID)
    first, second, other = before[STUDY]
    published = {"image_published": True}
    assert tables.everything() == before | {STUDY: [first | published, second | published, other]}


def test_marking_a_study_that_has_no_row_is_refused(tables: ReviewTables) -> None:
    with pytest.raises(StudyNotApprovedError, match="no row"):
        opened(tables).mark_published(STUDY_UID)


def test_error_is_marked_in_one_cut_line_on_all_rows_and_nothing_else_changes(tables: ReviewTables) -> None:
    tables.approved()
    tables.approved()
    tables.approved("1.2.9")
    before = tables.everything()
    opened(tables).mark_error(STUDY_UID, "went\n  wrong " + "x" * 500)
    after = tables.everything()
    marked = {
        "processing_error": True,
        "processing_error_date": after[STUDY][0]["processing_error_date"],
        "processing_error_msg": "went wrong " + "x" * 389,
    }
    first, second, other = before[STUDY]
    assert marked["processing_error_date"].replace(tzinfo=UTC) == minutes(90)
    assert after == before | {STUDY: [first | marked, second | marked, other]}
    assert ready_uids(tables) == ["1.2.9"]


REFUSE_THE_SECOND_ROW = {
    "sqlite": (
        f"CREATE TRIGGER refuse BEFORE UPDATE ON {STUDY} WHEN NEW.total_images = 2 "
        "BEGIN SELECT RAISE(ABORT, 'SENTINEL'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN IF NEW.total_images = 2 THEN RAISE ''SENTINEL''; END IF; RETURN NEW; END'",
        f"CREATE TRIGGER refuse BEFORE UPDATE ON {STUDY} FOR EACH ROW EXECUTE FUNCTION refuse()",
    ),
    "mysql": (
        f"CREATE TRIGGER refuse BEFORE UPDATE ON {STUDY} FOR EACH ROW "
        "IF NEW.total_images = 2 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'SENTINEL'; END IF",
    ),
}


@pytest.mark.parametrize(
    "act",
    [
        lambda review_db: review_db.mark_published(STUDY_UID),
        lambda review_db: review_db.mark_error(STUDY_UID, "went wrong"),
        lambda review_db: review_db.clear_error("1.2.9"),
    ],
    ids=["published", "error", "error taken off"],
)
def test_study_is_marked_on_all_of_its_rows_or_on_none(
    tables: ReviewTables, act: Callable[[ReviewDatabase], None]
) -> None:
    for number in (1, 2):
        tables.approved(total_images=number)
        tables.approved("1.2.9", total_images=number, processing_error=True)
    tables.execute(*REFUSE_THE_SECOND_ROW[tables.kind])
    before = tables.everything()
    with pytest.raises(DicomAssetsError, match="REVIEW_DB_URL") as caught:
        act(opened(tables))
    assert tables.everything() == before
    assert names_nothing_identified(str(caught.value))


@pytest.mark.parametrize("flags", [{"image_published": True}, {"processing_error": True}])
def test_error_is_not_marked_where_a_flag_is_set(tables: ReviewTables, flags: dict[str, bool]) -> None:
    tables.approved(**flags)
    opened(tables).mark_error(STUDY_UID, "went wrong")
    assert tables.row(STUDY)["processing_error_msg"] is None


def test_marked_studies_are_listed_oldest_first_and_once_each(tables: ReviewTables) -> None:
    for number, minute in (("1.2.2", 40), ("1.2.1", 20), ("1.2.2", 30)):
        tables.approved(
            number,
            processing_error=True,
            processing_error_date=minutes(minute),
            processing_error_msg=f"went wrong at {minute}",
        )
    tables.approved("1.2.3", processing_error=True, image_published=True)
    tables.approved("1.2.4")
    found = [(one.study_uid, one.message) for one in opened(tables, read_only=True).errors()]
    assert sorted(found) == [("1.2.1", "went wrong at 20"), ("1.2.2", "went wrong at 40")]
    assert found[0][0] == "1.2.1"


def test_cleared_error_leaves_no_trace_and_the_study_is_ready(tables: ReviewTables) -> None:
    tables.approved(processing_error=False)
    tables.approved("1.2.9", processing_error=True)
    before = tables.everything()
    review_db = opened(tables)
    review_db.mark_error(STUDY_UID, "went wrong")
    review_db.clear_error(STUDY_UID)
    assert tables.everything() == before
    assert ready_uids(tables) == [STUDY_UID]
    assert [one.study_uid for one in review_db.errors()] == ["1.2.9"]


@pytest.mark.parametrize(
    "version", [{"links": False}, {"processing_errors": False}, {"links": False, "processing_errors": False}]
)
def test_older_tables_serve_alike(any_database_url: str, version: dict[str, bool]) -> None:
    tables = ReviewTables(any_database_url, **version)
    tables.approved("1.2.3", at=minutes(7))
    for minute in (9, 3):
        tables.approved("1.2.2", at=minutes(minute))
    tables.review(tables.approved("1.2.1"), has_phi=True)
    before = tables.everything()
    review_db = opened(tables)
    assert [study.study_uid for study in review_db.ready()] == ["1.2.2", "1.2.3"]
    assert [conflict.reasons for conflict in review_db.conflicts()] == [("has PHI",)]
    assert [study.study_uid for _, study in review_db.approvals().approvals] == ["1.2.3", "1.2.2"]
    review_db.mark_error("1.2.3", "went wrong")
    has_errors = version.get("processing_errors", True)
    assert review_db.can_mark_errors == has_errors
    assert [one.study_uid for one in review_db.errors()] == (["1.2.3"] if has_errors else [])
    review_db.clear_error("1.2.3")
    review_db.mark_published("1.2.2")
    assert [study.study_uid for study in review_db.ready()] == ["1.2.3"]
    changed = [
        row["original_study_uid"] for row, old in zip(tables.rows(STUDY), before[STUDY], strict=True) if row != old
    ]
    assert sorted(set(changed) - {"1.2.3"}) == ["1.2.2"]
    assert {name: rows for name, rows in tables.everything().items() if name != STUDY} == {
        name: rows for name, rows in before.items() if name != STUDY
    }


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"])
def test_mariadb_serves_under_each_of_its_urls(new_mariadb_url: Callable[[], str], scheme: str) -> None:
    tables = ReviewTables(new_mariadb_url())
    tables.approved()
    tables.url = tables.url.replace("mysql+pymysql", scheme)
    opened(tables).mark_error(STUDY_UID, "went wrong")
    opened(tables).clear_error(STUDY_UID)
    assert [study.study_uid for study in opened(tables, read_only=True).ready()] == [STUDY_UID]
    opened(tables).mark_published(STUDY_UID)
    with pytest.raises(ConfigurationError, match="reading only"):
        opened(tables, read_only=True).mark_published(STUDY_UID)
    assert ready_uids(tables) == []


def test_newest_tables_can_mark_errors(tables: ReviewTables) -> None:
    assert opened(tables).can_mark_errors


def test_flags_that_are_numbers_serve_too(server_url: str) -> None:
    with engine_for(server_url).begin() as connection:
        for statement in (
            "CREATE TABLE staging_radiologystudy (id int, original_study_uid text, exclude smallint, "
            "image_published smallint, processing_error smallint, processing_error_date timestamp NULL, "
            "processing_error_msg text)",
            "CREATE TABLE staging_radiologystudyreview (id int, study_id int, created timestamp, "
            "modified timestamp, has_phi smallint, has_reconstruction smallint, has_protocol_series smallint, "
            "relevant smallint, exclude smallint, comment text)",
            "INSERT INTO staging_radiologystudy (id, original_study_uid, exclude, image_published) "
            "VALUES (1, '1.2.3', 0, 0), (2, '1.2.4', 0, 0)",
            "INSERT INTO staging_radiologystudyreview (id, study_id, created, modified, has_phi, has_reconstruction, "
            "has_protocol_series, relevant, exclude) VALUES "
            "(1, 1, '2024-01-01', '2024-01-01', 0, 0, 0, 1, 0), (2, 2, '2024-01-01', '2024-01-01', 0, 0, 0, 1, 0)",
        ):
            connection.execute(text(statement))
    review_db = ReviewDatabase.open(server_url, clock=lambda: NOON)
    assert [study.study_uid for study in review_db.ready()] == ["1.2.3", "1.2.4"]
    review_db.mark_published("1.2.3")
    review_db.mark_error("1.2.4", "went wrong")
    assert list(review_db.ready()) == []


def test_times_as_django_writes_them_on_sqlite_are_read(tmp_path: Path) -> None:
    tables = ReviewTables(f"sqlite:///{tmp_path / 'review.db'}")
    tables.approved("1.2.1")
    with tables.engine.begin() as connection:
        connection.execute(text("UPDATE staging_radiologystudyreview SET created = '2013-11-18 10:11:12'"))
    assert opened(tables).approval("1.2.1").approved_at.isoformat() == "2013-11-18T10:11:12+00:00"


def test_approvals_are_paged_through_in_order_of_change(tables: ReviewTables) -> None:
    for number in (3, 1, 2):
        tables.approved(f"1.2.{number}", at=minutes(number))
    review_db = opened(tables)
    first = review_db.approvals(limit=2)
    assert [study.study_uid for _, study in first.approvals] == ["1.2.1", "1.2.2"]
    second = review_db.approvals(first.position)
    assert [study.study_uid for _, study in second.approvals] == ["1.2.3"]
    assert review_db.approvals(second.position) == type(second)((), second.position)


def test_position_survives_being_a_cursor(tables: ReviewTables) -> None:
    tables.approved()
    position = opened(tables).approvals().position
    assert position
    assert ReviewPosition.parse(str(position)) == position


def test_database_without_reviews_has_no_position(tables: ReviewTables) -> None:
    page = opened(tables).approvals()
    assert page.approvals == ()
    assert page.position is None


def test_two_reviews_of_one_moment_are_told_apart_by_id(tables: ReviewTables) -> None:
    tables.approved("1.2.1")
    tables.approved("1.2.2")
    page = opened(tables).approvals(limit=1)
    assert [study.study_uid for _, study in opened(tables).approvals(page.position).approvals] == ["1.2.2"]


def test_objection_taken_back_brings_the_study_into_the_next_page(tables: ReviewTables) -> None:
    objection = tables.review(tables.approved(), has_phi=True, modified=minutes(1))
    page = opened(tables).approvals()
    assert page.approvals == ()
    with tables.engine.begin() as connection:
        reviews = tables.metadata.tables["staging_radiologystudyreview"]
        connection.execute(reviews.update().where(reviews.c.id == objection).values(has_phi=None, modified=minutes(9)))
    assert [study.study_uid for _, study in opened(tables).approvals(page.position).approvals] == [STUDY_UID]


def test_approval_committed_late_is_found_by_asking_again_from_earlier(tables: ReviewTables) -> None:
    tables.approved("1.2.1", at=minutes(10))
    position = opened(tables).approvals().position
    assert position
    tables.approved("1.2.2", at=minutes(9))
    assert opened(tables).approvals(position).approvals == ()
    earlier = (position.changed_at - timedelta(minutes=5), 0)
    assert [study.study_uid for _, study in opened(tables).approvals(earlier).approvals] == ["1.2.2", "1.2.1"]


def test_each_study_left_out_counts_once_with_its_reason(tables: ReviewTables) -> None:
    tables.approved("1.2.1")
    tables.study("1.2.2")
    tables.approved("1.2.3", image_published=True)
    tables.approved("1.2.4", exclude=True)
    tables.approved("1.2.5", processing_error=True)
    tables.review(tables.approved("1.2.6"), has_phi=True)
    tables.review(tables.study("1.2.7"), has_phi=True, relevant=False)
    tables.review(tables.study("1.2.8"), relevant=False)
    tables.review(tables.study("1.2.9"), has_reconstruction=True)
    tables.study(None)
    assert opened(tables).standing_counts() == {
        "already published": 1,
        "error flag set": 1,
        "in conflict": 1,
        "excluded": 1,
        "has PHI": 1,
        "not relevant": 1,
        "with reconstruction": 1,
        "unreviewed": 1,
        "study UID is not a UID": 0,
        "values that make no sense": 0,
        "rows of one study disagree about patient or accession number": 0,
        "without study UID": 1,
    }


def test_read_only_database_refuses_to_be_marked_and_keeps_its_bytes(tmp_path: Path) -> None:
    tables = ReviewTables(f"sqlite:///{tmp_path / 'review.db'}")
    tables.approved()
    tables.engine.dispose()
    before = sqlite_file(tables.url).read_bytes()
    review_db = opened(tables, read_only=True)
    assert len(review_db.ready()) == 1
    with pytest.raises(ConfigurationError, match="reading only"):
        review_db.mark_published(STUDY_UID)
    with pytest.raises(ConfigurationError, match="reading only"):
        review_db.mark_error(STUDY_UID, "went wrong")
    assert sqlite_file(tables.url).read_bytes() == before


def test_missing_table_or_column_is_named_with_the_setting(tables: ReviewTables) -> None:
    with tables.engine.begin() as connection:
        connection.execute(text("ALTER TABLE staging_radiologystudyreview DROP COLUMN relevant"))
    with pytest.raises(ConfigurationError, match=r"REVIEW_DB_URL.*staging_radiologystudyreview lacks column relevant"):
        opened(tables)
    with tables.engine.begin() as connection:
        connection.execute(text("DROP TABLE staging_radiologystudyreview"))
    with pytest.raises(ConfigurationError, match=r"REVIEW_DB_URL.*no table staging_radiologystudyreview") as caught:
        opened(tables)
    assert names_nothing_identified(str(caught.value))
