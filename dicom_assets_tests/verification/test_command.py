"""`dicom-assets verify` as a person types it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dicom_assets.cli import main
from dicom_assets_tests.verification.folders import Folders


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


def test_sound_folder_passes_with_exit_code_0(sound_folders: Folders) -> None:
    result = run(sound_folders.source, sound_folders.dest, "--report", sound_folders.report, "--without-iod")

    assert result.exit_code == 0
    assert result.output.splitlines()[0] == "3 DICOM files in SOURCE, 3 in DEST, 3 paired; 0 findings"
    outcomes = {line.split()[0]: line.split()[1] for line in result.output.splitlines()[2:]}
    assert outcomes == {
        **dict.fromkeys(("pairing", "leaks", "UIDs", "objects", "method"), "passed"),
        **dict.fromkeys(("IOD", "intervals"), "skipped"),
    }


def test_findings_are_shown_up_to_a_limit_and_end_with_exit_code_1(folders: Folders, tmp_path: Path) -> None:
    folders.edit_all(lambda ds: setattr(ds, "StudyDescription", "Zweistein"))
    arguments = (folders.source, folders.dest, "--without-iod")

    limited, everything = run(*arguments, "--limit", "1"), run(*arguments, "--all")
    machine = run(*arguments, "--json")

    assert limited.exit_code == everything.exit_code == machine.exit_code == 1
    assert "leaks: person name of the source (3)" in limited.output
    assert "and 2 more places; --all shows them" in limited.output
    assert everything.output.count("(0008,1030) StudyDescription") == 3
    checks = {check["check"]: check for check in json.loads(machine.stdout)["checks"]}
    assert [finding["place"] for finding in checks["leaks"]["findings"]] == ["(0008,1030) StudyDescription"] * 3
    assert checks["UIDs"]["outcome"] == "passed"
    assert checks["IOD"]["remarks"] == ["switched off"]
    assert "zweistein" not in (limited.output + everything.output + json.dumps(checks)).casefold()


def test_what_the_command_deidentify_made_passes_with_its_report(sound_folders: Folders, tmp_path: Path) -> None:
    dest, report = tmp_path / "dest", tmp_path / "report.jsonl"
    (tmp_path / "secret").write_text("a secret of more than sixteen bytes")
    identity = ("--identity-db", f"sqlite:///{tmp_path / 'identity.db'}", "--secret-file", str(tmp_path / "secret"))
    made = CliRunner().invoke(
        main, ["deidentify", str(sound_folders.source), str(dest), *identity, "--workers", "1", "--report", str(report)]
    )
    assert made.exit_code == 0, made.output

    result = run(sound_folders.source, dest, "--report", report)

    assert result.exit_code == 0, result.output
    assert "3 paired; 0 findings" in result.output


def what_a_terminal_gets(reader: int) -> Iterator[bytes]:
    """Everything that is written to a pseudo-terminal, until its last writer closes it."""
    while True:
        try:
            chunk = os.read(reader, 4096)
        except OSError:  # how Linux says that nobody writes any more
            return
        if not chunk:
            return
        yield chunk


def test_terminal_gets_a_table_and_a_progress_bar(sound_folders: Folders) -> None:
    program = "from dicom_assets.cli import main; main()"
    arguments = ["verify", str(sound_folders.source), str(sound_folders.dest), "--without-iod"]
    command = [sys.executable, "-c", program, *arguments]
    reader, writer = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stdout=writer, stderr=writer, env=environment) as process:
        os.close(writer)
        shown = b"".join(what_a_terminal_gets(reader)).decode()
    os.close(reader)

    assert process.returncode == 0
    assert "searching DEST" in shown
    assert re.search(r"│ leaks .*passed.*│ +3 files │ +0 │", shown)


def test_folder_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert run(tmp_path, tmp_path / "nowhere").exit_code == 2


@pytest.mark.parametrize("empty", ["source", "dest"])
def test_folder_without_dicom_files_does_not_pass(sound_folders: Folders, tmp_path: Path, empty: str) -> None:
    folders = {"source": sound_folders.source, "dest": sound_folders.dest, empty: tmp_path}

    result = run(folders["source"], folders["dest"])

    assert result.exit_code == 2
    assert f"{empty.upper()} holds no DICOM file" in result.output


def test_unreadable_report_is_wrong_usage(sound_folders: Folders, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    report.write_text("{")

    result = run(sound_folders.source, sound_folders.dest, "--report", report)

    assert result.exit_code == 2
    assert "line 1 of the report is not JSON" in result.output
