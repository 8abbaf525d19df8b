"""The runs as Markdown tables."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from benchmarks.job.rounds import Run
from benchmarks.job.workloads import Workload

WHOLE_JOB, SCALE = "whole job", "scale"
"""Parts of the README that a run writes, each between two comments."""

EDGES = ("start_seconds", "end_seconds")
"""Of a run: until its first event, and from its last."""

COLUMNS = (
    "who",
    "instances/s",
    "MB/s",
    "seconds",
    "ours / theirs",
    "client CPU ms per instance",
    "peak memory MiB",
    "Dagster's start and end s",
)
SCALE_COLUMNS = (
    "who",
    "instances",
    "seconds",
    "ms per instance",
    "the same without Dagster's start and end",
    "client CPU ms per instance",
    "peak memory MiB",
)


@dataclass(frozen=True, slots=True)
class Conditions:
    """When and on what it was measured; no host's name."""

    day: str
    python: str
    cores: int
    rounds: int
    orthanc: str

    def sentence(self) -> str:
        """All of it."""
        rounds = f"the median of {self.rounds} rounds" if self.rounds > 1 else "one round"
        return (
            f"Measured on {self.day} with Python {self.python} and Orthanc {self.orthanc} on {self.cores} cores, which "
            f"both PACSs share with who is measured; {rounds}."
        )


def conditions(rounds: int, orthanc: str) -> Conditions:
    """Today's."""
    today = date.today().isoformat()  # noqa: DTZ011 - the day is for people
    return Conditions(today, platform.python_version(), os.cpu_count() or 1, rounds, orthanc)


def whole_job(runs: Sequence[Run], workloads: Sequence[Workload], under: Conditions, absent: Sequence[str]) -> str:
    """A table for each workload and tuning; our first line is what the others are compared with."""
    parts = [under.sentence()]
    for workload in workloads:
        for tuning in dict.fromkeys(run.tuning for run in runs):
            some = [run for run in runs if (run.workload, run.tuning) == (workload.name, tuning)]
            parts += [] if not some else [f"**{workload.name}, {tuning}**: {workload.sentence}", _table(some)]
    return "\n\n".join(parts + _failures(runs) + _absences(absent))


def scale(runs: Sequence[Run], under: Conditions) -> str:
    """How time and memory grow with the number of instances in one study."""
    rows = [[name, *_scale_cells(good)] for name, good in _groups(runs, lambda run: (run.contender, run.instances))]
    return "\n\n".join([under.sentence(), _markdown(SCALE_COLUMNS, rows, left=1), *_failures(runs)])


def _table(runs: Sequence[Run]) -> str:
    ours = next((run.contender for run in runs if run.contender.startswith("dicom_assets")), "")
    base = {run.round: run.seconds for run in runs if run.contender == ours and not run.problem}
    rows = [[name, *_cells(good, base)] for name, good in _groups(runs, lambda run: (run.contender, 0))]
    return _markdown(COLUMNS, rows, left=1)


def _groups(runs: Iterable[Run], key: Callable[[Run], tuple[str, int]]) -> list[tuple[str, list[Run]]]:
    """Who, and the runs that did what they should."""
    groups: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).extend([] if run.problem else [run])
    return [(name, good) for (name, _), good in groups.items()]


def _cells(good: Sequence[Run], base: dict[int, float]) -> list[str]:
    if not good:
        return ["failed", *[""] * (len(COLUMNS) - 2)]
    seconds = statistics.median(run.seconds for run in good)
    ratios = [run.seconds / base[run.round] for run in good if run.round in base]
    return [
        _rate(good[0].instances / seconds),
        _rate(good[0].size_bytes / seconds / 1e6),
        f"{seconds:.1f}",
        f"{statistics.median(ratios):.2f}" if ratios else "",
        _cpu(good),
        _memory(good),
        " + ".join(filter(None, (_median((getattr(run.facts, name) for run in good), "{:.1f}") for name in EDGES))),
    ]


def _scale_cells(good: Sequence[Run]) -> list[str]:
    if not good:
        return ["failed", *[""] * (len(SCALE_COLUMNS) - 2)]
    instances = good[0].instances
    edges = {id(run): sum(getattr(run.facts, name) or 0.0 for name in EDGES) for run in good}
    without = (1000 * (run.seconds - edges[id(run)]) / instances for run in good)
    return [
        str(instances),
        _median((run.seconds for run in good), "{:.1f}"),
        _median((1000 * run.seconds / instances for run in good), "{:.2f}"),
        _median(without, "{:.2f}"),
        _cpu(good),
        _memory(good),
    ]


def _cpu(good: Sequence[Run]) -> str:
    # Orthanc's own work and the floor's are not done by programs of a client.
    return _median((1000 * run.cpu_seconds / run.instances or None for run in good), "{:.1f}")


def _rate(value: float) -> str:
    """Three digits or so."""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _memory(good: Sequence[Run]) -> str:
    peaks = [run.facts.peak_bytes for run in good if run.facts.peak_bytes]
    return f"{max(peaks) / 2**20:.0f}" if peaks else ""


def _median(values: Iterable[float | None], pattern: str) -> str:
    known = [value for value in values if value is not None]
    return pattern.format(statistics.median(known)) if known else ""


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    marks = ["---"] * left + ["---:"] * (len(columns) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, marks, *rows))


def _failures(runs: Sequence[Run]) -> list[str]:
    failed = [
        f"- {run.workload}, {run.tuning}, round {run.round}, {run.contender}: {run.problem}"
        for run in runs
        if run.problem
    ]
    return ["Failed:", "\n".join(failed)] if failed else []


def _absences(absent: Sequence[str]) -> list[str]:
    return ["Not measured:", "\n".join(f"- {one}" for one in absent)] if absent else []
