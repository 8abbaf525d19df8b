"""What people are told by e-mail, chat or webhook: study keys, counts and reasons, and no value of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dicom_assets.adapters.audit_trail import EVENTS, run_folders
from dicom_assets.adapters.run_history import events_of
from dicom_assets.withdrawal import Withdrawal

MOST_LINES = 50
_NOT_DONE = ("study_failed", "study_refused")


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for people."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class FailedRun:
    """What is known of a run that failed; without a folder it did not come so far as to make one."""

    run_id: str
    job: str
    counts: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    is_finished: bool = False

    @classmethod
    def of(cls, data_dir: Path, run_id: str, job: str, reason: str) -> FailedRun:
        """The run with what its folder says; `reason` is what Dagster was told, value-free.

        Raises:
            StorageError: the folder can't be read.
        """
        folders = [folder for folder in run_folders(data_dir) if folder.name.endswith(f"_{run_id[:8]}")]
        counts: Mapping[str, int] = {}
        failures: dict[str, str] = {}
        is_finished = False
        for event in events_of(folders[-1] / EVENTS) if folders else ():
            if event.name in _NOT_DONE and event.study_key:
                stage = f"at {event.facts['stage']}: " if event.facts.get("stage") else ""
                failures[event.study_key] = f"{stage}{event.facts.get('reason', '')}"
            elif event.name == "run_finished":
                is_finished = True
                counts = {name: count for name, count in event.facts.items() if isinstance(count, int)}
        return cls(run_id, job, counts, failures, "" if failures else reason, is_finished)


def failed_run_notice(run: FailedRun, link: str) -> Notice:
    """A run failed: how far its studies got, and which did not get through."""
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in run.counts.items())
    lines = [
        f"Run {run.run_id} of {run.job} failed.",
        *([f"Studies: {counts}"] if counts else []),
        *([] if run.is_finished else ["It was cut short: what it had not reached is taken by the next run."]),
        *([run.reason] if run.reason else []),
        *_listed([f"{key} {reason}" for key, reason in sorted(run.failures.items())]),
        *([link] if link else []),
    ]
    what = f"{len(run.failures)} studies did not get through" if run.failures else "failed"
    return Notice(f"dicom_assets: run {run.run_id[:8]}: {what}", "\n".join(lines))


def withdrawal_notice(changed: Sequence[Withdrawal], link: str) -> Notice:
    """Studies were withdrawn, or have to be."""
    is_open = sum(one.is_open for one in changed)
    lines = [
        *_listed([f"{one.study_key} {one.said()}" for one in sorted(changed, key=lambda one: not one.is_open)]),
        *([link] if link else []),
    ]
    what = f"{is_open} published studies have to be removed" if is_open else f"{len(changed)} withdrawals went on"
    return Notice(f"dicom_assets: {what}", "\n".join(lines))


def trial_notice(link: str) -> Notice:
    """Somebody wants to see whether messages arrive."""
    lines = ["This is a test: nothing happened.", *([link] if link else [])]
    return Notice("dicom_assets: test message", "\n".join(lines))


def _listed(lines: Sequence[str]) -> list[str]:
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"and {more} more"] if more > 0 else [])]
