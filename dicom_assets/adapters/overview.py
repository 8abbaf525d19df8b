"""The page that tells a run at a glance: what was pulled, quarantined, registered, published, left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO

from rich.console import Console
from rich.table import Table

from dicom_assets.study import STAGES, Stage, StudyKey

Fact = str | int | float | Mapping[str, int]
WIDTH_COLUMNS = 110


@dataclass(slots=True)
class _Line:
    """One study in the overview."""

    done: dict[Stage, Mapping[str, Fact]] = field(default_factory=dict)
    skipped: set[Stage] = field(default_factory=set)
    problem: str = ""
    busy: bool = False

    @property
    def is_up_to_date(self) -> bool:
        """Whether all stood already that was wanted."""
        return bool(self.done) and not self.problem and self.skipped >= self.done.keys()


@dataclass(slots=True)
class Overview:
    """What a run has done so far."""

    run_id: str
    started_at: datetime
    settings: Mapping[str, Fact]
    finished_at: datetime | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    conflicts: Mapping[StudyKey, str] = field(default_factory=dict)
    waiting: int = 0
    missing_protocol: Sequence[StudyKey] = ()
    _studies: dict[StudyKey, _Line] = field(default_factory=dict)

    def stage_done(self, study_key: StudyKey, stage: Stage, facts: Mapping[str, Fact], *, skipped: bool) -> None:
        """Note a stage that stands."""
        line = self._studies.setdefault(study_key, _Line())
        line.done[stage] = facts
        if skipped:
            line.skipped.add(stage)

    def failed(self, study_key: StudyKey, stage: str, reason: str, *, busy: bool) -> None:
        """Note a study that got no further."""
        line = self._studies.setdefault(study_key, _Line())
        line.problem = f"at {stage}: {reason}" if stage else reason
        line.busy = busy

    def counts(self) -> dict[str, int]:
        """Studies by how far they got in this run, and how many did not get through."""
        lines = self._studies.values()
        counts = {
            str(stage): sum(stage in line.done and stage not in line.skipped for line in lines) for stage in STAGES
        }
        counts["up_to_date"] = sum(line.is_up_to_date for line in lines)
        counts["failed"] = sum(bool(line.problem) and not line.busy for line in lines)
        counts["busy"] = sum(line.busy for line in lines)
        return counts

    def quarantined(self) -> Counter[str]:
        """Instances kept back, by reason."""
        total: Counter[str] = Counter()
        for line in self._studies.values():
            by_reason = line.done.get(Stage.DEIDENTIFIED, {}).get("quarantined_by_reason", {})
            if isinstance(by_reason, Mapping):
                total.update(by_reason)
        return total

    def render(self) -> str:
        """The overview as plain text."""
        console = Console(file=StringIO(), width=WIDTH_COLUMNS, color_system=None, legacy_windows=False)
        self._head(console)
        if self._studies:
            console.print(self._table())
        self._problems(console)
        self._rest(console)
        output = console.file
        assert isinstance(output, StringIO)  # noqa: S101  made three lines above
        return output.getvalue()

    def _head(self, console: Console) -> None:
        state = f"finished {self.finished_at:%Y-%m-%d %H:%M:%S} UTC" if self.finished_at else "NOT FINISHED"
        console.print(f"Run {self.run_id}, started {self.started_at:%Y-%m-%d %H:%M:%S} UTC, {state}")
        console.print("Settings: " + ", ".join(f"{name} {value}" for name, value in self.settings.items()))
        if self.settings.get("dry_run") == "yes":
            console.print("DRY RUN: nothing was changed anywhere; this is what would happen.")
        counts = self.counts()
        console.print("Studies: " + ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items()))
        if not self._studies and self.finished_at:
            console.print("Nothing was left to do.")

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="")
        for column in ("study", *STAGES):
            table.add_column(str(column), no_wrap=True)
        table.add_column("quarantined", overflow="fold")
        for study_key, line in sorted(self._studies.items()):
            kept_back = line.done.get(Stage.DEIDENTIFIED, {}).get("quarantined_by_reason", {})
            reasons = (
                ", ".join(f"{n} {reason}" for reason, n in kept_back.items()) if isinstance(kept_back, Mapping) else ""
            )
            table.add_row(study_key, *(self._cell(line, stage) for stage in STAGES), reasons)
        return table

    def _cell(self, line: _Line, stage: Stage) -> str:
        if stage not in line.done:
            return "-"
        facts = line.done[stage]
        return f"{facts.get('instances', 0)} (stood)" if stage in line.skipped else str(facts.get("instances", 0))

    def _problems(self, console: Console) -> None:
        problems = {key: line.problem for key, line in sorted(self._studies.items()) if line.problem}
        if problems:
            console.print("\nDid not get through:")
            for study_key, problem in problems.items():
                console.print(f"  {study_key} {problem}", soft_wrap=True, highlight=False, markup=False)

    def _rest(self, console: Console) -> None:
        quarantined = self.quarantined()
        if quarantined:
            console.print("\nInstances in quarantine, by reason:")
            for reason, count in quarantined.most_common():
                console.print(f"  {count:6d} {reason}")
        if self.conflicts:
            console.print("\nLeft out, because reviews are at odds:")
            for study_key, why in self.conflicts.items():
                console.print(f"  {study_key} {why}", markup=False)
        left_out = {reason: count for reason, count in self.left_out.items() if count}
        if left_out or self.waiting:
            console.print("\nLeft out, studies of the review database by reason:")
            for reason, count in left_out.items():
                console.print(f"  {count:6d} {reason}")
            if self.waiting:
                console.print(f"  {self.waiting:6d} ready, beyond this run's limit")
        if self.missing_protocol:
            console.print("\nReviewed as having a protocol series, none found: " + " ".join(self.missing_protocol))
