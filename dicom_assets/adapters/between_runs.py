"""What happens to studies outside of runs: `DATA_DIR/runs/between_runs/`, written as the folder of a run is.

Its `events.jsonl` speaks of study keys alone; what people write as their reasons lies in its folder `identified/`,
mode 0700.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from dicom_assets.adapters.durable_file import make_private, storage_errors
from dicom_assets.study import Fact, StudyKey

FOLDER = "between_runs"
EVENTS = "events.jsonl"


class BetweenRuns:
    """Implements the port `AuditTrail`. Any number of processes may write into it."""

    def __init__(self, data_dir: Path) -> None:
        """Makes nothing before there is something to write down."""
        self.path = data_dir / "runs" / FOLDER

    def event(self, name: str, study_key: StudyKey | None = None, facts: Mapping[str, Fact] | None = None) -> None:
        """Append to `events.jsonl`; facts are value-free.

        Raises:
            StorageError: it can't be written.
        """
        record: dict[str, Fact] = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": name}
        if study_key is not None:
            record["study"] = study_key
        self._append(self.path, EVENTS, json.dumps({**record, **(facts or {})}))

    def reason(self, study_key: StudyKey, by: str, text: str) -> None:
        """Keep what a person gave as a reason, which may name anybody.

        Raises:
            StorageError: it can't be written.
        """
        line = "\t".join([datetime.now(UTC).isoformat(timespec="seconds"), study_key, by, " ".join(text.split())])
        self._append(self.path / "identified", "reasons.txt", line)

    def _append(self, folder: Path, name: str, line: str) -> None:
        with storage_errors("write down what happened between two runs"):
            make_private(folder)
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, (line + "\n").encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
