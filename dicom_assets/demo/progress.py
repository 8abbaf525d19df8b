"""Shows how a run gets on, by following the events that it writes into its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from dicom_assets.study import STAGES

Event = dict[str, Any]
EVENTS_FILE = "events.jsonl"


class EventFollower:
    """The events of the run that begins after this was made."""

    def __init__(self, runs: Path) -> None:
        """Remember the run folders that are there already."""
        self._runs = runs
        self._old = frozenset(self._folders())
        self._read_bytes = 0
        self.folder: Path | None = None

    def poll(self) -> list[Event]:
        """The events written since the last call; a line that is still being written waits for the next."""
        if self.folder is None:
            self.folder = max((path for path in self._folders() if path not in self._old), default=None)
        file = self.folder / EVENTS_FILE if self.folder else None
        if file is None or not file.exists():
            return []
        with file.open("rb") as stream:
            stream.seek(self._read_bytes)
            whole, newline, _ = stream.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(newline)
        return [json.loads(line) for line in whole.splitlines() if line.strip()]

    def _folders(self) -> list[Path]:
        return sorted(self._runs.glob("run_at_*"))


class Steps:
    """How many of the run's steps, one for each stage of each study, are behind it."""

    def __init__(self) -> None:
        """Nothing is known before the run has selected its studies."""
        self.total: int | None = None
        self._done: dict[str, int] = {}

    @property
    def done(self) -> int:
        """Steps that are finished, skipped, or will not come because their study failed."""
        return sum(self._done.values())

    def take(self, event: Event) -> None:
        """Count one event."""
        study, name = str(event.get("study", "")), event["event"]
        if name == "studies_selected":
            self.total = int(event["studies"]) * len(STAGES)
        elif name in {"stage_finished", "stage_skipped"}:
            self._done[study] = min(self._done.get(study, 0) + 1, len(STAGES))
        elif name == "study_failed":
            self._done[study] = len(STAGES)


class PlainProgress:
    """One line for each step, for logs and for terminals that can't do better."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Lines go to `say`."""
        self._say = say
        self._steps = Steps()

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing to put away."""

    def show(self, event: Event) -> None:
        """Say what happened, if it is worth a line."""
        self._steps.take(event)
        text = line(event)
        if text:
            self._say(f"[{self._steps.done}/{self._steps.total or '?'}] {text}")


class BarProgress:
    """A progress bar with the latest step beside it."""

    def __init__(self, console: Console) -> None:
        """Draw on a terminal."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._steps = Steps()
        self._task: TaskID | None = None

    def __enter__(self) -> BarProgress:
        self._progress.start()
        self._task = self._progress.add_task("starting", total=None)
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Move the bar; what people should not miss stays above it."""
        self._steps.take(event)
        if event["event"] == "study_failed":
            self._progress.console.print(line(event), markup=False, highlight=False)
        if self._task is not None:
            self._progress.update(
                self._task, total=self._steps.total, completed=self._steps.done, description=_latest(event)
            )


def line(event: Event) -> str:
    """An event as a person reads it; empty for those that are only for the bar."""
    study, stage = event.get("study", ""), event.get("stage", "")
    match event["event"]:
        case "studies_selected":
            return f"{event['studies']} studies to do, {event.get('left_out', 0)} left out"
        case "stage_finished":
            return f"{study} {stage}: {event.get('instances', 0)} instances in {float(event.get('seconds', 0)):.1f} s"
        case "stage_skipped":
            return f"{study} {stage}: was up to date"
        case "study_failed":
            return f"{study} failed ({stage}): {event.get('reason', '')}"
        case "run_finished":
            return f"run finished: {event.get('published', 0)} published, {event.get('failed', 0)} failed"
        case _:
            return ""


def _latest(event: Event) -> str:
    study, stage = event.get("study", ""), event.get("stage", "")
    if event["event"] == "stage_progress":
        return f"{study} {stage} {event.get('done', '?')}/{event.get('total', '?')}"
    return f"{study} {stage}".strip() or str(event["event"]).replace("_", " ")
