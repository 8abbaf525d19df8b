"""Processes that a benchmark starts: none outlives it, and what a whole tree of them used is known."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

SAMPLE_SECONDS = 1.0
END_SECONDS = 15
LAST_CHARACTERS = 400

Command = Sequence[str | Path]


class RunFailedError(Exception):
    """A run did not do what it should have; the message says what happened."""


class Processes:
    """Starts processes, each a session of its own with all that it starts, and ends those that are left."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        """What they print goes to `log`."""
        self._log = log
        self._environment = dict(environment)
        self._mutex = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []
        self._stopped = False

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, command: Command, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """A process in the background.

        Raises:
            RunFailedError: everything was stopped before.
        """
        with _uninterrupted(), self._mutex, self._log.open("ab") as log:
            if self._stopped:
                raise RunFailedError("stopped")
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=cwd or self._log.parent,
                start_new_session=True,
            )
            self._running.append(process)
            return process

    def call(self, command: Command, cwd: Path | None = None) -> None:
        """Run to the end.

        Raises:
            RunFailedError: it ended with another code than 0.
        """
        self.finish(self.start(command, cwd), Path(str(command[0])).name)

    def finish(self, process: subprocess.Popen[bytes], what: str) -> None:
        """Wait for a process that was started.

        Raises:
            RunFailedError: it ended with another code than 0.
        """
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        code = end_session(process)
        with self._mutex:
            if process in self._running:
                self._running.remove(process)
        if code:
            said = " ".join(self._log.read_text(errors="replace")[-LAST_CHARACTERS:].split())
            raise RunFailedError(f"{what} ended with {code}: {said}")

    def kill(self) -> None:
        """Have all that still run end where they are."""
        with self._mutex:
            for process in self._running:
                _signal(process, signal.SIGKILL)

    def stop(self) -> None:
        """End all that still run, with what they started."""
        with self._mutex:
            self._stopped = True
            for process in self._running:
                end_session(process)
            self._running.clear()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put Ctrl-C and SIGTERM off until the block's end: a process that was started but not noted would live on."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python interrupts the main thread alone.
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda caught, _: came.append(caught))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


def end_session(process: subprocess.Popen[bytes]) -> int:
    """End a process that leads a session, and whoever is left of the session; returns its code.

    The leader is not waited for until all others are gone: its number stands for the session, and is its own till then.
    """
    if process.returncode is None:
        _signal(process, signal.SIGTERM)
        end = time.monotonic() + END_SECONDS
        while time.monotonic() < end and not _has_ended(process):
            time.sleep(0.02)
        _signal(process, signal.SIGKILL)
        while time.monotonic() < end + END_SECONDS and set(_members(process.pid)) - {process.pid}:
            time.sleep(0.005)  # what was killed takes a moment to be gone
    return process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    with suppress(ChildProcessError):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def children_cpu_seconds() -> float:
    """CPU time, user and system, of all descendants that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Memory:
    """The most memory that a session's processes had together, looked at several times a second.

    Counted in proportional set sizes: a page that several share counts once (Linux: `smaps_rollup`).
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self.peak_processes = 0

    @contextmanager
    def watching(self, session: int) -> Iterator[None]:
        """Look at the session that this process leads, until the block ends."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(SAMPLE_SECONDS):
                sizes = [_proportional_bytes(pid) for pid in _members(session)]
                self.peak_bytes = max(self.peak_bytes, sum(sizes))
                self.peak_processes = max(self.peak_processes, len(sizes))

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _members(session: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(folder.name))
    return found


def _proportional_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def wait_until(ready: Callable[[], bool], seconds: float, process: subprocess.Popen[bytes], what: str) -> None:
    """Ask `ready()` until it is true.

    Raises:
        RunFailedError: the process ended, or the time is over.
    """
    end = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise RunFailedError(f"{what} ended with {process.returncode} at its start")
        if time.monotonic() > end:
            raise RunFailedError(f"{what} does not answer")
        time.sleep(0.05)
