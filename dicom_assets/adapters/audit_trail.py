"""A run's folder: what happened, written as it happens, for people and for machines.

`DATA_DIR/runs/run_at_<UTC time>_<run id>/` speaks of study keys alone; what needs originals lies in
its folder `identified/`, mode 0700.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dicom_assets.adapters.overview import Overview
from dicom_assets.errors import StorageError
from dicom_assets.study import Fact, ReviewedStudy, Stage, StudyKey

_OUTPUT_OF = {
    Stage.PULLED: "pull_output.txt",
    Stage.DEIDENTIFIED: "anonymize_output.txt",
    Stage.REGISTERED: "post_anon_output.txt",
    Stage.PUBLISHED: "push_output.txt",
}
_LISTS = ("reviewed_protocol_studies.txt", "found_protocol_studies.txt", "missing_protocol_studies.txt")


@contextmanager
def _audit_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The run's folder under DATA_DIR can't be written ({errno.errorcode.get(error.errno or 0, 'OSError')}): "
            "check that DATA_DIR exists, is writable for this user and not full."
        ) from None


class RunFolder:
    """The audit trail of one run; implements the port `AuditTrail`. Threads may share it."""

    def __init__(
        self, data_dir: Path, run_id: str, settings: Mapping[str, Fact], accepted_risks: Mapping[str, str] | None = None
    ) -> None:
        """Make the folder; `accepted_risks` say what was accepted (`in the profile, ...`), each with its reason."""
        risks = accepted_risks or {}
        self._mutex = threading.Lock()
        self._overview = Overview(run_id=run_id, started_at=datetime.now(UTC), settings=settings, accepted_risks=risks)
        stamp = self._overview.started_at.strftime("%Y%m%dT%H%M%SZ")
        self.path = data_dir / "runs" / f"run_at_{stamp}_{run_id[:8]}"
        self._reviewed_protocol: set[StudyKey] = set()
        self._looked_at: set[StudyKey] = set()
        self._found_protocol: set[StudyKey] = set()
        with _audit_errors():
            self.path.mkdir(parents=True, exist_ok=True)
            self._identified.mkdir(mode=0o700, exist_ok=True)
            for name in (*_OUTPUT_OF.values(), *_LISTS):
                (self.path / name).touch()
        self.event("run_started", facts=settings)
        for what, reason in risks.items():
            self.event("risk_accepted", facts={"what": what, "reason": reason})

    @property
    def _identified(self) -> Path:
        return self.path / "identified"

    def selected(self, studies: Sequence[tuple[StudyKey, ReviewedStudy]]) -> None:
        """Write down which studies the run takes; the lists that need originals go to `identified/`."""
        to_retrieve = [f"{key}\t{reviewed.study_uid}" for key, reviewed in studies]
        comments = [f"{key}\t{' | '.join(reviewed.comments)}" for key, reviewed in studies if reviewed.comments]
        self._reviewed_protocol = {key for key, reviewed in studies if reviewed.has_protocol_series}
        with self._mutex, _audit_errors():
            _write_lines(self._identified / "studies_to_retrieve.txt", to_retrieve)
            _write_lines(self._identified / "comments.txt", comments)
            _write_lines(self.path / _LISTS[0], sorted(self._reviewed_protocol))

    def left_out(self, reasons: Mapping[str, int], conflicts: Sequence[tuple[StudyKey, str]], waiting: int) -> None:
        """Write down what the run leaves out and why."""
        with self._mutex:
            self._overview.left_out = dict(reasons)
            self._overview.conflicts = dict(conflicts)
            self._overview.waiting = waiting

    def event(self, name: str, study_key: StudyKey | None = None, facts: Mapping[str, Fact] | None = None) -> None:
        """Append to `events.jsonl` and to the stage's output, and bring the overview up to date.

        Raises:
            StorageError: the run's folder can't be written.
        """
        now = datetime.now(UTC)
        facts = facts or {}
        record = {"at": now.isoformat(timespec="milliseconds"), "event": name}
        if study_key is not None:
            record["study"] = study_key
        with self._mutex, _audit_errors():
            _append(self.path / "events.jsonl", json.dumps({**record, **facts}))
            self._note(now, name, study_key, facts)
            if name != "stage_progress":
                self._write_overview()

    def trace(self, study_key: StudyKey, trace: str) -> None:
        """Keep a traceback, which may quote anything, in the locked folder."""
        with self._mutex, _audit_errors():
            _append(self._identified / "traces.txt", f"{study_key}\n{trace}")

    def finish(self) -> Mapping[str, int]:
        """Close the run; returns how many studies were published, failed and so on."""
        missing = sorted((self._reviewed_protocol & self._looked_at) - self._found_protocol)
        with self._mutex, _audit_errors():
            _write_lines(self.path / _LISTS[2], missing)
            self._overview.missing_protocol = missing
            self._overview.finished_at = datetime.now(UTC)
            counts = self._overview.counts()
        self.event("run_finished", facts=counts)
        return counts

    def _note(self, now: datetime, name: str, study_key: StudyKey | None, facts: Mapping[str, Fact]) -> None:
        if study_key is None:
            return
        if name in ("stage_finished", "stage_skipped"):
            stage = Stage(str(facts["stage"]))
            self._overview.stage_done(study_key, stage, facts, skipped=name == "stage_skipped")
            if stage is Stage.DEIDENTIFIED:
                self._looked_at.add(study_key)
            if facts.get("protocol_series_instances"):
                self._found_protocol.add(study_key)
                _write_lines(self.path / _LISTS[1], sorted(self._found_protocol))
        elif name in ("study_failed", "study_refused", "study_busy"):
            self._overview.failed(
                study_key, str(facts.get("stage", "")), str(facts["reason"]), busy=name == "study_busy"
            )
        elif name == "withdrawal_stands":
            self._overview.withdrawn[study_key] = str(facts["reason"])
        if facts.get("stage"):
            said = ", ".join(f"{key} {_plain(value)}" for key, value in facts.items() if key != "stage")
            line = f"{now:%H:%M:%S} {study_key} {name.replace('_', ' ')}: {said}".rstrip(": ")
            _append(self.path / _OUTPUT_OF[Stage(str(facts["stage"]))], line)

    def _write_overview(self) -> None:
        target = self.path / "overview.txt"
        temporary = target.with_name(".overview.txt.tmp")
        temporary.write_text(self._overview.render(), encoding="utf-8")
        temporary.replace(target)


def run_folders(data_dir: Path) -> Sequence[Path]:
    """The folders of all runs, in the order in which they started."""
    return sorted((data_dir / "runs").glob("run_at_*"), key=lambda folder: (folder.name[:23], folder.stat().st_mtime))


def latest_run(data_dir: Path) -> Path | None:
    """The folder of the run that started last, or None when there was none."""
    folders = run_folders(data_dir)
    return folders[-1] if folders else None


def _plain(value: Fact) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={count}" for key, count in value.items()) or "none"
    return str(value)


def _append(path: Path, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (line + "\n").encode())
    finally:
        os.close(descriptor)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
