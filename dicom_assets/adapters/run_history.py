"""What runs left behind: read from their folders' `events.jsonl`, also of runs that were killed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dicom_assets.adapters.audit_trail import run_folders
from dicom_assets.errors import StorageError

EVENTS = "events.jsonl"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run's `events.jsonl`; facts are value-free."""

    at: datetime
    name: str
    study_key: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run's folder and what it says of itself; `finished_at` is None for a run that goes on, or was killed."""

    folder: Path
    started_at: datetime
    finished_at: datetime | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name


def past_runs(data_dir: Path) -> list[PastRun]:
    """All runs, the newest last.

    Raises:
        StorageError: a run's events can't be read.
    """
    return [run for folder in run_folders(data_dir) if (run := _read_run(folder)) is not None]


def _read_run(folder: Path) -> PastRun | None:
    started: Event | None = None
    finished: Event | None = None
    for event in events_of(folder):
        if event.name == "run_started":
            started = event
        elif event.name == "run_finished":
            finished = event
    if started is None:
        return None
    return PastRun(
        folder,
        started.at,
        finished.at if finished is not None else None,
        started.facts,
        finished.facts if finished is not None else {},
    )


def events_of(folder: Path) -> Iterator[Event]:
    """A run's events in order; a last line that a killed run left half written is passed over.

    Raises:
        StorageError: they can't be read.
    """
    try:
        lines = (folder / EVENTS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{folder / EVENTS} can't be read ({type(error).__name__}).") from None
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            at, name, study_key = datetime.fromisoformat(record.pop("at")), record.pop("event"), record.pop("study", "")
        except (ValueError, KeyError, AttributeError):
            if number == len(lines):
                return
            raise StorageError(f"{folder / EVENTS}, line {number}, is not an event: was it changed?") from None
        yield Event(at, name, study_key, record)
