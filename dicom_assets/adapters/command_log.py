"""What people did by command, outside of runs: `DATA_DIR/runs/commands.jsonl`, events as those of runs."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from dicom_assets.adapters.audit_files import append_line, audit_errors
from dicom_assets.adapters.audit_trail import EVENTS_VERSION
from dicom_assets.study import Fact, StudyKey

COMMANDS = "commands.jsonl"
_WHAT = f"DATA_DIR/runs/{COMMANDS}"


class CommandLog:
    """An append-only log; implements the port `AuditTrail`. Opened first, so that nothing is done unsaid."""

    def __init__(self, data_dir: Path) -> None:
        """Open the log, or begin it.

        Raises:
            StorageError: it can't be written.
        """
        self._path = data_dir / "runs" / COMMANDS
        self._by = _login()
        with audit_errors(_WHAT):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644))

    def event(self, name: str, study_key: StudyKey | None = None, facts: Mapping[str, Fact] | None = None) -> None:
        """Write down what was done, when, and under which login; facts are value-free.

        Raises:
            StorageError: it can't be written.
        """
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        record: dict[str, Fact] = {"version": EVENTS_VERSION, "at": at, "event": name}
        if study_key is not None:
            record["study"] = study_key
        line = json.dumps({**record, "by": self._by, **(facts or {})})
        with audit_errors(_WHAT), FileLock(self._path.with_name(f".{COMMANDS}.lock")):
            append_line(self._path, line)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return f"uid {os.getuid()}"
