"""`dicom-assets runs` and `show` over folders that real runs leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dicom_assets.adapters.audit_trail import RunFolder
from dicom_assets.cli import main
from dicom_assets.study import Stage, StudyKey

STUDY = StudyKey("S4Q7K2M9X1B3T")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A run that was killed while it pulled, then one that pulled the study and failed to publish it."""
    killed = RunFolder(tmp_path, "11111111-aaaa", {"dry_run": "no"})
    killed.event("stage_started", STUDY, {"stage": Stage.PULLED})
    with (killed.path / "events.jsonl").open("a") as file:
        file.write('{"at": "2026-')
    finished = RunFolder(tmp_path, "22222222-bbbb", {"dry_run": "no"})
    finished.event("stage_progress", STUDY, {"stage": Stage.PULLED, "done": 1, "total": 2})
    finished.event("stage_finished", STUDY, {"stage": Stage.PULLED, "instances": 2, "rows": {"a": 1}})
    finished.event("study_failed", STUDY, {"stage": Stage.PUBLISHED, "reason": "The research PACS is away."})
    finished.finish()
    return tmp_path


def run(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"DATA_DIR": str(data_dir)})


def test_runs_are_listed_newest_last_and_a_killed_one_is_not_finished(data_dir: Path) -> None:
    rows = json.loads(run(data_dir, "runs", "--json").stdout)

    assert [row["state"] for row in rows] == ["not finished", "finished"]
    assert [row["run"][-8:] for row in rows] == ["11111111", "22222222"]
    assert (rows[1]["pulled"], rows[1]["published"], rows[1]["failed"]) == (1, 0, 1)


def test_last_runs_alone_can_be_listed(data_dir: Path) -> None:
    [line] = run(data_dir, "runs", "--last", "1").stdout.splitlines()

    assert "22222222" in line


def test_study_has_its_story_over_all_runs(data_dir: Path) -> None:
    lines = [line.split("\t") for line in run(data_dir, "show", STUDY).stdout.splitlines()]

    assert [(run_id, event) for _, run_id, event, _ in lines] == [
        ("11111111", "stage started"),
        ("22222222", "stage finished"),
        ("22222222", "study failed"),
    ]
    assert lines[1][3] == "stage pulled, instances 2, rows a=1"
    assert "The research PACS is away." in lines[2][3]


def test_part_of_a_name_shows_the_run(data_dir: Path) -> None:
    result = run(data_dir, "show", "22222222")

    assert result.exit_code == 0
    assert "Run 22222222-bbbb" in result.stdout
    assert "The research PACS is away." in result.stdout


def test_name_of_nothing_exits_with_1(data_dir: Path) -> None:
    result = run(data_dir, "show", "S000000000000")

    assert result.exit_code == 1
    assert "No run and no study" in result.output


def test_part_of_several_names_asks_for_more(data_dir: Path) -> None:
    result = run(data_dir, "show", "run_at_")

    assert result.exit_code == 1
    assert "2 runs have" in result.output


def test_changed_line_is_not_passed_over(data_dir: Path) -> None:
    [events] = [path for path in data_dir.glob("runs/*/events.jsonl") if "22222222" in str(path)]
    events.write_text("changed\n" + events.read_text())

    result = run(data_dir, "runs")

    assert result.exit_code == 1
    assert "line 1, is not an event" in result.output
