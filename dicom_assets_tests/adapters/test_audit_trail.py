"""A run's folder: true at every moment, and free of originals where anybody may read."""

from __future__ import annotations

import json
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_assets.adapters.audit_trail import RunFolder, latest_run
from dicom_assets.adapters.paced_writer import PacedWriter
from dicom_assets.errors import StorageError
from dicom_assets.study import ReviewedStudy, StudyKey
from dicom_assets_tests.event_schema import events_in
from dicom_assets_tests.small_disk import fill_up, make_read_only
from dicom_assets_tests.waiting import wait_until

KEY, OTHER = StudyKey("S000000000001"), StudyKey("S000000000002")
RUN_ID = "0f0e0d0c-0b0a-0908-0706-050403020100"


def a_study(**more: object) -> ReviewedStudy:
    values = {"study_uid": "1.2.3.4", "approved_at": datetime(2026, 1, 1, tzinfo=UTC), "version": "v"} | more
    return ReviewedStudy(**values)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, RUN_ID, {"limit": 10, "dry_run": "no"})


def finished(run: RunFolder, key: StudyKey, stage: str, **facts: object) -> None:
    run.event("stage_finished", key, {"stage": stage, "instances": 3, "seconds": 0.5, **facts})  # type: ignore[dict-item]


def overview(run: RunFolder) -> str:
    return (run.path / "overview.txt").read_text()


def test_folder_holds_the_files_that_the_old_pipelines_users_know(run: RunFolder) -> None:
    run.selected([(KEY, a_study())])
    run.finish()

    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert names >= {
        "overview.txt",
        "events.jsonl",
        "pull_output.txt",
        "anonymize_output.txt",
        "post_anon_output.txt",
        "push_output.txt",
        "reviewed_protocol_studies.txt",
        "found_protocol_studies.txt",
        "missing_protocol_studies.txt",
        "identified/studies_to_retrieve.txt",
        "identified/comments.txt",
    }


def test_originals_lie_in_the_locked_folder_alone(run: RunFolder) -> None:
    run.selected([(KEY, a_study(comments=("looks like Mr. Zylbermann",)))])
    run.trace(KEY, "ValueError: Zylbermann")
    finished(run, KEY, "pulled")

    assert stat.S_IMODE((run.path / "identified").stat().st_mode) == 0o700
    assert "1.2.3.4" in (run.path / "identified" / "studies_to_retrieve.txt").read_text()
    assert "Zylbermann" in (run.path / "identified" / "comments.txt").read_text()
    for file in (path for path in run.path.iterdir() if path.is_file()):
        assert "Zylbermann" not in file.read_text()
        assert "1.2.3.4" not in file.read_text()


def test_overview_of_a_run_that_was_killed_is_true_and_unfinished(run: RunFolder) -> None:
    finished(run, KEY, "pulled")

    assert "NOT FINISHED" in overview(run)
    assert KEY in overview(run)


def test_overview_tells_what_became_of_each_study(run: RunFolder) -> None:
    finished(run, KEY, "deidentified", quarantined_by_reason={"screen-save": 2})
    run.event("study_failed", OTHER, {"stage": "pulled", "reason": "The PACS is away."})
    run.left_out({"has PHI": 4, "excluded": 0}, [(KEY, "reviews 1, 2: has PHI")], waiting=7)
    counts = run.finish()

    assert (counts["deidentified"], counts["failed"]) == (1, 1)
    text = overview(run)
    assert "2 screen-save" in text
    assert f"{OTHER} at pulled: The PACS is away." in text
    assert "4 has PHI" in text
    assert "excluded" not in text
    assert "7 ready, beyond this run's limit" in text
    assert "reviews 1, 2: has PHI" in text
    assert "NOT FINISHED" not in text


def test_overview_has_studies_that_the_run_has_not_begun_and_those_under_way(run: RunFolder) -> None:
    run.selected([(KEY, a_study()), (OTHER, a_study())])
    run.event("stage_started", KEY, {"stage": "pulled"})

    lines = {line.split()[0]: line.split()[1:] for line in overview(run).splitlines() if line.startswith("S0")}
    assert lines == {KEY: ["under", "way", "-", "-", "-"], OTHER: ["-"] * 4}


def test_run_that_stops_says_why_and_keeps_to_what_it_said_first(run: RunFolder) -> None:
    run.stopped("The canary is lost.")
    run.stopped("Something else.")

    assert "NOT FINISHED, stopped: The canary is lost." in overview(run)
    assert [event["event"] for event in events_in(run.path / "events.jsonl")].count("run_stopped") == 1


def test_run_that_finished_was_not_stopped(run: RunFolder) -> None:
    run.finish()
    run.stopped("Somebody ended the run.")

    assert "stopped" not in overview(run)


def test_study_that_stood_already_is_up_to_date(run: RunFolder) -> None:
    run.event("stage_skipped", KEY, {"stage": "pulled", "instances": 3})

    assert run.finish()["up_to_date"] == 1
    assert "3 (stood)" in overview(run)


