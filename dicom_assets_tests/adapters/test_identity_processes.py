"""Many processes, and processes that are killed, leave one identity database that hangs together."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random

import pytest

from dicom_assets.adapters import databases
from dicom_assets.adapters.identity_db.integrity import check_integrity
from dicom_assets.adapters.identity_db.verdict import Outcome
from dicom_assets.errors import ConfigurationError, TransientError
from dicom_assets.study import PatientIdentity
from dicom_assets_tests.adapters.builders import engine_for, sqlite_file
from dicom_assets_tests.adapters.identity_builders import dry, execute, ledger_of, opened
from dicom_assets_tests.adapters.identity_processes import meet_at, record_studies, uids_of
from dicom_assets_tests.deployment import REPOSITORY

PROCESSES, STUDIES = 8, 9


def test_eight_processes_that_meet_the_same_studies_at_once_agree_about_all_of_them(database_url: str) -> None:
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload([record_studies.__module__])
    orders = [Random(seed).sample(range(STUDIES), STUDIES) for seed in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, forking, meet_at, (forking.Barrier(PROCESSES),)) as pool:
        jobs = [pool.submit(record_studies, database_url, order) for order in orders]
        told = [job.result(120) for job in jobs]
    assert all(one == told[0] for one in told)
    assert len({pseudonym for pseudonym, _ in told[0].values()}) == STUDIES / 3
    assert len({new_uid for _, new_uid in told[0].values()}) == STUDIES
    everything = {uid for study in range(STUDIES) for uid in uids_of(study)} | set(uids_of(STUDIES)[:5]) | {"1.2.999"}
    assert len(opened(database_url).replacements(everything)) == len(everything)
    assert execute(database_url, "SELECT count(*) FROM identity_value") == [(2 * STUDIES,)]
    # Each UID is that of the study which it names something in, whichever was recorded first.
    lost = "SELECT count(*) FROM identity_uid WHERE level IS NULL"
    assert execute(database_url, lost) == [(1 + len(uids_of(STUDIES)[:5]),)]
    with ledger_of(database_url) as ledger:
        assert {one.outcome for one in check_integrity(ledger)} == {Outcome.PASSED}


def test_a_process_killed_in_the_midst_of_a_transaction_leaves_what_was_before_it(database_url: str) -> None:
    command = [sys.executable, "-m", record_studies.__module__, database_url]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the midst of it\n"
        process.kill()
    identity_db = opened(database_url)
    assert len(identity_db.replacements(uids_of(1))) == len(uids_of(1))
    assert identity_db.replacements(uids_of(2)) == {}
    assert [study.original_study_uid for study in identity_db.studies()] == ["1.2.1", "1.2.2"]
    assert execute(database_url, "SELECT original_id FROM identity_patient") == [("MRN-1",)]
    assert execute(database_url, "SELECT original FROM identity_value") == [("A-1",)]
    # Nothing is in the way of the next one.
    key = identity_db.study_key("1.2.2")
    assert identity_db.record(key, PatientIdentity("MRN-2"), {"1.2.2": "2.25.2"}, {}) == {"1.2.2": "2.25.2"}
    with ledger_of(database_url) as ledger:
        failed = [one.name for one in check_integrity(ledger) if one.outcome is Outcome.FAILED]
    assert failed == ["replacements are derived or imported"]  # 2.25.2, which is not


def test_a_database_without_the_right_to_write_is_told_in_words_and_can_be_read(
    new_postgresql_url: Callable[[], str],
) -> None:
    url = new_postgresql_url()
    key = opened(url).study_key("1.2.3")
    read_only = f"{url}%20-cdefault_transaction_read_only%3Don"
    with pytest.raises(ConfigurationError, match=r"IDENTITY_DB_URL.*read-only.*ReadOnlySqlTransaction"):
        opened(read_only).study_key("1.2.4")
    assert dry(read_only).study_key("1.2.3") == key


def test_a_database_that_another_process_keeps_locked_is_waited_for_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_SECONDS", 0.05)
    url = f"sqlite:///{tmp_path / 'identity.db'}"
    identity_db = opened(url)
    with engine_for(url).connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match=r"is busy: .*OperationalError SQLITE_BUSY"):
            identity_db.study_key("1.2.3")
        assert identity_db.find_key("1.2.3") is None
    assert identity_db.study_key("1.2.3")


@pytest.mark.parametrize("open_", [opened, dry])
def test_a_damaged_file_is_told_in_words(tmp_path: Path, open_: Callable[[str], object]) -> None:
    url = f"sqlite:///{tmp_path / 'identity.db'}"
    opened(url).close()
    file = sqlite_file(url)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises((ConfigurationError, TransientError), match="IDENTITY_DB_URL"):
        open_(url)
