"""Worker processes outlive neither their run nor its sudden end."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from dicom_assets.defs.workers import worker_processes
from dicom_assets_tests.waiting import wait_until

PARENT = """
import os, sys, time
import pytest

from dicom_assets.defs.workers import worker_processes
with worker_processes(2) as executor:
    print(executor.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" not in status.read_text()  # a zombie only waits to be counted


def test_workers_are_other_processes_and_gone_afterwards() -> None:
    with worker_processes(1) as executor:
        pid = executor.submit(os.getpid).result()
        assert pid != os.getpid()

    wait_until(lambda: not is_alive(pid), "the worker's end")


def test_workers_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_alive(worker)
        parent.kill()

    wait_until(lambda: not is_alive(worker), "the worker's end")


def test_death_of_one_worker_is_not_the_end_of_the_others_work() -> None:
    with worker_processes(2) as executor:
        doomed = executor.submit(os._exit, 1)
        with pytest.raises(BrokenProcessPool):
            doomed.result()

        assert executor.submit(os.getpid).result() != os.getpid()
