"""A run's folder: what happened, written as it happens, for people and for machines.

`DATA_DIR/runs/run_at_<UTC time>_<run id>/` speaks of study keys alone; what needs originals lies in
its folder `identified/`, mode 0700. What each file and each event holds: docs/audit-trail.md.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dicom_assets import __version__
from dicom_assets.adapters.audit_files import append_line, audit_errors, plain_fact, replace_lines, replace_text
from dicom_assets.adapters.overview import Overview
from dicom_assets.adapters.overview_summary import overview_summary
from dicom_assets.adapters.overview_text import overview_text
from dicom_assets.adapters.paced_writer import PacedWriter
from dicom_assets.study import Fact, ReviewedStudy, Stage, StudyKey

EVENTS = "events.jsonl"
EVENTS_VERSION = 1
"""Of the events' format; raised when a reader of the old ones would no longer understand the new ones."""
OVERVIEW = "overview.txt"
PAGE = "overview.html"
PAGE_PAUSE_SECONDS = 2.0
_OUTPUT_OF = {
    Stage.PULLED: "pull_output.txt",
    Stage.DEIDENTIFIED: "anonymize_output.txt",
    Stage.REGISTERED: "post_anon_output.txt",
    Stage.PUBLISHED: "push_output.txt",
}
_REVIEWED, _FOUND, _MISSING = (f"{what}_protocol_studies.txt" for what in ("reviewed", "found", "missing"))
_TO_RETRIEVE, _COMMENTS, _TRACES = "studies_to_retrieve.txt", "comments.txt", "traces.txt"


