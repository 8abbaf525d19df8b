"""`dicom-assets identity` as a person types it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.cli import main
from dicom_assets.cli.identity import identity
from dicom_assets.study import PatientIdentity, StudyKey
from dicom_assets_tests.deidentification.builders import an_image
from dicom_assets_tests.deployment import REPOSITORY, SECRET
from dicom_assets_tests.legacy_identity import OldProgram

STUDY = "1.2.840.99999.1"
PATIENT = PatientIdentity("SENTINEL-1", "HOSPITAL")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "secret").write_text(SECRET)
    return {
        "IDENTITY_DB_URL": f"sqlite:///{tmp_path / 'identity.db'}",
        "IDENTITY_SECRET_FILE": str(tmp_path / "secret"),
        "IDENTITY_KEY_FILE": "",
    }


@pytest.fixture
def study_key(environment: dict[str, str]) -> StudyKey:
    """The key of the one study that is recorded."""
    with closing(IdentityDatabase.open(environment["IDENTITY_DB_URL"], SECRET.encode())) as identity_db:
        key = identity_db.study_key(STUDY)
        identity_db.record(key, PATIENT, {}, {"AccessionNumber": {"SENTINEL-A": ""}})
    return key


def run(environment: dict[str, str], *arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, ["identity", *arguments], env=environment, input=typed)


def an_old_file(folder: Path) -> Path:
    program = OldProgram(folder / "legacy.db")
    program.anonymize(an_image(AccessionNumber="SENTINEL-A9"))
    return program.close()


@pytest.mark.parametrize("command", sorted(identity.commands))
def test_every_command_has_help_with_examples_and_exit_codes(command: str) -> None:
    said = run({}, command, "--help").output
    assert f"dicom-assets identity {command}" in said.partition("Examples:")[2]
    assert "Exits 0" in said


def test_help_of_the_group_says_what_exit_codes_mean() -> None:
    said = " ".join(run({}, "--help").output.split())
    assert "exit with 0 where all is well, 1 where something was found" in said


def test_lookup_answers_in_rows_and_json(environment: dict[str, str], study_key: StudyKey) -> None:
    rows = run(environment, "lookup", "SENTINEL-A", "--reason", "audit")
    assert (rows.exit_code, rows.output) == (0, f"AccessionNumber\tSENTINEL-A\t\t{study_key}\t\trecorded\toriginal\n")
    found = run(environment, "lookup", study_key, "--attribute", "StudyKey", "--reason", "audit", "--json")
    assert [one["original"] for one in json.loads(found.output)] == [STUDY]


def test_lookup_takes_values_from_standard_input_and_exits_with_1_if_one_is_unknown(
    environment: dict[str, str], study_key: StudyKey
) -> None:
    result = run(environment, "lookup", "--reason", "audit", typed=f"{STUDY}\n\nSENTINEL-2\n")
    assert result.exit_code == 1
    assert result.stdout == f"StudyKey\t{STUDY}\t{study_key}\t{study_key}\t\trecorded\toriginal\n"
    assert result.stderr == "1 not found.\n"


@pytest.mark.parametrize(
    "arguments", [("lookup", "SENTINEL-A"), ("export", "all.db"), ("lookup", "x", "--reason", " ")]
)
@pytest.mark.usefixtures("study_key")
def test_without_a_reason_nothing_is_told(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    result = run(environment, *arguments)
    assert result.exit_code == 2
    assert "--reason" in result.output
    assert "SENTINEL-A" not in result.output
    assert run(environment, "access-log").exit_code == 1


@pytest.mark.usefixtures("study_key")
def test_access_log_tells_who_asked_and_who_asked_for_a_value(environment: dict[str, str]) -> None:
    run(environment, "lookup", "SENTINEL-A", "--reason", "first")
    run(environment, "lookup", "SENTINEL-1", "--reason", "second")
    everything = json.loads(run(environment, "access-log", "--json").output)
    assert [(one["action"], one["hits"], one["reason"]) for one in everything] == [
        ("lookup", 1, "first"),
        ("lookup", 1, "second"),
    ]
    (one,) = json.loads(run(environment, "access-log", "--json", "--of", "-", typed="SENTINEL-1\n").output)
    assert one["reason"] == "second"
    assert run(environment, "access-log", "--since", "2999-01-01").exit_code == 1


def test_import_reports_and_is_idempotent(environment: dict[str, str], tmp_path: Path) -> None:
    path = an_old_file(tmp_path)
    rehearsed = run(environment, "import", str(path), "--dry-run", "--json")
    first = run(environment, "import", str(path), "--json")
    again = run(environment, "import", str(path))
    assert [result.exit_code for result in (rehearsed, first, again)] == [0, 0, 0]
    assert rehearsed.output == first.output
    assert {row["table"]: row["new"] for row in json.loads(first.output)}["accessionnumber"] == 1
    assert "\tAccessionNumber\t0\t1\t0\t0\t" in again.output


def test_import_exits_with_1_for_conflicts_and_with_2_for_a_file_that_is_none(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = an_old_file(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO sopinstanceuid (original, cleaned) VALUES ('1.2.9', 'SENTINEL')")
    conflict = run(environment, "import", str(path))
    assert conflict.exit_code == 1
    assert "1 its replacement is no UID" in conflict.output
    (tmp_path / "none.db").write_text("SENTINEL")
    refused = run(environment, "import", str(path), str(tmp_path / "none.db"))
    assert refused.exit_code == 2
    assert "no SQLite database. Nothing was changed." in refused.stderr
    assert "SOPInstanceUID" in refused.stdout


@pytest.mark.usefixtures("study_key")
@pytest.mark.parametrize("kind", ["legacy", "csv", "json"])
def test_export_writes_a_file_and_replaces_none_unasked(environment: dict[str, str], tmp_path: Path, kind: str) -> None:
    arguments = ("export", str(tmp_path / "all"), "--format", kind, "--reason", "handover")
    assert run(environment, *arguments).exit_code == 0
    assert b"SENTINEL-A" in (tmp_path / "all").read_bytes()
    refused = run(environment, *arguments)
    assert refused.exit_code == 2
    assert "is there already" in refused.output
    assert run(environment, *arguments, "--force").exit_code == 0


@pytest.mark.usefixtures("study_key")
def test_check_and_stats(environment: dict[str, str]) -> None:
    checked = run(environment, "check", "--json")
    assert checked.exit_code == 0
    assert {one["outcome"] for one in json.loads(checked.output)} == {"passed"}
    assert "studies\t\t1\n" in run(environment, "stats").output
    with closing(sqlite3.connect(environment["IDENTITY_DB_URL"].removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE identity_value SET original = 'x'")
    failed = run(environment, "check")
    assert failed.exit_code == 1
    assert "row 1 (AccessionNumber) is not as it was recorded" in failed.output


@pytest.mark.parametrize("command", [("check",), ("stats",), ("access-log",), ("lookup", "x", "--reason", "audit")])
def test_where_there_is_no_database_none_is_made(
    environment: dict[str, str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    result = run(environment, *command)
    assert result.exit_code == 2
    assert "there is no identity database yet" in result.output
    assert not (tmp_path / "identity.db").exists()


@pytest.mark.usefixtures("study_key")
def test_a_rotation_says_what_to_set_and_is_done_once_that_is_set(environment: dict[str, str], tmp_path: Path) -> None:
    new = tmp_path / "secret.new"
    asked = run(environment, "rotate-secret", str(new), "--make")
    assert asked.exit_code == 2
    assert "--yes" in asked.output
    assert not new.exists()
    done = run(environment, "rotate-secret", str(new), "--make", "--yes")
    assert done.exit_code == 0
    assert f"IDENTITY_SECRET_FILE={new}" in done.output
    assert new.read_text().strip() not in done.output
    refused = run(environment, "check")
    assert refused.exit_code == 2
    assert "name the file of the one that is in force now" in refused.output
    after = environment | {"IDENTITY_SECRET_FILE": str(new)}
    assert run(after, "check", "--former-secret", str(tmp_path / "secret")).exit_code == 0
    assert "generation 2, in force" in run(after, "stats").output


@pytest.mark.usefixtures("study_key")
def test_encrypting_says_what_to_set_and_is_done_once_that_is_set(environment: dict[str, str], tmp_path: Path) -> None:
    assert run(environment, "encrypt", "--yes").exit_code == 2
    done = run(environment, "encrypt", str(tmp_path / "key"), "--make", "--yes")
    assert done.exit_code == 0
    assert f"IDENTITY_KEY_FILE={tmp_path / 'key'}" in done.output
    assert b"SENTINEL" not in (tmp_path / "identity.db").read_bytes()
    assert run(environment, "check").exit_code == 2
    after = environment | {"IDENTITY_KEY_FILE": str(tmp_path / "key")}
    assert run(after, "check").exit_code == 0
    assert run(after, "lookup", "SENTINEL-A", "--reason", "audit").exit_code == 0
    short = tmp_path / "short"
    short.write_text("too short")
    assert "NEW_KEY_FILE holds less than 32 bytes" in run(after, "encrypt", str(short), "--yes").output
    assert run(after, "encrypt", "--off", "--yes").exit_code == 0
    assert run(environment, "check").exit_code == 0


def test_other_commands_take_the_key_too(environment: dict[str, str], study_key: StudyKey, tmp_path: Path) -> None:
    run(environment, "encrypt", str(tmp_path / "key"), "--make", "--yes")
    after = environment | {"IDENTITY_KEY_FILE": str(tmp_path / "key")}
    assert CliRunner().invoke(main, ["studies"], env=after).output == f"{study_key}\t{STUDY}\n"
    (tmp_path / "in").mkdir()
    arguments = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]
    assert CliRunner().invoke(main, arguments, env=after).exit_code == 0
    refused = CliRunner().invoke(main, arguments, env=environment)
    assert refused.exit_code == 1
    assert "name the file of its key in IDENTITY_KEY_FILE" in refused.output


def test_default_issuer_is_declared_told_and_taken_back(environment: dict[str, str], study_key: StudyKey) -> None:
    assert study_key
    assert run(environment, "default-issuer").output == "\n"
    assert run(environment, "default-issuer", "HOSPITAL").exit_code == 0
    assert run(environment, "default-issuer").output == "HOSPITAL\n"
    assert run(environment, "default-issuer", "--none").exit_code == 0
    assert run(environment, "default-issuer").output == "\n"
    assert run(environment, "default-issuer", " ").exit_code == 2


def test_a_database_of_another_secret_exits_with_2(
    environment: dict[str, str], study_key: StudyKey, tmp_path: Path
) -> None:
    assert study_key
    shutil.copy(environment["IDENTITY_SECRET_FILE"], tmp_path / "kept")
    Path(environment["IDENTITY_SECRET_FILE"]).write_text("another secret of at least sixteen bytes")
    result = run(environment, "stats")
    assert result.exit_code == 2
    assert "Put the former secret back" in result.output


def test_the_page_for_operators_names_every_command_and_every_check(
    environment: dict[str, str], study_key: StudyKey
) -> None:
    page = (REPOSITORY / "docs" / "identity.md").read_text()
    commands = re.findall(
        r"^\| `([a-z-]+)` \|", page.partition("\n## Commands\n")[2].partition("\n## ")[0], re.MULTILINE
    )
    assert sorted(commands) == sorted(identity.commands)
    told = re.findall(r"^\| ([^|]+) \|", page.partition("\n## Check\n")[2], re.MULTILINE)
    assert study_key
    names = [one["check"].partition(",")[0] for one in json.loads(run(environment, "check", "--json").output)]
    assert told[1:] == names
