"""Contenders in turn over the same workload, each with an empty research PACS, for so many rounds."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.job.orthanc import TUNED, Pacs, Tuning, running_orthanc
from benchmarks.job.processes import RunFailedError, children_cpu_seconds
from benchmarks.job.scene import Contender, Facts, Nodes, Scene
from benchmarks.job.workloads import Workload, files

Say = Callable[[str], None]
READ_BYTES = 1 << 20


@dataclass(slots=True)
class Run:
    """One run of one contender. `cpu_seconds` are of the client's programs, those of the PACSs not among them."""

    tuning: str
    workload: str
    contender: str
    round: int
    instances: int
    size_bytes: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    problem: str = ""
    facts: Facts = field(default_factory=Facts)

    @property
    def per_second(self) -> float:
        """Instances a second."""
        return self.instances / self.seconds

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


@dataclass(frozen=True)
class Rounds:
    """What is the same for all workloads of a benchmark. Scratch is `home`."""

    home: Path
    nodes: Nodes
    rounds: int
    dicomweb: bool
    keep: bool
    say: Say

    def measure(self, workload: Workload, contenders: Sequence[Contender], tunings: Sequence[Tuning]) -> list[Run]:
        """Every contender's runs, between PACSs of each tuning.

        Raises:
            RunFailedError: the staging PACS could not be filled.
        """
        home = self.home / workload.name.replace(" ", "-")
        self.say(f"{workload.name}: {workload.sentence}")
        size = workload.write(home / "corpus")
        with self._staging(home, TUNED, keep=True) as staging:
            staging.load(files(home / "corpus"))
            if staging.count() != workload.instances:
                raise RunFailedError("the staging PACS does not hold the corpus")
        runs: list[Run] = []
        for tuning in tunings:
            with self._staging(home, tuning, keep=self.keep or tuning is not tunings[-1]):
                _read_all(home / "corpus")
                _read_all(home / "staging")
                for number in range(self.rounds):
                    shift = number % len(contenders)
                    for contender in [*contenders[shift:], *contenders[:shift]]:
                        run = Run(tuning.name, workload.name, contender.name, number + 1, workload.instances, size)
                        self._run(home, workload, tuning, contender, run)
                        runs.append(run)
        if not self.keep:
            shutil.rmtree(home)
        return runs

    def _staging(self, home: Path, tuning: Tuning, *, keep: bool) -> AbstractContextManager[Pacs]:
        nodes, more = self.nodes, {"dicomweb": self.dicomweb, "keep": keep}
        return running_orthanc(nodes.staging, home / "staging", tuning, nodes.destinations, **more)

    def _research(self, folder: Path, tuning: Tuning) -> AbstractContextManager[Pacs]:
        nodes, more = self.nodes, {"dicomweb": self.dicomweb, "keep": self.keep}
        return running_orthanc(nodes.research, folder / "research", tuning, nodes.destinations, **more)

    def _run(self, home: Path, workload: Workload, tuning: Tuning, contender: Contender, run: Run) -> None:
        folder = home / f"{tuning.name}-{run.round}-{''.join(c if c.isalnum() else '-' for c in contender.name)}"
        (folder / "run").mkdir(parents=True)
        scene = Scene(folder / "run", home / "corpus", workload, tuning, self.nodes)
        nodes = self.nodes
        try:
            with (
                self._research(folder, tuning),
                contender.prepared(scene) as work,
            ):
                _time(work, run)
                arrived = nodes.research.count() if run.facts.instances is None else run.facts.instances
            if arrived != workload.instances:
                raise RunFailedError(f"{arrived} of {workload.instances} instances arrived")
        except RunFailedError as error:
            run.problem = str(error)
        if not self.keep:
            _empty(folder)
        self.say(f"  {tuning.name}, round {run.round}, {run.contender}: {_outcome(run)}")


def _time(work: Callable[[], Facts], run: Run) -> None:
    # Nobody pays for what others left to be written.
    os.sync()
    cpu, begun = children_cpu_seconds(), time.perf_counter()
    try:
        run.facts = work()
    finally:
        run.seconds = time.perf_counter() - begun
        run.cpu_seconds = children_cpu_seconds() - cpu


def _outcome(run: Run) -> str:
    return f"failed: {run.problem}" if run.problem else f"{run.per_second:.1f} instances/s, {run.seconds:.1f} s"


def _empty(folder: Path) -> None:
    """Give the disk back what a run wrote, but delete nothing before the end of the workload.

    For minutes after files were deleted, ext4 looks through all of them whenever it makes a new one: whoever comes
    next would pay for it.
    """
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            os.truncate(file, 0)


def _read_all(folder: Path) -> None:
    """Have all of it in the page cache: a cold disk would be measured, once."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb", buffering=0) as content:
                while content.read(READ_BYTES):
                    pass
