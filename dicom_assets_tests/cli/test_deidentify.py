"""`dicom-assets deidentify` as a person types it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest
from click.testing import CliRunner, Result

from dicom_assets.cli import main
from dicom_assets_tests.deidentification.builders import REQUIRED, an_image, an_instance, as_file

STUDY = REQUIRED["StudyInstanceUID"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two slices of one study in a folder of their own, as a person keeps them."""
    folder = tmp_path / "identified"
    for number in (1, 2):
        put(folder / "head" / f"slice{number}.dcm", SOPInstanceUID=f"1.2.826.0.1.99.1.1.{number}")
    return folder


def put(path: Path, **attributes: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_file(an_image(**attributes)))


def run(tmp_path: Path, *arguments: str | Path) -> Result:
    environment = {
        "IDENTITY_DB_URL": f"sqlite:///{tmp_path / 'identity.db'}",
        "IDENTITY_SECRET_FILE": str(tmp_path / "secret"),
    }
    return CliRunner().invoke(main, ["deidentify", "--workers", "1", *map(str, arguments)], env=environment)


def report_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()][1:]


def files_below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_tree_stays_and_files_are_named_by_their_new_uid(tmp_path: Path, source: Path) -> None:
    result = run(tmp_path, source, tmp_path / "out")

    assert result.exit_code == 0, result.output
    written = files_below(tmp_path / "out")
    assert len(written) == 2
    for name in written:
        ds = pydicom.dcmread(tmp_path / "out" / name)
        assert name == f"head/{ds.SOPInstanceUID}.dcm"
        assert ds.PatientIdentityRemoved == "YES"
        assert ds.StudyInstanceUID != STUDY


def test_running_again_writes_the_same_bytes(tmp_path: Path, source: Path) -> None:
    run(tmp_path, source, tmp_path / "out")
    run(tmp_path, source, tmp_path / "again")

    assert files_below(tmp_path / "out") == files_below(tmp_path / "again") != {}


