"""The review database tells which published studies are objected to, and is told of those that are withdrawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dicom_assets.adapters.review_db import ReviewDatabase
from dicom_assets_tests.adapters.builders import STUDY_UID, ReviewTables, minutes

STUDY = "staging_radiologystudy"
ALLOWED = {"image_published", "processing_error", "processing_error_date", "processing_error_msg"}


@pytest.fixture
def tables(database_url: str) -> ReviewTables:
    """An empty review database of the newest version."""
    return ReviewTables(database_url)


def opened(tables: ReviewTables) -> ReviewDatabase:
    return ReviewDatabase.open(tables.url, clock=lambda: minutes(90))


def reasons(tables: ReviewTables, *in_flight: str) -> dict[str, tuple[str, ...]]:
    database = opened(tables)
    try:
        return {one.study_uid: one.reasons for one in database.objections(in_flight)}
    finally:
        database.close()


@pytest.mark.parametrize(
    ("review", "reason"),
    [
        ({"has_phi": True}, ("has PHI",)),
        ({"exclude": True}, ("excluded",)),
        ({"relevant": False}, ("not relevant",)),
        ({"has_reconstruction": True}, ("with reconstruction",)),
        ({"has_phi": True, "exclude": True, "relevant": False}, ("excluded", "has PHI", "not relevant")),
    ],
)
@pytest.mark.parametrize("beside_an_approval", [True, False])
def test_a_published_study_is_objected_to_by_any_review(
    tables: ReviewTables, review: dict[str, Any], reason: tuple[str, ...], beside_an_approval: bool
) -> None:
    study_id = tables.study(image_published=True)
    if beside_an_approval:
        tables.review(study_id)
    tables.review(study_id, **review)

    assert reasons(tables) == {STUDY_UID: reason}


def test_a_row_that_is_excluded_objects_without_any_review(tables: ReviewTables) -> None:
    tables.study(image_published=True, exclude=True)

    assert reasons(tables) == {STUDY_UID: ("excluded",)}


@pytest.mark.parametrize("review", [{}, {"has_phi": None}])
def test_a_review_that_approves_or_is_undecided_objects_to_nothing(
    tables: ReviewTables, review: dict[str, Any]
) -> None:
    tables.review(tables.approved(image_published=True), **review)

    assert reasons(tables) == {}


def test_a_published_study_that_no_review_approves_any_more_is_objected_to(tables: ReviewTables) -> None:
    tables.review(tables.study(image_published=True), has_phi=None)

    assert reasons(tables) == {STUDY_UID: ("no review approves it",)}


def test_a_flag_that_makes_no_sense_objects_beside_an_approval(new_sqlite_url: Callable[[], str]) -> None:
    tables = ReviewTables(new_sqlite_url())
    tables.review(tables.approved(image_published=True))
    newest = "(SELECT max(id) FROM staging_radiologystudyreview)"
    tables.execute(f"UPDATE staging_radiologystudyreview SET has_phi = 2 WHERE id = {newest}")

    assert reasons(tables) == {STUDY_UID: ("no review approves it",)}


def test_a_published_study_without_any_review_is_not_objected_to(tables: ReviewTables) -> None:
    tables.study(image_published=True)

    assert reasons(tables) == {}


def test_an_objection_on_another_row_with_a_line_end_counts(tables: ReviewTables) -> None:
    tables.approved(image_published=True)
    tables.review(tables.study(f"{STUDY_UID}\n"), has_phi=True)

    assert reasons(tables) == {STUDY_UID: ("has PHI",)}


def test_an_objection_on_another_row_of_the_same_study_counts(tables: ReviewTables) -> None:
    tables.approved(image_published=True)
    tables.review(tables.study(f" {STUDY_UID} "), has_phi=True)

    assert reasons(tables) == {STUDY_UID: ("has PHI",)}


def test_a_study_that_was_not_published_counts_only_while_it_is_in_flight(tables: ReviewTables) -> None:
    tables.review(tables.approved(), has_phi=True)

    assert reasons(tables) == {}
    assert reasons(tables, STUDY_UID, "1.2.3") == {STUDY_UID: ("has PHI",)}


def test_version_changes_with_the_reviews_and_holds_no_identifier(tables: ReviewTables) -> None:
    study_id = tables.approved(image_published=True)
    tables.review(study_id, has_phi=True)
    before = opened(tables).objections()[0].version

    tables.review(study_id, relevant=False)

    after = opened(tables).objections()[0].version
    assert before != after
    assert STUDY_UID not in before + after
    assert STUDY_UID not in repr(opened(tables).objections())


def test_withdrawing_touches_the_allowed_columns_of_that_study_alone(tables: ReviewTables) -> None:
    tables.approved(image_published=True)
    tables.approved("1.2.3", image_published=True)
    before, other = tables.rows(STUDY)

    opened(tables).mark_withdrawn(STUDY_UID, "Withdrawn (has PHI)", is_gone=True)

    after, same = tables.rows(STUDY)
    assert {name for name in after if after[name] != before[name]} == ALLOWED
    assert same == other
    assert not after["image_published"]
    assert after["processing_error"]
    assert after["processing_error_msg"] == "Withdrawn (has PHI)"


def test_a_study_that_is_not_gone_yet_stays_marked_as_published(tables: ReviewTables) -> None:
    tables.approved(image_published=True)

    opened(tables).mark_withdrawn(STUDY_UID, "x", is_gone=False)

    assert tables.row(STUDY)["image_published"]
    assert tables.row(STUDY)["processing_error"]


def test_withdrawing_again_changes_nothing(tables: ReviewTables) -> None:
    tables.approved(image_published=True)
    opened(tables).mark_withdrawn(STUDY_UID, "x", is_gone=True)
    before = tables.rows(STUDY)

    later = ReviewDatabase.open(tables.url, clock=lambda: minutes(500))
    later.mark_withdrawn(STUDY_UID, "x", is_gone=True)

    assert tables.rows(STUDY) == before


def test_a_message_that_is_too_long_is_cut_to_the_column(tables: ReviewTables) -> None:
    tables.approved(image_published=True)

    opened(tables).mark_withdrawn(STUDY_UID, "a b\n" * 200, is_gone=True)

    message = tables.row(STUDY)["processing_error_msg"]
    assert len(message) <= 400
    assert "\n" not in message


def test_lifting_lets_the_next_run_take_the_study(tables: ReviewTables) -> None:
    tables.approved(image_published=True)
    database = opened(tables)
    database.mark_withdrawn(STUDY_UID, "x", is_gone=False)
    assert list(database.ready()) == []

    database.mark_lifted(STUDY_UID)

    assert [study.study_uid for study in database.ready()] == [STUDY_UID]
    assert tables.row(STUDY)["processing_error_msg"] is None


def test_tables_without_columns_for_errors_lose_the_flag_alone(database_url: str) -> None:
    tables = ReviewTables(database_url, processing_errors=False)
    tables.approved(image_published=True)
    tables.review(tables.rows(STUDY)[0]["id"], has_phi=True)
    assert reasons(tables) == {STUDY_UID: ("has PHI",)}

    opened(tables).mark_withdrawn(STUDY_UID, "x", is_gone=True)

    assert not tables.row(STUDY)["image_published"]
    opened(tables).mark_lifted(STUDY_UID)
