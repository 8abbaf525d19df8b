"""`dicom-assets` as a person types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dicom_assets.adapters.audit_trail import RunFolder
from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.cli import main
from dicom_assets.study import StudyKey
from dicom_assets_tests.deployment import SECRET


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "secret").write_text(SECRET)
    return {
        "IDENTITY_DB_URL": f"sqlite:///{tmp_path / 'identity.db'}",
        "IDENTITY_SECRET_FILE": str(tmp_path / "secret"),
        "DATA_DIR": str(tmp_path),
    }


def issue(environment: dict[str, str], study_uid: str) -> StudyKey:
    database = IdentityDatabase.open(environment["IDENTITY_DB_URL"], SECRET.encode())
    try:
        return database.study_key(study_uid)
    finally:
        database.close()


def run(environment: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def test_studies_are_translated_both_ways(environment: dict[str, str]) -> None:
    key = issue(environment, "1.2.3.4")

    assert run(environment, "studies", key).output == f"{key}\t1.2.3.4\n"
    assert run(environment, "studies", "1.2.3.4").output == f"{key}\t1.2.3.4\n"
    assert run(environment, "studies").output == f"{key}\t1.2.3.4\n"


def test_unknown_study_exits_with_1_and_says_so(environment: dict[str, str]) -> None:
    issue(environment, "1.2.3.4")

    result = run(environment, "studies", "S000000000000")

    assert result.exit_code == 1
    assert "S000000000000" in result.output


def test_missing_secret_says_how_to_make_one(environment: dict[str, str]) -> None:
    Path(environment["IDENTITY_SECRET_FILE"]).unlink()

    result = run(environment, "studies")

    assert result.exit_code == 1
    assert "openssl rand -hex 32" in result.output


def test_latest_prints_the_newest_runs_folder(environment: dict[str, str], tmp_path: Path) -> None:
    assert run(environment, "latest").exit_code == 1
    folder = RunFolder(tmp_path, "00000000-0000", {})

    assert run(environment, "latest").output == f"{folder.path}\n"


@pytest.mark.parametrize("command", ["studies", "latest"])
def test_help_shows_examples(command: str) -> None:
    assert "Examples:" in run({}, command, "--help").output


def test_help_loads_nothing_heavy() -> None:
    program = "import sys, dicom_assets.cli; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert "dicom_assets.cli" in loaded
    assert not {"alembic", "dagster", "numpy", "pydicom", "pynetdicom", "rich", "sqlalchemy"} & set(loaded)
