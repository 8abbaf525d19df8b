"""Servers that tests start from the machine's own binaries, and that end with a block."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.02


def answers(port: int) -> bool:
    """Whether somebody accepts connections at this port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), START_SECONDS).close()
    except OSError:
        return False
    return True


@contextmanager
def running_server(
    command: Sequence[str | Path],
    log: Path,
    is_up: Callable[[], bool],
    *,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program without Nagle's algorithm in DCMTK and wait until it is up; it ends with the block.

    What it has forked ends with it, as it gets a process group of its own.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TCP_NODELAY": "1"},
            start_new_session=True,
        )
    try:
        _wait_until_up(process, log, is_up)
        yield process
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _wait_until_up(process: subprocess.Popen[bytes], log: Path, is_up: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    pause = threading.Event()
    while not is_up():
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}; see {log}")
        assert time.monotonic() < deadline, f"the server did not come up; see {log}"
        pause.wait(POLL_SECONDS)
