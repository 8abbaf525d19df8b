"""`dicom-assets` in processes that are killed at a place of the code, each forked from one that has imported it all.

Reads a line of JSON for each command (arguments, environment, where to be killed) and answers with its exit code, or
with minus the signal that ended it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from dicom_assets_tests.deployment import REPOSITORY


class Commands:
    """The test's end: runs commands one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, arguments: list[str], environment: Mapping[str, str], *, killed_at: str = "", number: int = 1) -> int:
        """The exit code of a command; `killed_at` is a function that it is killed at, the `number`-th time."""
        asked = {"arguments": arguments, "environment": dict(environment), "at": killed_at, "number": number}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def running_commands() -> Iterator[Commands]:
    """Commands that can be killed; the process that they are forked from ends with the block."""
    command = [sys.executable, "-m", "dicom_assets_tests.killed_command"]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield Commands(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def _kill_at(place: str, number: int) -> None:
    left = number

    def look(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal left
        if event == "call" and frame.f_code.co_qualname == place:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(look)


def _serve() -> None:
    import dagster  # noqa: F401  what the commands import, once for all

    from dicom_assets.cli import main

    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            os.environ.clear()
            os.environ.update(asked["environment"])
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            if asked["at"]:
                _kill_at(asked["at"], asked["number"])
            try:
                main(asked["arguments"], standalone_mode=True)
            except SystemExit as end:
                os._exit(int(end.code or 0))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()
