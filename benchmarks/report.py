"""The measurements as a Markdown table."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.engines import OURS
from benchmarks.runs import Measured

MEASURED, PROFILE = "measured", "profile"
"""Parts of the README that a run writes, each between two comments."""

COLUMNS = (
    "engine",
    "version",
    "Python",
    "files per CPU second",
    "ours / theirs",
    "leaking rows",
    "rows as asked, top",
    "as asked, nested",
    "odd files leaking",
    "references valid / removed / dangling",
    "UIDs mapped two ways",
    "same UIDs again",
)


@dataclass(frozen=True, slots=True)
class Conditions:
    """When and on what it was measured; no host's name."""

    day: str
    python: str
    cores: int
    repeat: int
    slices: int
    edition: str

    def sentence(self) -> str:
        """All of it."""
        return (
            f"Measured on {self.day} with Python {self.python} on {self.cores} cores; the median of {self.repeat} "
            f"interleaved repetitions over {self.slices} CT slices; Table E.1-1 of {self.edition}."
        )


def conditions(repeat: int, slices: int, edition: str) -> Conditions:
    """Today's."""
    today = date.today().isoformat()  # noqa: DTZ011 - the day is for people
    return Conditions(today, platform.python_version(), os.cpu_count() or 1, repeat, slices, edition)


def markdown(measurements: Sequence[Measured], measured_under: Conditions) -> str:
    """The table, under a sentence that says how it came about."""
    ours = next((m for m in measurements if m.name == OURS.name), None)
    lines = [_row(COLUMNS), _row(["---"] * 3 + ["---:"] * (len(COLUMNS) - 3))]
    lines += [_row(_cells(m, ours)) for m in measurements if not m.problem]
    missing = [f"- {m.name}: {m.problem}" for m in measurements if m.problem]
    return "\n".join([measured_under.sentence(), "", *lines, *(["", "Not measured:", "", *missing] if missing else [])])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio(m: Measured, ours: Measured | None) -> str:
    # Repetition by repetition, as the machine's load slows down all that run in the same one.
    pairs = zip(m.cpu_seconds, ours.cpu_seconds if ours is not None else [], strict=False)
    ratios = [theirs / own for theirs, own in pairs if own]
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def _cells(m: Measured, ours: Measured | None) -> list[str]:
    cells = [m.name, m.version, m.python, f"{m.files_per_cpu_second:.0f}", _ratio(m, ours)]
    if m.floor:
        return cells + [""] * (len(COLUMNS) - len(cells))
    again = {None: "", True: "yes", False: "no"}[m.same_uids_again]
    return [
        *cells,
        f"{m.rows_leaking} of {m.rows}",
        f"{m.rows_satisfied} of {m.rows}",
        f"{m.places_below_satisfied} of {m.places_below}",
        f"{m.odd_leaking} of {m.odd_written}, {m.odd_files - m.odd_written} refused",
        f"{m.references_valid} / {m.references_removed} / {m.references_dangling}",
        str(m.mapped_two_ways),
        again,
    ]


def write_readme(readme: Path, part: str, content: str) -> None:
    """Put `content` between the README's two comments for this part.

    Raises:
        ValueError: the comments are not there.
    """
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    before, found_begin, rest = readme.read_text().partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{readme.name} lacks the comments {begin} and {end}")
    readme.write_text(f"{before}{begin}\n{content}\n{end}{after}")
