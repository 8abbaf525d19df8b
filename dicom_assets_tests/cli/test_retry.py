"""`dicom-assets retry` against a review database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.adapters.review_db import ReviewDatabase
from dicom_assets.cli import main
from dicom_assets_tests.adapters.builders import ReviewTables, minutes
from dicom_assets_tests.deployment import SECRET
from dicom_assets_tests.event_schema import events_in, misfits


class Site:
    """Two studies that are marked with an error, one that is not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "secret").write_text(SECRET)
        self.environment = {
            "REVIEW_DB_URL": f"sqlite:///{folder / 'review.db'}",
            "IDENTITY_DB_URL": f"sqlite:///{folder / 'identity.db'}",
            "IDENTITY_SECRET_FILE": str(folder / "secret"),
            "DATA_DIR": str(folder / "data"),
        }
        tables = ReviewTables(self.environment["REVIEW_DB_URL"])
        for number in (1, 2, 3):
            tables.approved(f"1.2.{number}")
        identity_db = IdentityDatabase.open(self.environment["IDENTITY_DB_URL"], SECRET.encode())
        self.keys = {number: identity_db.study_key(f"1.2.{number}") for number in (1, 2, 3)}
        identity_db.close()
        self.mark(1, "first trouble")
        self.mark(2, "second trouble")

    def mark(self, number: int, message: str) -> None:
        review_db = ReviewDatabase.open(self.environment["REVIEW_DB_URL"], clock=lambda: minutes(number))
        review_db.mark_error(f"1.2.{number}", message)
        review_db.close()

    def ready(self) -> list[str]:
        review_db = ReviewDatabase.open(self.environment["REVIEW_DB_URL"], read_only=True)
        try:
            return [study.study_uid for study in review_db.ready()]
        finally:
            review_db.close()

    def retry(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["retry", *arguments], env=self.environment)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_marked_studies_are_listed_with_their_reasons_and_nothing_changes(site: Site) -> None:
    result = site.retry()

    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [(key, reason) for key, _, reason in lines] == [
        (site.keys[1], "first trouble"),
        (site.keys[2], "second trouble"),
    ]
    assert result.exit_code == 0
    assert site.ready() == ["1.2.3"]
    assert "1.2." not in result.output


def test_named_study_is_taken_again(site: Site) -> None:
    result = site.retry(site.keys[2])

    assert result.exit_code == 0
    assert "1 cleared" in result.stderr
    assert sorted(site.ready()) == ["1.2.2", "1.2.3"]


def test_all_are_taken_again(site: Site) -> None:
    assert site.retry("--all").exit_code == 0
    assert sorted(site.ready()) == ["1.2.1", "1.2.2", "1.2.3"]


def test_key_that_is_not_marked_exits_with_1_and_the_others_are_cleared(site: Site) -> None:
    result = site.retry(site.keys[1], site.keys[3])

    assert result.exit_code == 1
    assert f"No study of the key {site.keys[3]} is marked" in result.stderr
    assert "1.2.1" in site.ready()


def test_json_is_for_machines(site: Site) -> None:
    rows = json.loads(site.retry("--json").stdout)

    assert [row["study"] for row in rows] == [site.keys[1], site.keys[2]]
    assert {"study", "since", "reason"} == set(rows[0])


def test_what_was_cleared_is_written_down_without_the_error_that_others_may_have_written(site: Site) -> None:
    site.mark(1, "see Mr. Zylbermann")
    site.retry(site.keys[1])
    site.retry()

    file = site.folder / "data" / "runs" / "between_runs" / "events.jsonl"
    [event] = events_in(file)
    assert misfits([event]) == []
    assert (event["event"], event["study"]) == ("error_cleared", site.keys[1])
    assert "Zylbermann" not in file.read_text()


def test_error_that_can_not_be_written_down_as_cleared_is_not_cleared(site: Site) -> None:
    (site.folder / "data").mkdir()
    (site.folder / "data" / "runs").write_text("in the way")

    result = site.retry("--all")

    assert result.exit_code == 1
    assert "DATA_DIR/runs/between_runs can't be written" in result.stderr
    assert site.ready() == ["1.2.3"]
