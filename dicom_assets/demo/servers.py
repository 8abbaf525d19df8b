"""Both PACSs of the demo in a process of their own: to be it, to start it and to stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets.demo.home import HOST, LOCAL_AE_TITLE, RESEARCH_AE_TITLE, STAGING_AE_TITLE, DemoHome, Ports
from dicom_assets.errors import ConfigurationError

Destinations = Mapping[str, tuple[str, int]]

START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05


def both_pacs(home: DemoHome, ports: Ports, more_destinations: Destinations) -> tuple[EmbeddedPacs, EmbeddedPacs]:
    """The staging PACS and the research PACS, not yet started; both may send to us and to the destinations named."""
    destinations = {LOCAL_AE_TITLE: (HOST, ports.local), **more_destinations}
    staging = EmbeddedPacs(STAGING_AE_TITLE, ports.staging, home.staging, destinations)
    return staging, EmbeddedPacs(RESEARCH_AE_TITLE, ports.research, home.research, destinations)


def serve(home: DemoHome, ports: Ports, more_destinations: Destinations, say: Callable[[str], None]) -> None:
    """Run both PACSs until a person or `stop` ends this process.

    Raises:
        ConfigurationError: a port is taken, or the demo's PACSs run already.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    staging, research = both_pacs(home, ports, more_destinations)
    with _only_one(home), staging, research:
        for pacs in (staging, research):
            say(f"{pacs.ae_title} listens on {pacs.host}:{pacs.port} with {pacs.count()} instances")
        with _process_file(home.pacs_process):
            ended.wait()


def running(home: DemoHome) -> bool:
    """Whether the demo's PACSs live in some process."""
    if not home.pacs_lock.exists():
        return False
    try:
        with FileLock(home.pacs_lock, blocking=False):
            return False
    except Timeout:
        return True


@contextmanager
def listening(home: DemoHome, ports: Ports, keep: bool = False) -> Iterator[None]:
    """Have both PACSs listen for as long as this lasts: those that run already, or a process of their own.

    Raises:
        ConfigurationError: they can't start; the message is what that process said.
    """
    if running(home):
        yield
        return
    process = start(home, ports)
    try:
        yield
    finally:
        if not keep:
            stop(home)
            process.wait()


def start(home: DemoHome, ports: Ports) -> subprocess.Popen[bytes]:
    """Start both PACSs in a process of their own and return once they listen.

    Raises:
        ConfigurationError: they can't start; the message is what that process said.
    """
    home.pacs_process.unlink(missing_ok=True)
    with home.pacs_log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dicom_assets.demo", *_options(home, ports), "start", "--as-it-is"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not home.pacs_process.exists():
        if process.poll() is not None:
            raise ConfigurationError(_last_line(home.pacs_log) or "the demo's PACSs ended without a word")
        if time.monotonic() > deadline:
            process.kill()
            raise ConfigurationError(f"the demo's PACSs did not start within {START_SECONDS:.0f} seconds")
        time.sleep(POLL_SECONDS)
    return process


def stop(home: DemoHome) -> bool:
    """End the process of the PACSs and return once it is gone; False when there was none.

    Raises:
        ConfigurationError: it does not end.
    """
    if not running(home) or not home.pacs_process.exists():
        return False
    with suppress(ProcessLookupError):
        os.kill(int(home.pacs_process.read_text()), signal.SIGTERM)
    try:
        with FileLock(home.pacs_lock, timeout=STOP_SECONDS, poll_interval=POLL_SECONDS):
            return True
    except Timeout:
        raise ConfigurationError(f"the demo's PACSs did not end within {STOP_SECONDS:.0f} seconds") from None


def _options(home: DemoHome, ports: Ports) -> list[str]:
    numbers = {"--staging-port": ports.staging, "--research-port": ports.research, "--local-port": ports.local}
    return ["--home", str(home.folder), *(text for name, port in numbers.items() for text in (name, str(port)))]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("Error: ") if lines else ""


@contextmanager
def _only_one(home: DemoHome) -> Iterator[None]:
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with FileLock(home.pacs_lock, blocking=False):
            yield
    except Timeout:
        raise ConfigurationError(
            "the demo's PACSs run already: use them, or end them with `python -m dicom_assets.demo stop`"
        ) from None


@contextmanager
def _process_file(path: Path) -> Iterator[None]:
    temporary = path.with_suffix(".part")
    temporary.write_text(str(os.getpid()))
    temporary.rename(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
