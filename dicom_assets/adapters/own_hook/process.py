"""The process that a hook of one's own lives in, seen from outside: asked, waited for, and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from dicom_assets.adapters.own_hook.answers import problem_in
from dicom_assets.adapters.own_hook.loading import HOOK_SETTING
from dicom_assets.errors import ConfigurationError, RegistrationAwayError, RegistrationFailedError

TIMEOUT_SETTING = "REGISTRATION_TIMEOUT_SECONDS"
CLOSE_SECONDS = 5.0
LEAST_LOAD_SECONDS = 60.0
"""Imports take their time on a busy machine, whatever is expected of the answers."""

_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from dicom_assets.adapters.own_hook.child import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


class HookProcess:
    """Asks the hook one question at a time, whoever asks. Threads may share it.

    A hook that does not answer in time is ended, with all that it has started: whatever it was about to do, it does
    not do it later. The next question starts it anew. What it prints is dropped, as it may quote anything.
    """

    def __init__(self, spec: str, offers: Mapping[str, Any], timeout_seconds: float) -> None:
        """Start it and have it load the hook that `spec` names as `module:object`.

        Raises:
            ConfigurationError: the hook can't be imported or made in time, or is none.
        """
        self._order = {"spec": spec, "offers": dict(offers)}
        self._timeout = timeout_seconds
        self._mutex = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._refusals: frozenset[str] = frozenset()
        self.name = ""
        self.can_unlink = False
        self._start()

    def ask(self, method: str, **question: Any) -> Any:
        """What the hook's method returns, as far as JSON can say it.

        Raises:
            RegistrationRefusedError: the hook refuses the study.
            RegistrationAwayError: it does not answer for now.
            RegistrationFailedError: it broke.
        """
        with self._mutex:
            if self._process is None:
                self._start_again()
            answer = self._told({"method": method, **question}, method)
        problem = problem_in(answer, method, self._refusals)
        if problem is not None:
            raise problem
        return answer["value"]

    def close(self) -> None:
        """Let the hook close what it has open, and end the process."""
        with self._mutex:
            self._end(CLOSE_SECONDS)

    def _start(self) -> None:
        ours, theirs = Pipe()
        arguments = [json.dumps(sys.path), str(theirs.fileno()), str(os.getpid())]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, *arguments],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self._connection = ours
        answer = self._told(self._order, "")
        if "configuration" in answer:
            self._end()
            raise ConfigurationError(answer["configuration"])
        self.name, self.can_unlink = answer["name"], answer["can_unlink"]
        self._refusals = frozenset(answer["refusals"])

    def _start_again(self) -> None:
        try:
            self._start()
        except ConfigurationError as error:
            raise RegistrationAwayError(
                f"The registration hook had to be ended and does not start again: {error}"
            ) from None

    def _told(self, message: Mapping[str, Any], method: str) -> dict[str, Any]:
        """The answer to a message; the empty method stands for loading the hook."""
        seconds = self._timeout if method else max(self._timeout, LEAST_LOAD_SECONDS)
        try:
            answer = self._answer(message, seconds)
        except (EOFError, OSError):
            self._end()
            if not method:
                raise ConfigurationError(f"{HOOK_SETTING}: its process died while the hook was loaded.") from None
            raise RegistrationFailedError(f"The registration hook's process died in {method}.") from None
        except BaseException:  # whoever interrupts us: an answer that comes later is not to be taken for the next one's
            self._end()
            raise
        if answer is not None:
            return answer
        self._end()
        within = f"within {seconds:g} s ({TIMEOUT_SETTING})"
        if not method:
            raise ConfigurationError(f"{HOOK_SETTING}: the hook was not loaded {within}.")
        raise RegistrationAwayError(
            f"The registration hook's {method} did not answer {within} and was ended: the next run tries again."
        )

    def _answer(self, message: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        connection = self._connection
        if connection is None:
            raise EOFError
        connection.send_bytes(json.dumps(message).encode())
        if not connection.poll(seconds):
            return None
        answer: dict[str, Any] = json.loads(connection.recv_bytes())
        return answer

    def _end(self, patience_seconds: float = 0.0) -> None:
        """End the process: it ends by itself when nobody asks any more, or else is killed with all it has started."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            if patience_seconds:
                process.wait(patience_seconds)
                return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
