"""`dicom-assets summary` over files of any kind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydicom.data import get_testdata_file

from dicom_assets.adapters.folder_summary import summarize, value_rows
from dicom_assets.cli import main
from dicom_assets_tests.corpus import CORPUS, corpus_files
from dicom_assets_tests.small_studies import instance_with, small_study, write_files

STUDY, OTHER = small_study(71, "of one patient"), small_study(72, "of another")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "deep" / "down").mkdir(parents=True)
    write_files(STUDY, folder)
    write_files(OTHER, folder / "deep" / "down")
    return folder


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["summary", str(folder), *arguments])


def report_of(folder: Path) -> dict[str, object]:
    result = run(folder, "--json")
    assert result.exit_code == 0, result.output
    report: dict[str, object] = json.loads(result.stdout)
    return report


def rows(folder: Path, attribute: str) -> dict[str, tuple[int, int, int]]:
    values = report_of(folder)["values"]
    assert isinstance(values, list)
    return {
        row["value"]: (row["studies"], row["series"], row["instances"])
        for row in values
        if row["attribute"] == attribute
    }


def test_unique_values_are_counted_by_study_series_and_instance(folder: Path) -> None:
    assert rows(folder, "Modality") == {"CT": (2, 2, 6), "MR": (2, 2, 4)}
    assert rows(folder, "SeriesDescription") == {"Thorax": (2, 2, 6), "Heart": (2, 2, 4)}
    assert len(rows(folder, "PatientName")) == len(rows(folder, "PatientID")) == 2
    assert rows(folder, "SOPClassUID")["CT Image Storage"] == (2, 2, 6)


def test_everything_is_counted_and_what_is_no_instance_is_said(folder: Path) -> None:
    (folder / "empty").touch()
    (folder / "notes.txt").write_text("This is no DICOM file, whatever it looks like." * 10)
    (folder / "cut.dcm").write_bytes(next(folder.glob("*.dcm")).read_bytes()[:200])
    (folder / "DICOMDIR").write_bytes(Path(str(get_testdata_file("DICOMDIR"))).read_bytes())
    os.mkfifo(folder / "pipe")

    report = report_of(folder)

    counts = {name: report[name] for name in ("files", "unreadable", "no_instance", "patients", "studies", "series")}
    assert counts == {"files": 14, "unreadable": 3, "no_instance": 1, "patients": 2, "studies": 2, "series": 4}
    assert report["instances"] == 10
    assert "3 unreadable, 1 no instance" in run(folder).stderr


def test_one_attribute_alone_can_be_asked_for(folder: Path) -> None:
    lines = run(folder, "--only", "Modality").stdout.splitlines()

    assert lines == ["Modality\tCT\t2\t2\t6", "Modality\tMR\t2\t2\t4"]
    assert run(folder, "--only", "Nonsense").exit_code == 2


def test_values_can_not_command_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "odd.dcm").write_bytes(instance_with(STUDY, SeriesDescription="[bold]x[/nothing] \x7f \u202e"))

    output = run(tmp_path, "--only", "SeriesDescription").stdout

    assert "[bold]x[/nothing]" in output
    assert "\x7f" not in output
    assert "\u202e" not in output


def test_help_says_that_identifiers_are_printed() -> None:
    assert "PRINTS IDENTIFIERS" in CliRunner().invoke(main, ["summary", "--help"]).output


def test_folder_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert run(tmp_path / "nowhere").exit_code == 2


def test_progress_is_told_while_files_are_listed_and_read(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []

    summarize(folder, lambda what, done, total: told.append((what, done, total)))

    assert ("listing files", 10, 0) in told
    assert told[-1] == ("reading headers", 10, 10)


@pytest.mark.skipif(not corpus_files(), reason="the corpus of real files is not here")
def test_every_file_of_the_corpus_is_counted() -> None:
    found = summarize(CORPUS, lambda *_: None)

    known = corpus_files()
    assert {file.study_uid for file in known if file.study_uid} <= found.studies
    names = {row["value"] for row in value_rows(found) if row["attribute"] == "Modality"}
    assert {file.modality for file in known if file.modality} <= names
    assert found.instances + found.no_instance + found.unreadable == found.files
