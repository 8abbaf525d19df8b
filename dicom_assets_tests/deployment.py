"""A whole deployment in a folder: two real PACSs on loopback, databases, an instance of Dagster."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from dicom_assets.adapters.audit_trail import latest_run
from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.definitions import SETTINGS
from dicom_assets.defs.build import build_definitions
from dicom_assets.defs.settings import build_resources
from dicom_assets.demo.databases import create_research_db, create_review_db
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.study import STAGES, StudyKey

REPOSITORY = Path(__file__).resolve().parent.parent
JOB = "publish_reviewed_studies"
OP = "advance_studies"
COPY_JOB = "copy_published_studies_to_production"
OPS = {JOB: OP, COPY_JOB: "copy_published_studies"}
ONE_WORKER = {JOB: {"workers": 1}, COPY_JOB: {}}
APPROVED_AT = datetime(2026, 1, 1)  # naive, as Django writes it
SECRET = "0123456789abcdef0123456789abcdef"


PORTS_OF_A_PROCESS = 1500
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12
_ports = itertools.cycle(range(11_000 + _worker * PORTS_OF_A_PROCESS, 11_000 + (_worker + 1) * PORTS_OF_A_PROCESS))
for _ in range(os.getpid() % PORTS_OF_A_PROCESS):
    next(_ports)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on.

    Below those that systems hand out by themselves, and none that another process of the same tests may choose: what
    is free now is still free when a server gets to it.
    """
    for port in itertools.islice(_ports, PORTS_OF_A_PROCESS):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")


@dataclass
class Deployment:
    """Settings as an operator would make them, and the ways in."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return Path(self.environment["DATA_DIR"])

    def set(self, **settings: object) -> None:
        self.environment |= {name: str(value) for name, value in settings.items()}

    def definitions(self) -> dg.Definitions:
        settings = SETTINGS | self.environment
        return build_definitions(build_resources(lambda name, kind: kind(settings[name])))

    def instance(self) -> dg.DagsterInstance:
        home = Path(self.environment["DAGSTER_HOME"])
        return dg.DagsterInstance.from_config(str(home))

    def execute(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        partition: str | None = None,
        stages: Sequence[str] = (),
        job: str = JOB,
    ) -> dg.ExecuteInProcessResult:
        """Run a job in this process, as a run of this deployment's instance; with one worker unless told otherwise.

        A worker takes half a second to start; runs by command have as many as there are processors, as an operator's.
        """
        config = ONE_WORKER[job] | dict(config or {})
        with self.instance() as instance:
            return (
                self.definitions()
                .resolve_job_def(job)
                .execute_in_process(
                    run_config=self._run_config(config, job),
                    instance=instance,
                    partition_key=partition,
                    asset_selection=[dg.AssetKey(stage) for stage in stages] or None,
                    raise_on_error=False,
                )
            )

    def materialize(
        self, asset: str, partition: str, config: Mapping[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run one asset for one partition, as the web interface does."""
        with self.instance() as instance:
            return (
                self.definitions()
                .resolve_implicit_global_asset_job_def()
                .execute_in_process(
                    run_config={"ops": {asset: {"config": dict(config or {})}}},
                    instance=instance,
                    partition_key=partition,
                    asset_selection=[dg.AssetKey(asset)],
                    raise_on_error=False,
                )
            )

    def job_command(
        self, config: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None, job: str = JOB
    ) -> list[str]:
        """`dagster job execute` as an operator would type it."""
        command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "dicom_assets.definitions", "-j", job]
        if config:
            file = self.folder / "run.yaml"
            file.write_text(yaml.safe_dump(self._run_config(config, job)))
            command += ["-c", str(file)]
        return command + (["--tags", json.dumps(dict(tags))] if tags else [])

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.process_environment(), cwd=self.folder, text=True, capture_output=True)

    def process_environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    @staticmethod
    def _run_config(config: Mapping[str, Any] | None, job: str) -> dict[str, Any]:
        return {"ops": {OPS[job]: {"config": dict(config or {})}}}

    def run_folder(self) -> Path:
        folder = latest_run(self.data)
        assert folder is not None, "there was no run"
        return folder

    def overview(self) -> str:
        return (self.run_folder() / "overview.txt").read_text()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run_folder() / "events.jsonl").read_text().splitlines()]

    def study_key(self, study_uid: str) -> StudyKey:
        database = IdentityDatabase.open_for_dry_run(self.environment["IDENTITY_DB_URL"], SECRET.encode())
        try:
            return database.study_key(study_uid)
        finally:
            database.close()

    def materialized(self) -> dict[str, set[str]]:
        with self.instance() as instance:
            return {str(stage): instance.get_materialized_partitions(dg.AssetKey(stage)) for stage in STAGES}

    def approve(self, study_uids: Iterable[str], *, first_id: int = 1001, at: datetime = APPROVED_AT) -> None:
        """Add each study to the review database with one approving review."""
        study = {"requested": 1, "exclude": 0, "image_published": 0, "high_risk_flag": 0}
        review = {"user_id": 1, "has_phi": 0, "has_reconstruction": 0, "relevant": 1, "exclude": 0}
        stamps = {"created": at.isoformat(sep=" "), "modified": at.isoformat(sep=" ")}
        with closing(sqlite3.connect(self.folder / "review.db")) as connection:
            columns = {row[1] for row in connection.execute("PRAGMA table_info(staging_radiologystudy)")}
            links = {name: 1 for name in ("patient_id", "encounter_id") if name in columns}
            for number, uid in enumerate(study_uids, start=first_id):
                row = {"id": number, "original_study_uid": uid, "accession_no": f"{number}", **study, **links, **stamps}
                _insert(connection, "staging_radiologystudy", row)
                row = {"id": number, "study_id": number, "has_protocol_series": 0, **review, **stamps}
                _insert(connection, "staging_radiologystudyreview", row)
            connection.commit()

    def sql(self, database: str, statement: str) -> None:
        """Change a database behind the product's back."""
        with closing(sqlite3.connect(self.folder / f"{database}.db")) as connection:
            connection.execute(statement)
            connection.commit()

    def forget_dagster(self) -> None:
        """Lose everything that Dagster knows, partitions excepted."""
        home = Path(self.environment["DAGSTER_HOME"])
        with self.instance() as instance:
            keys = instance.get_dynamic_partitions("studies")
        for folder in ("storage", "history", "schedules"):
            shutil.rmtree(home / folder, ignore_errors=True)
        with self.instance() as instance:
            instance.add_dynamic_partitions("studies", keys)

    def study_row(self, study_uid: str) -> sqlite3.Row:
        with closing(sqlite3.connect(self.folder / "review.db")) as connection:
            connection.row_factory = sqlite3.Row
            row: sqlite3.Row = connection.execute(
                "SELECT * FROM staging_radiologystudy WHERE original_study_uid = ?", [study_uid]
            ).fetchone()
            return row


