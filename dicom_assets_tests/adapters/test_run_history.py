"""What runs and commands left, read back."""

from __future__ import annotations

import json
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_assets.adapters.audit_trail import RunFolder
from dicom_assets.adapters.between_runs import BetweenRuns
from dicom_assets.adapters.run_history import past_runs, story_of
from dicom_assets.errors import StorageError
from dicom_assets.study import ReviewedStudy, StudyKey
from dicom_assets_tests.event_schema import events_in, misfits
from dicom_assets_tests.small_disk import make_read_only

KEY = StudyKey("S0123456789AB")


def selected(data_dir: Path, run_id: str, version: str) -> RunFolder:
    run = RunFolder(data_dir, run_id, {})
    run.selected([(KEY, ReviewedStudy("1.2.3", datetime(2026, 1, 1, tzinfo=UTC), version))])
    return run


def test_review_that_changed_between_two_runs_is_part_of_the_story(tmp_path: Path) -> None:
    for run_id, version in (("11111111", "one"), ("22222222", "one"), ("33333333", "other")):
        selected(tmp_path, run_id, version).finish()

    story = [(run[-8:], event.name) for run, event in story_of(tmp_path, KEY)]

    assert story == [
        ("11111111", "study_selected"),
        ("22222222", "study_selected"),
        ("33333333", "review_changed"),
        ("33333333", "study_selected"),
    ]


def test_what_was_done_by_command_is_part_of_the_story_in_its_place(tmp_path: Path) -> None:
    selected(tmp_path, "11111111", "one")
    BetweenRuns(tmp_path).event("error_cleared", KEY, {"by": "somebody"})
    selected(tmp_path, "22222222", "one")

    story = story_of(tmp_path, KEY)

    assert [(run[-8:], event.name) for run, event in story] == [
        ("11111111", "study_selected"),
        ("een_runs", "error_cleared"),
        ("22222222", "study_selected"),
    ]
    assert story[1][1].facts["by"] == "somebody"


def test_commands_of_many_threads_are_whole_lines_that_fit_the_schema(tmp_path: Path) -> None:
    def work() -> None:
        log = BetweenRuns(tmp_path)
        for _ in range(10):
            log.event("images_purged", KEY, {"by": "me", "stage": "published", "bytes": 10, "forced": "no"})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    events = events_in(tmp_path / "runs" / "between_runs" / "events.jsonl")
    assert len(events) == 40
    assert misfits(events) == []


def test_log_that_can_not_be_written_says_so_before_anything_is_done(small_disk: Path) -> None:
    make_read_only(small_disk)
    try:
        with pytest.raises(StorageError, match=r"DATA_DIR/runs/between_runs can't be written \(EROFS\)"):
            BetweenRuns(small_disk).require_writable()
    finally:
        make_read_only(small_disk, read_only=False)


def test_events_of_another_version_are_not_guessed_at(tmp_path: Path) -> None:
    run = selected(tmp_path, "11111111", "one")
    event = {"version": 2, "at": "2026-01-01T00:00:00+00:00", "event": "study_selected", "study": KEY}
    with (run.path / "events.jsonl").open("a") as file:
        file.write(json.dumps(event) + "\n")

    with pytest.raises(StorageError, match="another version of dicom_assets"):
        story_of(tmp_path, KEY)


def test_events_without_a_version_are_of_the_first_one(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "run_at_20250101T000000Z_00000000"
    folder.mkdir(parents=True)
    event = {"at": "2025-01-01T00:00:00+00:00", "event": "run_started", "limit": 10}
    (folder / "events.jsonl").write_text(json.dumps(event) + "\n")

    [run] = past_runs(tmp_path)

    assert run.settings == {"limit": 10}
    assert run.state == "not finished"


def test_run_that_was_killed_before_its_first_event_is_listed(tmp_path: Path) -> None:
    (tmp_path / "runs" / "run_at_20250101T000000Z_00000000").mkdir(parents=True)

    assert [run.state for run in past_runs(tmp_path)] == ["not finished"]


def test_what_happened_between_runs_is_for_its_owner_alone_and_reasons_lie_apart(tmp_path: Path) -> None:
    log = BetweenRuns(tmp_path)
    log.event("error_cleared", KEY, {"by": "me"})
    log.reason(KEY, "me", "Mr. Zylbermann\tasked for it")

    assert stat.S_IMODE(log.path.stat().st_mode) == stat.S_IMODE((log.path / "identified").stat().st_mode) == 0o700
    assert stat.S_IMODE((log.path / "events.jsonl").stat().st_mode) == 0o600
    assert (log.path / "identified" / "reasons.txt").read_text().endswith(f"\t{KEY}\tme\tMr. Zylbermann asked for it\n")
