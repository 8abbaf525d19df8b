"""What runs left behind, and what happened between them: read from `events.jsonl`, also of runs that were killed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dicom_assets.adapters.audit_trail import EVENTS, EVENTS_VERSION, run_folders
from dicom_assets.adapters.between_runs import FOLDER
from dicom_assets.errors import StorageError
from dicom_assets.study import StudyKey


@dataclass(frozen=True, slots=True)
class Event:
    """One line of `events.jsonl`; facts are value-free."""

    at: datetime
    name: str
    study_key: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run's folder and what it says of itself.

    `finished_at` is None for a run that goes on, was stopped (`stopped` says why) or was killed; `damage` says why its
    events can't be read.
    """

    folder: Path
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stopped: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    damage: str = ""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def state(self) -> str:
        """How it ended, as far as it is known."""
        if self.damage:
            return "damaged"
        if self.finished_at is not None:
            return "dry run" if self.settings.get("dry_run") == "yes" else "finished"
        return "stopped" if self.stopped else "not finished"


def past_runs(data_dir: Path, last: int | None = None) -> list[PastRun]:
    """All runs, or the `last` so many of them, the newest last."""
    folders = run_folders(data_dir)
    return [_read_run(folder) for folder in folders[-last if last else 0 :]]


def _read_run(folder: Path) -> PastRun:
    try:
        said = {event.name: event for event in events_of(folder / EVENTS, '"event": "run_')}
    except StorageError as error:
        return PastRun(folder, damage=str(error))
    started, finished, stopped = (said.get(f"run_{name}") for name in ("started", "finished", "stopped"))
    if started is None:
        return PastRun(folder)  # killed before it could say so
    return PastRun(
        folder,
        started.at,
        finished.at if finished is not None else None,
        str(stopped.facts.get("reason", "")) or "no reason was given" if stopped is not None else "",
        started.facts,
        finished.facts if finished is not None else {},
    )


def story_of(data_dir: Path, study_key: StudyKey) -> list[tuple[str, Event]]:
    """All that was written down of a study, in order: the name of the run's folder (`between_runs`) and what happened.

    Where a run finds the study reviewed otherwise than the one before it did, an event `review_changed` says so.

    Raises:
        StorageError: a run's events can't be read.
    """
    needle = json.dumps(study_key)
    folders = [*run_folders(data_dir), data_dir / "runs" / FOLDER]
    told = [
        (folder.name, event)
        for folder in folders
        for event in events_of(folder / EVENTS, needle)
        if event.study_key == study_key
    ]
    return list(_with_review_changes(sorted(told, key=lambda pair: pair[1].at)))


def _with_review_changes(told: Sequence[tuple[str, Event]]) -> Iterator[tuple[str, Event]]:
    before = ""
    for run, event in told:
        review = str(event.facts.get("review", "")) if event.name == "study_selected" else ""
        if review and before and review != before:
            yield run, Event(event.at, "review_changed", event.study_key, {"from": before, "to": review})
        before = review or before
        yield run, event


def events_of(file: Path, containing: str = "") -> Iterator[Event]:
    """The events in a file, in order, or the first and those whose line contains a text.

    A last line that a killed run left half written is passed over; a file that is not there holds none.

    Raises:
        StorageError: they can't be read.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{file} can't be read ({type(error).__name__}).") from None
    for number, line in enumerate(lines, start=1):
        if number > 1 and containing not in line:
            continue
        event = _parse(line, f"{file}, line {number},", is_last=number == len(lines))
        if event is not None:
            yield event


def _parse(line: str, where: str, *, is_last: bool) -> Event | None:
    try:
        record = json.loads(line)
        version = record.pop("version", EVENTS_VERSION)
        event = Event(datetime.fromisoformat(record.pop("at")), record.pop("event"), record.pop("study", ""), record)
    except (ValueError, KeyError, AttributeError, TypeError):
        if is_last:
            return None
        raise StorageError(f"{where} is not an event: was it changed?") from None
    if version != EVENTS_VERSION:
        raise StorageError(f"{where} was written by another version of dicom_assets: read it with that one.")
    return event