class RunFolder:
    """The audit trail of one run; implements the port `AuditTrail`. Threads may share it."""

    def __init__(
        self, data_dir: Path, run_id: str, settings: Mapping[str, Fact], accepted_risks: Mapping[str, str] | None = None
    ) -> None:
        """Make the folder; `accepted_risks` say what was accepted (`in the profile, ...`), each with its reason."""
        self._mutex = threading.Lock()
        self._overview = Overview(run_id=run_id, started_at=datetime.now(UTC), settings=settings)
        stamp = self._overview.started_at.strftime("%Y%m%dT%H%M%SZ")
        self.path = data_dir / "runs" / f"run_at_{stamp}_{run_id[:8]}"
        self._text = PacedWriter(self._write_text)
        self._page = PacedWriter(self._write_page, pause_seconds=PAGE_PAUSE_SECONDS, share=0.02, at_once=False)
        with audit_errors():
            self.path.mkdir(parents=True, exist_ok=True)
            self._identified.mkdir(mode=0o700, exist_ok=True)
            for name in (EVENTS, *_OUTPUT_OF.values(), _REVIEWED, _FOUND, _MISSING):
                (self.path / name).touch()
            for name in (_TO_RETRIEVE, _COMMENTS, _TRACES):
                (self._identified / name).touch()
        self._record("run_started", None, {"dicom_assets": __version__, "run_id": run_id, **settings})
        for what, reason in (accepted_risks or {}).items():
            self._record("risk_accepted", None, {"what": what, "reason": reason})
        self._text.now()

    @property
    def _identified(self) -> Path:
        return self.path / "identified"

    def selected(self, studies: Sequence[tuple[StudyKey, ReviewedStudy]]) -> None:
        """Write down which studies the run takes; the lists that need originals go to `identified/`.

        Raises:
            StorageError: the run's folder can't be written.
        """
        to_retrieve = [f"{key}\t{reviewed.study_uid}" for key, reviewed in studies]
        comments = [f"{key}\t{' | '.join(reviewed.comments)}" for key, reviewed in studies if reviewed.comments]
        with self._mutex, audit_errors():
            replace_lines(self._identified / _TO_RETRIEVE, to_retrieve)
            replace_lines(self._identified / _COMMENTS, comments)
            replace_lines(self.path / _REVIEWED, sorted(key for key, one in studies if one.has_protocol_series))
        for key, reviewed in studies:
            facts: dict[str, Fact] = {
                "review": reviewed.version,
                "approved_at": reviewed.approved_at.isoformat(timespec="seconds"),
                "protocol_series": "yes" if reviewed.has_protocol_series else "no",
            }
            self._record("study_selected", key, facts)

    def left_out(self, reasons: Mapping[str, int], conflicts: Sequence[tuple[StudyKey, str]], waiting: int) -> None:
        """Write down how many studies the run takes, what it leaves out and why.

        Raises:
            StorageError: the run's folder can't be written.
        """
        for study_key, reason in conflicts:
            self._record("study_left_out", study_key, {"reason": reason})
        facts: dict[str, Fact] = {
            "studies": len(self._overview.studies),
            "left_out": len(conflicts),
            "left_out_by_reason": {reason: count for reason, count in reasons.items() if count},
            "waiting": waiting,
        }
        self.event("studies_selected", facts=facts)

    def event(self, name: str, study_key: StudyKey | None = None, facts: Mapping[str, Fact] | None = None) -> None:
        """Append to `events.jsonl` and to the stage's output, and bring the overview up to date.

        Raises:
            StorageError: the run's folder can't be written.
        """
        self._record(name, study_key, facts or {})
        if name != "stage_progress":
            self._text.soon()
        self._page.soon()

    def trace(self, study_key: StudyKey, trace: str) -> None:
        """Keep a traceback, which may quote anything, in the locked folder.

        Raises:
            StorageError: the run's folder can't be written.
        """
        with self._mutex, audit_errors():
            append_line(self._identified / _TRACES, f"{study_key}\n{trace}")

    def stopped(self, reason: str) -> None:
        """Say why the run ends before its time; what was said first stays.

        Raises:
            StorageError: the run's folder can't be written.
        """
        if not self._overview.stopped and self._overview.finished_at is None:
            self._record("run_stopped", None, {"reason": reason})
            self._write_pages()

    def finish(self) -> Mapping[str, int]:
        """Close the run; returns how many studies were published, failed and so on.

        Raises:
            StorageError: the run's folder can't be written.
        """
        with self._mutex, audit_errors():
            replace_lines(self.path / _MISSING, self._overview.missing_protocol)
            counts = self._overview.counts()
        self._record("run_finished", None, counts)
        self._write_pages()
        return counts

    def summary(self) -> str:
        """The run at a glance, in Markdown."""
        with self._mutex:
            return overview_summary(self._overview)

    def _record(self, name: str, study_key: StudyKey | None, facts: Mapping[str, Fact]) -> None:
        now = datetime.now(UTC)
        record: dict[str, Fact] = {
            "version": EVENTS_VERSION,
            "at": now.isoformat(timespec="microseconds"),
            "event": name,
        }
        if study_key is not None:
            record["study"] = study_key
        with self._mutex, audit_errors():
            append_line(self.path / EVENTS, json.dumps({**record, **facts}))
            found = len(self._overview.found_protocol)
            self._overview.note(now, name, study_key, facts)
            if len(self._overview.found_protocol) > found:
                replace_lines(self.path / _FOUND, sorted(self._overview.found_protocol))
            if study_key is not None and facts.get("stage"):
                append_line(self.path / _OUTPUT_OF[Stage(str(facts["stage"]))], _said(now, name, study_key, facts))

    def _write_text(self) -> None:
        with self._mutex:
            overview = self._overview.snapshot()
        with audit_errors():
            replace_text(self.path / OVERVIEW, overview_text(overview))

    def _write_page(self) -> None:
        from dicom_assets.adapters.overview_page import overview_page  # templates and charts: not before a run works

        with self._mutex:
            overview = self._overview.snapshot()
        page = overview_page(overview)
        with audit_errors():
            replace_text(self.path / PAGE, page)

    def _write_pages(self) -> None:
        try:
            self._text.now()
        finally:
            self._page.now()


def _said(at: datetime, name: str, study_key: StudyKey, facts: Mapping[str, Fact]) -> str:
    said = ", ".join(f"{key} {plain_fact(value)}" for key, value in facts.items() if key != "stage")
    return f"{at:%H:%M:%S} {study_key} {name.replace('_', ' ')}: {said}".rstrip(": ")


def run_folders(data_dir: Path) -> Sequence[Path]:
    """The folders of all runs, in the order in which they started."""
    return sorted((data_dir / "runs").glob("run_at_*"), key=lambda folder: (folder.name[:23], folder.stat().st_mtime))


def latest_run(data_dir: Path) -> Path | None:
    """The folder of the run that started last, or None when there was none."""
    folders = run_folders(data_dir)
    return folders[-1] if folders else None
