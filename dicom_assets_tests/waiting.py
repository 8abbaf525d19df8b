"""Waiting for what another process does, locks that hold it up, and its sudden end."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from dicom_assets.adapters.audit_trail import latest_run
from dicom_assets_tests.deployment import Deployment
from dicom_assets_tests.scripted_pacs import WAIT_SECONDS

POLL_SECONDS = 0.01


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        pause.wait(POLL_SECONDS)


@contextmanager
def killed_job(deployment: Deployment, config: Mapping[str, Any] | None = None) -> Iterator[None]:
    """`dagster job execute` in a process group of its own, which is killed when the block ends."""
    process = subprocess.Popen(
        deployment.job_command(config),
        env=deployment.process_environment(),
        cwd=deployment.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
        assert process.poll() is None, "the job ended before it could be killed"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def has_happened(deployment: Deployment, **facts: object) -> bool:
    """Whether the latest run's events hold one with these facts."""
    if latest_run(deployment.data) is None:
        return False
    with suppress(FileNotFoundError):  # the folder is there just before its first event
        return any(facts.items() <= event.items() for event in deployment.events())
    return False


@contextmanager
def write_lock(database: Path) -> Iterator[None]:
    """Hold an SQLite database as another program's long transaction would: others read, nobody writes."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=WAIT_SECONDS)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
