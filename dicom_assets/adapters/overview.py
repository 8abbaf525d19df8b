"""What a run has done so far, told by its events; pages and summaries are made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from dicom_assets.study import STAGES, Fact, Stage, StudyKey

_PROBLEMS = ("study_failed", "study_refused", "study_busy")


@dataclass(slots=True)
class StudyLine:
    """One study in the overview. `progress` is how many instances of how many the stage under way has done."""

    done: dict[Stage, Mapping[str, Fact]] = field(default_factory=dict)
    finished_at: dict[Stage, datetime] = field(default_factory=dict)
    skipped: set[Stage] = field(default_factory=set)
    doing: Stage | None = None
    progress: tuple[int, int] = (0, 0)
    problem: str = ""
    busy: bool = False

    @property
    def is_up_to_date(self) -> bool:
        """Whether all stood already that was wanted."""
        return bool(self.done) and self.doing is None and not self.problem and self.skipped >= self.done.keys()

    @property
    def state(self) -> str:
        """Where it stands, in a word or two."""
        if self.problem:
            return "elsewhere" if self.busy else "failed"
        if self.doing is not None:
            return "under way"
        if self.is_up_to_date:
            return "up to date"
        return str(list(self.done)[-1]) if self.done else "waiting"

    @property
    def kept_back(self) -> Mapping[str, int]:
        """Its instances in quarantine, by reason."""
        by_reason = self.done.get(Stage.DEIDENTIFIED, {}).get("quarantined_by_reason", {})
        return by_reason if isinstance(by_reason, Mapping) else {}

    def seconds(self, stage: Stage) -> float | None:
        """How long a stage took in this run; None where it was not done in it."""
        seconds = self.done.get(stage, {}).get("seconds") if stage not in self.skipped else None
        return float(seconds) if isinstance(seconds, int | float) else None


@dataclass(slots=True)
class Overview:
    """What a run has done so far."""

    run_id: str
    started_at: datetime
    settings: Mapping[str, Fact]
    accepted_risks: dict[str, str] = field(default_factory=dict)
    noted_at: datetime | None = None
    finished_at: datetime | None = None
    stopped: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    conflicts: dict[StudyKey, str] = field(default_factory=dict)
    waiting: int = 0
    to_be_removed: dict[StudyKey, str] = field(default_factory=dict)
    reviewed_protocol: set[StudyKey] = field(default_factory=set)
    found_protocol: set[StudyKey] = field(default_factory=set)
    studies: dict[StudyKey, StudyLine] = field(default_factory=dict)

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing was changed anywhere."""
        return self.settings.get("dry_run") == "yes"

    @property
    def missing_protocol(self) -> Sequence[StudyKey]:
        """Studies that were reviewed as having a protocol series, and were looked at without finding one."""
        looked_at = {key for key, line in self.studies.items() if Stage.DEIDENTIFIED in line.done}
        return sorted((self.reviewed_protocol & looked_at) - self.found_protocol)

    def snapshot(self) -> Overview:
        """What can be read while the run goes on."""
        lines = {
            key: replace(line, done=dict(line.done), finished_at=dict(line.finished_at), skipped=set(line.skipped))
            for key, line in self.studies.items()
        }
        return replace(
            self,
            studies=lines,
            accepted_risks=dict(self.accepted_risks),
            conflicts=dict(self.conflicts),
            to_be_removed=dict(self.to_be_removed),
            reviewed_protocol=set(self.reviewed_protocol),
            found_protocol=set(self.found_protocol),
        )

    def note(self, at: datetime, name: str, study_key: StudyKey | None, facts: Mapping[str, Fact]) -> None:
        """Take in an event."""
        self.noted_at = at
        if study_key is not None:
            self._note_study(at, name, study_key, facts)
        elif name == "risk_accepted":
            self.accepted_risks[str(facts["what"])] = str(facts["reason"])
        elif name == "studies_selected":
            left_out, waiting = facts.get("left_out_by_reason", {}), facts.get("waiting", 0)
            self.left_out = left_out if isinstance(left_out, Mapping) else {}
            self.waiting = waiting if isinstance(waiting, int) else 0
        elif name == "run_stopped":
            self.stopped = str(facts.get("reason", "")) or "no reason was given"
        elif name == "run_finished":
            self.finished_at = at

    def _note_study(self, at: datetime, name: str, study_key: StudyKey, facts: Mapping[str, Fact]) -> None:
        apart = {"study_left_out": self.conflicts, "withdrawal_stands": self.to_be_removed}.get(name)
        if apart is not None:  # of studies that are not the run's
            apart[study_key] = str(facts["reason"])
            return
        if name == "study_selected" and facts.get("protocol_series") == "yes":
            self.reviewed_protocol.add(study_key)
        line = self.studies.setdefault(study_key, StudyLine())
        if name in _PROBLEMS:
            stage, reason = facts.get("stage", ""), facts["reason"]
            line.problem = f"at {stage}: {reason}" if stage else str(reason)
            line.busy = name == "study_busy"
            line.doing = None
        elif name in ("stage_started", "stage_progress"):
            line.doing = Stage(str(facts["stage"]))
            line.progress = (_count(facts.get("done")), _count(facts.get("total")))
        elif name in ("stage_finished", "stage_skipped", "stage_found"):
            self._note_stage(at, study_key, Stage(str(facts["stage"])), facts, skipped=name != "stage_finished")

    def _note_stage(
        self, at: datetime, study_key: StudyKey, stage: Stage, facts: Mapping[str, Fact], *, skipped: bool
    ) -> None:
        line = self.studies[study_key]
        line.done[stage] = facts
        line.finished_at[stage] = at
        line.doing = None
        if skipped:
            line.skipped.add(stage)
        if facts.get("protocol_series_instances"):
            self.found_protocol.add(study_key)

    def counts(self) -> dict[str, int]:
        """Studies by how far they got in this run, and how many did not get through."""
        lines = self.studies.values()
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
        for line in self.studies.values():
            total.update(line.kept_back)
        return total

    def problems(self) -> Mapping[StudyKey, str]:
        """What kept studies from getting through."""
        return {key: line.problem for key, line in sorted(self.studies.items()) if line.problem}

    def left_out_counts(self) -> Mapping[str, int]:
        """Studies of the review database that the run does not take, by reason."""
        left_out = {reason: count for reason, count in self.left_out.items() if count}
        return left_out | ({"ready, beyond this run's limit": self.waiting} if self.waiting else {})


def _count(value: Fact | None) -> int:
    return value if isinstance(value, int) else 0
