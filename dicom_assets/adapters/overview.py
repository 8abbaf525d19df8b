"""The page that tells a run at a glance: what was pulled, quarantined, registered, published, left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dicom_assets.study import STAGES, Fact, Stage, StudyKey


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
    accepted_risks: Mapping[str, str] = field(default_factory=dict)
    finished_at: datetime | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    conflicts: Mapping[StudyKey, str] = field(default_factory=dict)
    waiting: int = 0
    missing_protocol: Sequence[StudyKey] = ()
    withdrawn: dict[StudyKey, str] = field(default_factory=dict)
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
        """The overview as plain text; cheap, since it is written at every event."""
        parts = (self._head(), self._alerts(), self._table(), self._problems(), self._kept_back(), self._rest())
        return "".join(f"{line}\n" for part in parts for line in part)

    def _head(self) -> Iterator[str]:
        state = f"finished {self.finished_at:%Y-%m-%d %H:%M:%S} UTC" if self.finished_at else "NOT FINISHED"
        yield f"Run {self.run_id}, started {self.started_at:%Y-%m-%d %H:%M:%S} UTC, {state}"
        yield "Settings: " + ", ".join(f"{name} {value}" for name, value in self.settings.items())
        yield from (f"Risk accepted {what}: {why}" for what, why in self.accepted_risks.items())
        if self.settings.get("dry_run") == "yes":
            yield "DRY RUN: nothing was changed anywhere; this is what would happen."
        yield "Studies: " + ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in self.counts().items())
        if not self._studies and self.finished_at:
            yield "Nothing was left to do."

    def _alerts(self) -> Iterator[str]:
        if self.withdrawn:
            yield "\nTO BE REMOVED from the research PACS, published before somebody objected:"
            yield from (f"  {study_key} {why}" for study_key, why in sorted(self.withdrawn.items()))

    def _table(self) -> Iterator[str]:
        if not self._studies:
            return
        yield ""
        yield _row("study", *STAGES, "quarantined")
        for study_key, line in sorted(self._studies.items()):
            kept_back = line.done.get(Stage.DEIDENTIFIED, {}).get("quarantined_by_reason", {})
            reasons = (
                ", ".join(f"{n} {reason}" for reason, n in kept_back.items()) if isinstance(kept_back, Mapping) else ""
            )
            yield _row(study_key, *(_cell(line, stage) for stage in STAGES), reasons)

    def _problems(self) -> Iterator[str]:
        problems = {key: line.problem for key, line in sorted(self._studies.items()) if line.problem}
        if problems:
            yield "\nDid not get through:"
            yield from (f"  {study_key} {problem}" for study_key, problem in problems.items())

    def _kept_back(self) -> Iterator[str]:
        quarantined = self.quarantined()
        if quarantined:
            yield "\nInstances in quarantine, by reason:"
            yield from (f"  {count:6d} {reason}" for reason, count in quarantined.most_common())

    def _rest(self) -> Iterator[str]:
        if self.conflicts:
            yield "\nLeft out, because reviews are at odds:"
            yield from (f"  {study_key} {why}" for study_key, why in self.conflicts.items())
        left_out = {reason: count for reason, count in self.left_out.items() if count}
        if self.waiting:
            left_out["ready, beyond this run's limit"] = self.waiting
        if left_out:
            yield "\nLeft out, studies of the review database by reason:"
            yield from (f"  {count:6d} {reason}" for reason, count in left_out.items())
        if self.missing_protocol:
            yield "\nReviewed as having a protocol series, none found: " + " ".join(self.missing_protocol)


def _cell(line: _Line, stage: Stage) -> str:
    if stage not in line.done:
        return "-"
    instances = str(line.done[stage].get("instances", 0))
    return f"{instances} (stood)" if stage in line.skipped else instances


def _row(study_key: str, *cells: str) -> str:
    return "  ".join([f"{study_key:13}", *(f"{cell:14}" for cell in cells)]).rstrip()
