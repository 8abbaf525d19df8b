"""The demo's home folder: what lies where in it, and the environment that makes the product use it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dicom_assets
from dicom_assets.demo.databases import create_research_db, create_review_db
from dicom_assets.demo.objects import instance_file
from dicom_assets.demo.pacs_index import instance_path, write_instance
from dicom_assets.demo.plan import DemoStudy

HOST = "127.0.0.1"
STAGING_AE_TITLE = "STAGING"
RESEARCH_AE_TITLE = "RESEARCH"
LOCAL_AE_TITLE = "DICOM_ASSETS"
SECRET_BYTES = 32
INSTANCE_SETTINGS = "telemetry:\n  enabled: false\n"


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of the demo: both PACSs, and ours for what a C-MOVE sends."""

    staging: int = 11140
    research: int = 11141
    local: int = 11142


@dataclass(frozen=True, slots=True)
class DemoHome:
    """Paths under the demo's home folder."""

    folder: Path

    @property
    def staging(self) -> Path:
        """The staging PACS's instances, identified."""
        return self.folder / "staging"

    @property
    def research(self) -> Path:
        """The research PACS's instances."""
        return self.folder / "research"

    @property
    def data(self) -> Path:
        """`DATA_DIR`."""
        return self.folder / "data"

    @property
    def runs(self) -> Path:
        """Where the product writes a folder for each run."""
        return self.data / "runs"

    @property
    def dagster(self) -> Path:
        """`DAGSTER_HOME`."""
        return self.folder / "dagster"

    @property
    def secret(self) -> Path:
        """The secret that replacements are derived with."""
        return self.folder / "secret"

    @property
    def job_log(self) -> Path:
        """What the job wrote to standard output and standard error."""
        return self.folder / "job.log"

    @property
    def pacs_log(self) -> Path:
        """What the process of the two PACSs wrote."""
        return self.folder / "pacs.log"

    @property
    def pacs_process(self) -> Path:
        """The process id of the two PACSs, while they listen."""
        return self.folder / "pacs.pid"

    @property
    def pacs_lock(self) -> Path:
        """Held by the process of the two PACSs as long as it lives."""
        return self.folder / "pacs.lock"

    def database_url(self, name: str) -> str:
        """The SQLAlchemy URL of one of the demo's databases: review, research or identity."""
        return f"sqlite:///{self.folder / name}.db"


def demo_environment(home: Path, ports: Ports | None = None) -> dict[str, str]:
    """All environment variables that the product reads, set for the demo."""
    ports = ports or Ports()
    paths = DemoHome(home.resolve())
    return {
        "STAGING_PACS_AE_TITLE": STAGING_AE_TITLE,
        "STAGING_PACS_HOST": HOST,
        "STAGING_PACS_PORT": str(ports.staging),
        "STAGING_PACS_PROTOCOL": "c-get",
        "RESEARCH_PACS_AE_TITLE": RESEARCH_AE_TITLE,
        "RESEARCH_PACS_HOST": HOST,
        "RESEARCH_PACS_PORT": str(ports.research),
        # Nothing is retrieved from the research PACS: any DIMSE protocol here means C-STORE and C-FIND.
        "RESEARCH_PACS_PROTOCOL": "c-get",
        "LOCAL_AE_TITLE": LOCAL_AE_TITLE,
        "LOCAL_HOST": HOST,
        "LOCAL_PORT": str(ports.local),
        "REVIEW_DB_URL": paths.database_url("review"),
        "IDENTITY_DB_URL": paths.database_url("identity"),
        "RESEARCH_DB_URL": paths.database_url("research"),
        "REGISTRATION_HOOK": "research_database",
        "DATA_DIR": str(paths.data),
        "UID_ROOT": "2.25",
        "IDENTITY_SECRET_FILE": str(paths.secret),
        "DAGSTER_HOME": str(paths.dagster),
    }


def prepare(home: DemoHome, studies: Sequence[DemoStudy], progress: Callable[[int], None] = lambda _: None) -> None:
    """Make what is not there yet: folders, secret, databases and the staging PACS's instances.

    `progress` is told of each instance that is in place, so that it adds up to `instances_to_prepare`.
    """
    furnish(home, studies)
    for study in studies:
        if study.in_staging:
            fill(home.staging, study, progress)


def furnish(home: DemoHome, studies: Sequence[DemoStudy]) -> None:
    """Make what is not there yet of all but the images."""
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in (home.staging, home.research, home.data, home.dagster):
        folder.mkdir(exist_ok=True)
    (home.folder / ".gitignore").write_text("*\n")
    _write_secret(home.secret)
    _write_instance_settings(home.dagster)
    create_review_db(home.database_url("review"), studies)
    create_research_db(home.database_url("research"), studies)


def fill(folder: Path, study: DemoStudy, progress: Callable[[int], None] = lambda _: None) -> None:
    """Write a study's missing instances into the folder of an embedded PACS that is not running."""
    for series in study.series:
        for index, sop_uid in enumerate(series.sop_uids):
            if not instance_path(folder, sop_uid).exists():
                write_instance(folder, sop_uid, instance_file(study, series, index))
            progress(1)


def instances_to_prepare(studies: Sequence[DemoStudy]) -> int:
    """How many instances the staging PACS holds when it is prepared."""
    return sum(study.instances for study in studies if study.in_staging)


def _write_secret(path: Path) -> None:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(SECRET_BYTES) + "\n")


def _write_instance_settings(folder: Path) -> None:
    """Use the settings that come with the repository, where the package lies in one."""
    settings = Path(dicom_assets.__file__).parents[1] / "dagster.yaml"
    if settings.is_file():
        shutil.copyfile(settings, folder / "dagster.yaml")
    elif not (folder / "dagster.yaml").exists():
        (folder / "dagster.yaml").write_text(INSTANCE_SETTINGS)
