"""Worker processes outlive neither their run nor its sudden end."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.adapters.registration import NoRegistration
from dicom_assets.adapters.study_store import FinishedStage, FolderStudyStore
from dicom_assets.defs.workers import worker_processes
from dicom_assets.deidentification import shipped_profile
from dicom_assets.errors import StudyError
from dicom_assets.steps.deidentify_batch import DeidentificationSettings
from dicom_assets.steps.deidentify_study import deidentify_study
from dicom_assets.steps.manifests import StageOutcome
from dicom_assets.study import Stage
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.deployment import SECRET
from dicom_assets_tests.waiting import wait_until

PARENT = """
import os, sys, time
import pytest

from dicom_assets.defs.workers import worker_processes
with worker_processes(2) as executor:
    print(executor.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" not in status.read_text()  # a zombie only waits to be counted


def test_workers_are_other_processes_and_gone_afterwards() -> None:
    with worker_processes(1) as executor:
        pid = executor.submit(os.getpid).result()
        assert pid != os.getpid()

    wait_until(lambda: not is_alive(pid), "the worker's end")


def test_workers_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_alive(worker)
        parent.kill()

    wait_until(lambda: not is_alive(worker), "the worker's end")


def test_death_of_one_worker_is_not_the_end_of_the_others_work() -> None:
    with worker_processes(2) as executor:
        doomed = executor.submit(os._exit, 1)
        with pytest.raises(BrokenProcessPool):
            doomed.result()

        assert executor.submit(os.getpid).result() != os.getpid()


@dataclass(frozen=True, slots=True)
class DeadlyStage(FinishedStage):
    """A pulled study on which worker processes die, for as long as there are lives to take."""

    lives: Path = Path()

    def open(self, name: str) -> BinaryIO:
        left = sorted(self.lives.iterdir())
        if left:
            left[0].unlink()
            os._exit(1)
        return FinishedStage.open(self, name)


def deidentify_a_deadly_study(site: Site, lives: Path) -> StageOutcome:
    """De-identify a study that was pulled before, on a worker process."""
    environment = site.deployment.environment
    store = FolderStudyStore(site.deployment.data / "studies")
    key = site.deployment.study_key(site.study().study_uid)
    pulled = store.finished(key, Stage.PULLED)
    assert pulled is not None
    settings = DeidentificationSettings(
        profile=shipped_profile("basic"),
        secret=SECRET.encode(),
        uid_root="2.25",
        allowed_modalities=frozenset({"CT", "MR"}),
    )
    with (
        worker_processes(1) as executor,
        closing(IdentityDatabase.open(environment["IDENTITY_DB_URL"], SECRET.encode())) as identity_db,
    ):
        return deidentify_study(
            key,
            DeadlyStage(pulled.path, lives),
            settings=settings,
            identity_db=identity_db,
            registration=NoRegistration(),
            store=store,
            executor=executor,
            refresh=True,
            progress=lambda _done, _total: None,
        )


@pytest.mark.parametrize("number_of_lives", [1, 2])
def test_study_whose_worker_dies_is_tried_once_more(make_site: SmallSite, tmp_path: Path, number_of_lives: int) -> None:
    site = make_site((5,))
    site.deployment.execute({"publish": False})
    lives = tmp_path / "lives"
    lives.mkdir()
    for number in range(number_of_lives):
        (lives / str(number)).touch()

    if number_of_lives == 1:
        assert deidentify_a_deadly_study(site, lives).facts["instances"] == site.study().publishable
    else:
        with pytest.raises(StudyError, match="died on this study twice"):
            deidentify_a_deadly_study(site, lives)
