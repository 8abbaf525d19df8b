"""What happens to studies outside of runs: `DATA_DIR/runs/between_runs/`, written as the folder of a run is.

Its `events.jsonl` speaks of study keys alone; what people write as their reasons lies in its folder `identified/`.
Both are for their owner alone.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from dicom_assets.adapters.audit_files import append_line, audit_errors
from dicom_assets.adapters.audit_trail import EVENTS, EVENTS_VERSION
from dicom_assets.adapters.durable_file import make_private
from dicom_assets.study import Fact, StudyKey

FOLDER = "between_runs"
_WHAT = f"DATA_DIR/runs/{FOLDER}"


class BetweenRuns:
    """Implements the port `AuditTrail`. Any number of processes may write into it."""

    def __init__(self, data_dir: Path) -> None:
        """Makes nothing before there is something to write down."""
        self.path = data_dir / "runs" / FOLDER

    def require_writable(self) -> None:
        """See that it can be written, before anything is done that has to be written down.

        Raises:
            StorageError: it can't.
        """
        with audit_errors(_WHAT):
            _begin(self.path / EVENTS)

    def event(self, name: str, study_key: StudyKey | None = None, facts: Mapping[str, Fact] | None = None) -> None:
        """Append to `events.jsonl`; facts are value-free.

        Raises:
            StorageError: it can't be written.
        """
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        record: dict[str, Fact] = {"version": EVENTS_VERSION, "at": at, "event": name}
        if study_key is not None:
            record["study"] = study_key
        self._append(self.path / EVENTS, json.dumps({**record, **(facts or {})}))

    def reason(self, study_key: StudyKey, by: str, text: str) -> None:
        """Keep what a person gave as a reason, which may name anybody.

        Raises:
            StorageError: it can't be written.
        """
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._append(self.path / "identified" / "reasons.txt", "\t".join([at, study_key, by, " ".join(text.split())]))

    @staticmethod
    def _append(file: Path, line: str) -> None:
        with audit_errors(_WHAT):
            _begin(file)
            with FileLock(file.with_name(f".{file.name}.lock")):
                append_line(file, line)


def _begin(file: Path) -> None:
    make_private(file.parent)
    os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))


def login() -> str:
    """Who gave the command, as the machine knows him."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        return f"user {os.getuid()}"