def test_every_file_is_in_the_report_and_quarantine_fails_nothing(tmp_path: Path, source: Path) -> None:
    put(source / "us" / "one.dcm", Modality="US", StudyInstanceUID="1.2.826.0.1.99.2", SOPInstanceUID="1.2.3.4.5")
    (source / "notes.txt").write_text("the patient was here")

    result = run(
        tmp_path, source, tmp_path / "out", "--quarantine", tmp_path / "held", "--report", tmp_path / "r.jsonl"
    )

    assert result.exit_code == 0, result.output
    report = {line["source"]: line for line in report_of(tmp_path / "r.jsonl")}
    assert set(report) == set(files_below(source))
    assert report["us/one.dcm"]["reason"] == "modality-not-allowed"
    assert report["notes.txt"]["reason"] == "unreadable"
    assert {report[f"head/slice{n}.dcm"]["output"] for n in (1, 2)} == set(files_below(tmp_path / "out"))
    assert set(files_below(tmp_path / "held")) == {"us/one.dcm", "notes.txt"}
    assert (tmp_path / "r.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_read_fails_alone(tmp_path: Path, source: Path) -> None:
    (source / "head" / "gone.dcm").symlink_to(source / "nowhere")

    result = run(tmp_path, source, tmp_path / "out", "--report", tmp_path / "r.jsonl")

    assert result.exit_code == 1
    outcomes = {line["source"]: line["outcome"] for line in report_of(tmp_path / "r.jsonl")}
    assert outcomes == {"head/gone.dcm": "failed", "head/slice1.dcm": "written", "head/slice2.dcm": "written"}


def test_a_study_of_two_patients_fails_alone(tmp_path: Path, source: Path) -> None:
    for number in (1, 2):
        put(
            source / "mixed" / f"{number}.dcm",
            StudyInstanceUID="1.2.826.0.1.99.7",
            SOPInstanceUID=f"1.2.826.0.1.99.7.{number}",
            PatientID=f"MRN-{number}",
        )

    result = run(tmp_path, source, tmp_path / "out", "--report", tmp_path / "r.jsonl")

    assert result.exit_code == 1
    failed = [line for line in report_of(tmp_path / "r.jsonl") if line["outcome"] == "failed"]
    assert {line["source"] for line in failed} == {"mixed/1.dcm", "mixed/2.dcm"}
    assert all("2 different Patient IDs" in line["detail"] for line in failed)
    assert {name.split("/")[0] for name in files_below(tmp_path / "out")} == {"head"}


def test_other_content_under_the_same_uid_is_kept_back(tmp_path: Path, source: Path) -> None:
    put(source / "head" / "slice3.dcm", SOPInstanceUID="1.2.826.0.1.99.1.1.1", PixelData=bytes(12))
    put(source / "head" / "slice4.dcm", SOPInstanceUID="1.2.826.0.1.99.1.1.2")

    result = run(tmp_path, source, tmp_path / "out", "--report", tmp_path / "r.jsonl")

    assert result.exit_code == 0, result.output
    report = {line["source"]: line for line in report_of(tmp_path / "r.jsonl")}
    assert report["head/slice3.dcm"]["reason"] == "conflicting-duplicate"
    assert report["head/slice4.dcm"]["outcome"] == "written"
    assert len(files_below(tmp_path / "out")) == 2


@pytest.mark.parametrize("known", [{}, {"PatientName": "UNKNOWN"}, {"PatientBirthDate": "19000101"}])
def test_studies_that_name_no_patient_are_patients_of_their_own(tmp_path: Path, known: dict[str, str]) -> None:
    for number in (1, 2):
        put(
            tmp_path / "in" / f"{number}.dcm",
            **{"PatientID": "", "PatientName": "", "PatientBirthDate": "", **known},
            StudyInstanceUID=f"1.2.826.0.1.99.8.{number}",
            SOPInstanceUID=f"1.2.826.0.1.99.8.{number}.1",
        )

    assert run(tmp_path, tmp_path / "in", tmp_path / "out").exit_code == 0

    assert len({pydicom.dcmread(path).PatientID for path in (tmp_path / "out").iterdir()}) == 2


@pytest.mark.parametrize(
    "folder",
    ["Zweistein_Albertine", "albertine", "MRN-4711-0815", "mrn47110815 CT", STUDY, "Ālbertine", "prior of ZWEISTEIN"],
)
def test_a_folder_named_after_a_patient_gets_another_name(tmp_path: Path, folder: str) -> None:
    put(tmp_path / "in" / "head" / folder / "one.dcm", SOPInstanceUID="1.2.826.0.1.99.1.1.7")
    # Another patient's file in the same folder tells as much.
    put(
        tmp_path / "in" / "head" / folder / "two.dcm",
        PatientName="Somebody^Else",
        PatientID="4",
        StudyInstanceUID="1.2.826.0.1.99.4",
        SOPInstanceUID="1.2.826.0.1.99.4.1",
    )

    result = run(tmp_path, tmp_path / "in", tmp_path / "out", "--report", tmp_path / "r.jsonl")

    assert result.exit_code == 0, result.output
    written = files_below(tmp_path / "out")
    [shown] = {name.split("/")[1] for name in written}
    assert re.fullmatch(r"F[0-9A-Z]{16}", shown)
    assert {name.split("/")[0] for name in written} == {"head"}
    assert {line["output"] for line in report_of(tmp_path / "r.jsonl")} == set(written)


def test_a_dry_run_writes_nothing_but_the_report(tmp_path: Path, source: Path) -> None:
    result = run(tmp_path, source, tmp_path / "out", "--dry-run", "--report", tmp_path / "r.jsonl")

    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {"identified", "r.jsonl"}
    assert all(line["outcome"] == "written" and line["output"] for line in report_of(tmp_path / "r.jsonl"))


@pytest.mark.parametrize("target", ["identified", "identified/out", "."])
def test_folders_in_one_another_are_refused(tmp_path: Path, source: Path, target: str) -> None:
    result = run(tmp_path, source, tmp_path / target)

    assert result.exit_code == 1
    assert "must not lie in one another" in result.output


def test_what_a_killed_run_left_unfinished_is_cleared_away(tmp_path: Path, source: Path) -> None:
    left = tmp_path / "out" / ".unfinished" / "old.dcm"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")

    assert run(tmp_path, source, tmp_path / "out").exit_code == 0

    assert not left.parent.exists()


def test_nothing_that_is_printed_tells_of_the_patient(tmp_path: Path, source: Path) -> None:
    result = run(tmp_path, source, tmp_path / "out")

    for text in ("Zweistein", "4711", STUDY):
        assert text not in result.output


def test_explain_names_rules_and_shows_no_value(tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(an_instance(StudyDescription="Knee of Zweistein"))

    result = run(tmp_path, "--explain", file)

    assert result.exit_code == 0, result.output
    assert "StudyDescription" in result.output
    assert "removed" in result.output
    assert "Zweistein" not in result.output
    assert list(tmp_path.iterdir()) == [file]


def test_explain_says_why_a_file_has_no_explanation(tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(b"hello")

    result = run(tmp_path, "--explain", file)

    assert result.exit_code == 1
    assert "not a readable DICOM file" in result.output


def test_folders_or_a_file_must_be_given(tmp_path: Path) -> None:
    assert run(tmp_path).exit_code == 2


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom dicom_assets.cli import main\n"
        "heavy = {'pydicom', 'dagster', 'sqlalchemy', 'numpy', 'rich', 'pynetdicom', 'loky'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_epoch_is_where_the_patients_earliest_study_of_the_folder_begins(tmp_path: Path) -> None:
    profile = tmp_path / "counted.yaml"
    profile.write_text(
        "name: counted\nversion: '1'\ndates: {epoch: 1970-01-01}\n"
        "options: [Retain Longitudinal Temporal Information with Modified Dates]\n"
    )
    for number, day in enumerate(["20240305", "20240301", "20240303"], start=1):
        study_uid = f"1.2.826.0.1.99.{number}"
        put(
            tmp_path / "in" / f"{number}.dcm",
            StudyInstanceUID=study_uid,
            SOPInstanceUID=f"{study_uid}.1",
            StudyDate=day,
        )

    result = run(tmp_path, tmp_path / "in", tmp_path / "out", "--profile", profile)

    assert result.exit_code == 0, result.output
    dates = {pydicom.dcmread(tmp_path / "out" / name).StudyDate for name in files_below(tmp_path / "out")}
    assert dates == {"19700101", "19700103", "19700105"}