def _insert(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    marks = ", ".join("?" for _ in row)
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def deploy(folder: Path, studies: Sequence[DemoStudy], **settings: object) -> Deployment:
    """Databases for the studies, an instance of Dagster and all settings but where the PACSs are."""
    home = folder / "dagster"
    home.mkdir(parents=True)
    shutil.copy(REPOSITORY / "dagster.yaml", home / "dagster.yaml")
    secret = folder / "secret"
    secret.write_text(SECRET)
    urls = {name: f"sqlite:///{folder / name}.db" for name in ("review", "identity", "research")}
    create_review_db(urls["review"], studies)
    create_research_db(urls["research"], studies)
    deployment = Deployment(folder)
    deployment.set(
        STAGING_PACS_AE_TITLE="STAGING",
        STAGING_PACS_HOST="127.0.0.1",
        STAGING_PACS_PORT=1,
        STAGING_PACS_PROTOCOL="c-get",
        RESEARCH_PACS_AE_TITLE="RESEARCH",
        RESEARCH_PACS_HOST="127.0.0.1",
        RESEARCH_PACS_PORT=2,
        RESEARCH_PACS_PROTOCOL="c-store",
        LOCAL_AE_TITLE="DICOM_ASSETS",
        LOCAL_HOST="127.0.0.1",
        LOCAL_PORT=free_port(),
        PACS_RETRY_SECONDS=1,
        REVIEW_DB_URL=urls["review"],
        IDENTITY_DB_URL=urls["identity"],
        RESEARCH_DB_URL=urls["research"],
        REGISTRATION_HOOK="research_database",
        DEIDENTIFICATION_PROFILE="basic",
        UID_ROOT="2.25",
        DATA_DIR=folder / "data",
        IDENTITY_SECRET_FILE=secret,
        DAGSTER_HOME=home,
    )
    deployment.set(**settings)
    return deployment


def files_holding(folder: Path, needles: Mapping[str, bytes], ignore: Callable[[Path], bool]) -> list[str]:
    """Which needle is in which file below a folder; needles are named so that a failure quotes no value."""
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and not ignore(path)):
        content = file.read_bytes()
        found += [f"{name} in {file.relative_to(folder)}" for name, needle in needles.items() if needle in content]
    return found
