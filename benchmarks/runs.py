"""Runs engines over the corpus, each run a process of its own, and reads what they wrote."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import odd_files, references, rows
from benchmarks.ct_study import SIZE, write_ct_study
from benchmarks.engines import EngineSpec
from benchmarks.environments import Environment
from dicom_assets.deidentification.table import confidentiality_table

ROOT = Path(__file__).resolve().parents[1]
WARM_UP_FILES = 10
RUN_SECONDS = 1800

Say = Callable[[str], None]


class DriverError(Exception):
    """An engine's driver did not come to its end."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Folders of files: what to warm up on, the timed study, a file for each row, and the odd ones."""

    warm_up: Path
    study: Path
    rows: Path
    odd: Path
    cases: Sequence[rows.Case]
    rules: Path


def write_corpus(home: Path, *, slices: int = 300, size: int = SIZE, row_limit: int | None = None) -> Corpus:
    """Write the same corpus every time."""
    corpus = Corpus(
        home / "warm-up", home / "study", home / "rows", home / "odd", rows.cases(row_limit), home / "rules.json"
    )
    write_ct_study(corpus.warm_up, min(slices, WARM_UP_FILES), size=size, seed=1)
    write_ct_study(corpus.study, slices, size=size)
    rows.write_rows(corpus.rows, corpus.cases)
    odd_files.write_odd_files(corpus.odd)
    table = [(row.tag, row.keyword, row.vr, row.basic) for row in confidentiality_table().rows]
    corpus.rules.write_text(json.dumps(table))
    return corpus


@dataclass(slots=True)
class Measured:
    """What is known of an engine. Leaks and counts are of files and rows; `files_per_cpu_second` of the study."""

    name: str
    floor: bool = False
    version: str = ""
    python: str = ""
    problem: str = ""
    cpu_seconds: list[float] = field(default_factory=list)
    study_files: int = 0
    study_written: int = 0
    references_valid: int = 0
    references_removed: int = 0
    references_dangling: int = 0
    mapped_two_ways: int = 0
    same_uids_again: bool | None = None
    rows: int = 0
    rows_written: int = 0
    rows_leaking: int = 0
    rows_satisfied: int = 0
    places_below: int = 0
    places_below_satisfied: int = 0
    odd_files: int = 0
    odd_written: int = 0
    odd_leaking: int = 0
    unsatisfied: list[str] = field(default_factory=list)
    leaking: list[str] = field(default_factory=list)

    @property
    def files_per_cpu_second(self) -> float:
        """The study's files by the median of the repetitions; 0 without a measurement."""
        median = statistics.median(self.cpu_seconds) if self.cpu_seconds else 0.0
        return self.study_files / median if median else 0.0

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {**asdict(self), "files_per_cpu_second": round(self.files_per_cpu_second, 2)}


class Bench:
    """Engines over one corpus. Scratch is `home`; nothing of it is left behind but the corpus."""

    def __init__(self, home: Path, corpus: Corpus) -> None:
        self._home = home
        self._corpus = corpus
        self._numbers = count()
        self._uids: dict[str, tuple[str, ...]] = {}

    def judge_files(self, engine: EngineSpec, environment: Environment, measured: Measured) -> None:
        """Have the files beside the study de-identified, and judge them."""
        tasks = {"rows": self._corpus.rows, "odd": self._corpus.odd}
        scratch, _ = self._run(engine, environment, engine.row_variant or engine.variant, tasks)
        results = [rows.judge(case, scratch / "rows") for case in self._corpus.cases]
        below = [place for result in results for place in result.satisfied_below]
        measured.rows = len(results)
        measured.rows_written = sum(result.written for result in results)
        measured.rows_leaking = sum(result.leaks for result in results)
        measured.rows_satisfied = sum(result.satisfied_at_top for result in results)
        measured.places_below, measured.places_below_satisfied = len(below), sum(below)
        measured.unsatisfied = [r.tag for r in results if not (r.satisfied_at_top and all(r.satisfied_below))]
        odd = sorted((scratch / "odd").iterdir())
        leaking = [file.name for file in odd if odd_files.leaks(file)]
        measured.odd_files = len(list(self._corpus.odd.iterdir()))
        measured.odd_written, measured.odd_leaking = len(odd), len(leaking)
        measured.leaking = [result.tag for result in results if result.leaks] + leaking
        shutil.rmtree(scratch)

    def time_study(self, engine: EngineSpec, environment: Environment, measured: Measured) -> None:
        """One timed repetition; the first two are looked into, too."""
        scratch, results = self._run(engine, environment, engine.variant, {"study": self._corpus.study})
        measured.cpu_seconds.append(results["study"]["cpu_seconds"])
        measured.study_files = results["study"]["files"]
        if len(measured.cpu_seconds) <= 2 and not engine.floor:
            self._look_into(scratch / "study", engine, measured)
        shutil.rmtree(scratch)

    def _look_into(self, written: Path, engine: EngineSpec, measured: Measured) -> None:
        study = references.follow(self._corpus.study, written)
        measured.study_written = study.written
        measured.references_valid, measured.references_removed = study.valid, study.removed
        measured.references_dangling = study.dangling
        measured.mapped_two_ways = study.mapped_two_ways
        if engine.name in self._uids:
            measured.same_uids_again = self._uids[engine.name] == study.sop_instance_uids
        self._uids[engine.name] = study.sop_instance_uids

    def _run(
        self, engine: EngineSpec, environment: Environment, variant: str, sources: dict[str, Path]
    ) -> tuple[Path, dict[str, Any]]:
        scratch = self._home / f"run-{next(self._numbers)}"
        (scratch / "scratch").mkdir(parents=True)
        job = {
            "variant": variant,
            "program": environment.program,
            "rules": str(self._corpus.rules),
            "scratch": str(scratch / "scratch"),
            "result": str(scratch / "result.json"),
            "warm_up": {"source": str(self._corpus.warm_up), "target": str(scratch / "warm-up")},
            "tasks": [
                {"name": name, "source": str(source), "target": str(scratch / name)} for name, source in sources.items()
            ],
        }
        (scratch / "job.json").write_text(json.dumps(job))
        command = [environment.python, str(ROOT / "benchmarks" / "drivers" / engine.driver), str(scratch / "job.json")]
        surroundings = {**os.environ, "PYTHONPATH": str(ROOT) if not engine.requirement else ""}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=surroundings, cwd=scratch, timeout=RUN_SECONDS
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            shutil.rmtree(scratch)
            raise DriverError(last)
        return scratch, json.loads((scratch / "result.json").read_text())


def measure(engines: Sequence[tuple[EngineSpec, Environment, Measured]], bench: Bench, repeat: int, say: Say) -> None:
    """Judge every engine, then time them in turns, so that a busy moment of the machine hits no one alone."""
    for engine, environment, measured in engines:
        if not engine.floor:
            say(f"{engine.name}: rows and odd files")
            _attempt(lambda e=engine, v=environment, m=measured: bench.judge_files(e, v, m), measured)
    for repetition in range(repeat):
        for engine, environment, measured in engines:
            if not measured.problem:
                say(f"{engine.name}: study, repetition {repetition + 1} of {repeat}")
                _attempt(lambda e=engine, v=environment, m=measured: bench.time_study(e, v, m), measured)


def _attempt(step: Callable[[], None], measured: Measured) -> None:
    try:
        step()
    except (DriverError, subprocess.TimeoutExpired) as error:
        measured.problem = f"{type(error).__name__}: {error}"
