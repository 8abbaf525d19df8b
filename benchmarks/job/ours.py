"""Our job as an operator runs it: `dagster job execute` in a process of its own, with settings in its environment."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.job.orthanc import Node
from benchmarks.job.processes import Memory, Processes, RunFailedError
from benchmarks.job.scene import Facts, Nodes, Scene
from benchmarks.job.workloads import Workload
from dicom_assets.demo.databases import create_research_db, create_review_db
from dicom_assets.demo.plan import DemoStudy

REPOSITORY = Path(__file__).resolve().parents[2]
SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of invented people
COMMAND = (sys.executable, "-m", "dagster", "job", "execute", "-m", "dicom_assets.definitions")
JOB = ("-j", "publish_reviewed_studies", "-c", "run.yaml")


class OurJob:
    """The job `publish_reviewed_studies` over the review queue, by one of the protocols of the staging PACS."""

    def __init__(self, protocol: str, home: Path, settings: Mapping[str, str], note: str = "") -> None:
        """`home` is a DAGSTER_HOME that was used before; `settings` are environment variables beyond our own."""
        self.name = f"dicom_assets, {protocol}{note}"
        self._protocol = protocol
        self._home = home
        self._settings = settings

    def problem(self) -> str:
        """None: it is what this is all about."""
        return ""

    @contextmanager
    def prepared(self, scene: Scene) -> Iterator[Callable[[], Facts]]:
        """Fresh databases, data folder and secret, and a DAGSTER_HOME that knows of no study."""
        workload = scene.workload
        environment = _site(scene.folder, scene.nodes, self._protocol, workload.studies) | dict(self._settings)
        shutil.copytree(self._home, scene.folder / "dagster")
        _write_run_config(scene.folder, workload)
        with Processes(scene.folder / "job.log", environment) as processes:
            yield lambda: _run(scene.folder, processes)


def warm_home(folder: Path, nodes: Nodes, settings: Mapping[str, str]) -> Path:
    """A DAGSTER_HOME whose tables are made: the job has run once, over an empty review queue.

    Raises:
        RunFailedError: it did not succeed.
    """
    environment = _site(folder, nodes, "c-get", ()) | dict(settings)
    home = folder / "dagster"
    home.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    (folder / "run.yaml").write_text("{}\n")
    with Processes(folder / "job.log", environment) as processes:
        _run(folder, processes)
    return home


def _run(folder: Path, processes: Processes) -> Facts:
    launched, memory = time.time(), Memory()
    process = processes.start([*COMMAND, *JOB], folder)
    with memory.watching(process.pid):
        try:
            processes.finish(process, "dagster")
        except RunFailedError as error:
            raise RunFailedError(_reason(folder / "job.log") or str(error)) from None
    facts = Facts(peak_bytes=memory.peak_bytes, processes=memory.peak_processes)
    events = _events(folder / "data")
    if events:
        facts.start_seconds = _when(events[0]) - launched
        facts.end_seconds = time.time() - _when(events[-1])
    for event in events:
        if event["event"] == "stage_finished" and "seconds" in event:
            stage = str(event["stage"])
            facts.stages[stage] = facts.stages.get(stage, 0.0) + float(event["seconds"])
    return facts


def _reason(log: Path) -> str:
    """What the run failed of, as Dagster prints it ahead of a stack trace."""
    _, _, last = log.read_text(errors="replace").rpartition("Failure: ")
    return " ".join(last.partition("Stack Trace:")[0].split()) if "Stack Trace:" in last else ""


def _events(data: Path) -> list[dict[str, Any]]:
    lines = [line for file in data.glob("runs/*/events.jsonl") for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def _when(event: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def _write_run_config(folder: Path, workload: Workload) -> None:
    config = {"limit": workload.study_count, "modalities": [workload.image.modality]}
    (folder / "run.yaml").write_text(yaml.safe_dump({"ops": {"advance_studies": {"config": config}}}))


def _site(folder: Path, nodes: Nodes, protocol: str, studies: tuple[DemoStudy, ...]) -> dict[str, str]:
    """Databases in the folder, and the environment that names them; nothing of the surrounding one's settings."""
    folder.mkdir(parents=True, exist_ok=True)
    urls = {name: f"sqlite:///{folder / name}.db" for name in ("review", "identity", "research")}
    create_review_db(urls["review"], studies)
    create_research_db(urls["research"], studies)
    (folder / "secret").write_text(SECRET)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("STAGING_", "RESEARCH_"))}
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    return inherited | {
        **_pacs("STAGING_PACS", nodes.staging.node, nodes.staging.dicomweb_url),
        **_pacs("RESEARCH_PACS", nodes.research.node, nodes.research.dicomweb_url),
        "STAGING_PACS_PROTOCOL": protocol,
        "RESEARCH_PACS_PROTOCOL": "c-store",
        "LOCAL_AE_TITLE": nodes.ours.ae_title,
        "LOCAL_HOST": "127.0.0.1",
        "LOCAL_PORT": str(nodes.ours.port),
        "REVIEW_DB_URL": urls["review"],
        "IDENTITY_DB_URL": urls["identity"],
        "RESEARCH_DB_URL": urls["research"],
        "REGISTRATION_HOOK": "research_database",
        "DEIDENTIFICATION_PROFILE": "basic",
        "UID_ROOT": "2.25",
        "DATA_DIR": str(folder / "data"),
        "IDENTITY_SECRET_FILE": str(folder / "secret"),
        "DAGSTER_HOME": str(folder / "dagster"),
        "PYTHONPATH": os.pathsep.join(paths),
    }


def _pacs(prefix: str, node: Node, dicomweb_url: str) -> dict[str, str]:
    return {
        f"{prefix}_AE_TITLE": node.ae_title,
        f"{prefix}_HOST": "127.0.0.1",
        f"{prefix}_PORT": str(node.port),
        f"{prefix}_DICOMWEB_URL": dicomweb_url,
    }