def test_protocol_series_that_were_reviewed_but_not_found_are_missing(run: RunFolder) -> None:
    run.selected([(KEY, a_study(has_protocol_series=True)), (OTHER, a_study(has_protocol_series=True))])
    finished(run, KEY, "deidentified", protocol_series_instances=1)
    finished(run, OTHER, "deidentified", protocol_series_instances=0)
    run.finish()

    lists = {name: (run.path / f"{name}_protocol_studies.txt").read_text().split() for name in ("found", "missing")}
    assert lists == {"found": [KEY], "missing": [OTHER]}
    assert OTHER in overview(run)


def test_protocol_series_of_a_study_that_nobody_looked_at_is_not_missing(run: RunFolder) -> None:
    run.selected([(KEY, a_study(has_protocol_series=True))])
    finished(run, KEY, "pulled")
    run.finish()

    assert (run.path / "missing_protocol_studies.txt").read_text() == ""


def test_events_are_one_json_object_a_line(run: RunFolder) -> None:
    finished(run, KEY, "pulled")

    first, second = (json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines())
    assert first["event"] == "run_started"
    assert second.items() >= {"event": "stage_finished", "study": KEY, "stage": "pulled", "instances": 3}.items()


def test_text_that_looks_like_markup_is_shown_as_it_is(run: RunFolder) -> None:
    run.event("study_failed", KEY, {"stage": "pulled", "reason": "see [bold]docs[/bold] and [/nothing]"})

    assert "see [bold]docs[/bold] and [/nothing]" in overview(run)


def test_latest_run_is_the_one_that_started_last(tmp_path: Path) -> None:
    assert latest_run(tmp_path) is None
    runs = [RunFolder(tmp_path, f"{number}0000000-0000", {}) for number in (9, 1)]

    assert latest_run(tmp_path) == runs[1].path


def test_data_dir_that_can_not_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where a folder should be")

    with pytest.raises(StorageError, match="DATA_DIR"):
        RunFolder(tmp_path, RUN_ID, {})


def test_folder_that_was_removed_is_not_made_again_in_silence(run: RunFolder) -> None:
    shutil.rmtree(run.path)

    with pytest.raises(StorageError, match=r"\(ENOENT\).*removed while it was written to"):
        finished(run, KEY, "pulled")
    assert not run.path.exists()


def test_events_that_were_removed_are_not_begun_anew(run: RunFolder) -> None:
    (run.path / "events.jsonl").unlink()

    with pytest.raises(StorageError, match="ENOENT"):
        finished(run, KEY, "pulled")


def test_line_that_a_full_disk_cuts_short_leaves_nothing_of_it(small_disk: Path) -> None:
    run = RunFolder(small_disk, RUN_ID, {})
    filler = fill_up(small_disk)
    with pytest.raises(StorageError, match=r"\(ENOSPC\): the disk is full"):
        run.event("study_failed", KEY, {"stage": "pulled", "reason": "x" * 100_000})
    filler.unlink()
    finished(run, KEY, "pulled")
    run.finish()

    events = events_in(run.path / "events.jsonl")
    assert [event["event"] for event in events] == ["run_started", "stage_finished", "run_finished"]
    assert not list(run.path.glob(".*.tmp"))


def test_file_system_that_became_read_only_says_so(small_disk: Path) -> None:
    run = RunFolder(small_disk, RUN_ID, {})
    make_read_only(small_disk)
    try:
        with pytest.raises(StorageError, match=r"\(EROFS\): its file system is read-only"):
            finished(run, KEY, "pulled")
    finally:
        make_read_only(small_disk, read_only=False)
    finished(run, KEY, "pulled")

    assert overview(run).count(KEY) == 1


def test_page_that_can_not_be_written_is_told_by_the_next_event(tmp_path: Path) -> None:
    written: list[int] = []

    def write() -> None:
        written.append(1)
        raise StorageError("no room")

    page = PacedWriter(write, at_once=False)
    page.soon()
    wait_until(lambda: written, "the first writing")

    def is_told() -> bool:
        try:
            page.soon()
        except StorageError:
            return True
        return False

    wait_until(is_told, "the problem")


def test_page_is_written_once_for_many_events_in_its_pause_and_at_the_end_at_once() -> None:
    written: list[int] = []
    page = PacedWriter(lambda: written.append(1), pause_seconds=3600, at_once=False)

    for _ in range(100):
        page.soon()
    page.now()
    page.now()

    assert len(written) == 2


def test_risks_that_a_person_took_stand_at_the_head_and_among_the_events(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, RUN_ID, {}, {"in the profile, keep (0008,1030)": "the ethics board allows it"})
    run.finish()

    assert "Risk accepted in the profile, keep (0008,1030): the ethics board allows it" in overview(run)
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    [taken] = [event for event in events if event["event"] == "risk_accepted"]
    assert taken["what"] == "in the profile, keep (0008,1030)"
