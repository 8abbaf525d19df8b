"""Runs one engine over folders of files, in the engine's own environment, and writes down what it cost.

Every driver beside this file is a script: `python DRIVER.py JOB.json`. It knows one engine, imports nothing of
dicom_assets (but our own driver does), and hands `main` a way to de-identify one file.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Job = dict[str, Any]
Failed = dict[str, str]
"""File name to why the engine wrote nothing for it."""
Deidentify = Callable[[Path, Path], None]


def _nothing(source: Path, target: Path) -> None:
    """Most engines have nothing to do before and after."""


@dataclass(frozen=True)
class FolderEngine:
    """De-identifies the files of a folder into another, under the same names. Only `run` is timed."""

    run: Callable[[Path, Path], Failed]
    before: Callable[[Path, Path], None] = _nothing
    after: Callable[[Path, Path], None] = _nothing


def cpu_seconds() -> float:
    """CPU time of this process, all its threads and the children it has waited for."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def each_file(prepare: Callable[[Job], Deidentify]) -> Callable[[Job], FolderEngine]:
    """A way to do one file, made a way to do a folder; an engine that raises has failed on that file alone."""

    def prepare_folder(job: Job) -> FolderEngine:
        deidentify = prepare(job)

        def run(source: Path, target: Path) -> Failed:
            failed = {}
            for file in sorted(source.iterdir()):
                try:
                    deidentify(file, target / file.name)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # noqa: BLE001 - engines raise and exit as they please; others go on
                    failed[file.name] = type(error).__name__
                    (target / file.name).unlink(missing_ok=True)
            return failed

        return FolderEngine(run)

    return prepare_folder


def main(prepare_folder: Callable[[Job], FolderEngine]) -> None:
    """Warm up, then do each folder of the job and write `{folder: {cpu_seconds, files, failed}}`."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    job = json.loads(Path(sys.argv[1]).read_text())
    engine = prepare_folder(job)
    _do(engine, job["warm_up"])
    results = {task["name"]: _do(engine, task) for task in job["tasks"]}
    Path(job["result"]).write_text(json.dumps(results))


def _do(engine: FolderEngine, task: dict[str, str]) -> dict[str, Any]:
    source, target = Path(task["source"]), Path(task["target"])
    target.mkdir(parents=True)
    engine.before(source, target)
    begun = cpu_seconds()
    failed = engine.run(source, target)
    spent = cpu_seconds() - begun
    engine.after(source, target)
    return {"cpu_seconds": spent, "files": sum(1 for _ in source.iterdir()), "failed": failed}
