"""A page that is written anew whenever something happened, and yet costs next to nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from dicom_assets.errors import StorageError

CHEAP_SECONDS = 0.005
"""Of processor time. What costs less is written whenever something happened, but for a pause that is asked for."""


class PacedWriter:
    """Calls `write` when something happened: on the caller's thread where that is allowed, else a little later.

    Writing takes at most a `share` of the time, and there are at least `pause_seconds` between two writes. What can't
    be written is raised by the next call.
    """

    def __init__(
        self, write: Callable[[], None], *, pause_seconds: float = 0.0, share: float = 0.05, at_once: bool = True
    ) -> None:
        """`at_once` is False where not even the first writing may hold up the caller."""
        self._write = write
        self._pause = pause_seconds
        self._share = share
        self._at_once = at_once
        self._next_at = time.monotonic() + (0.0 if at_once else pause_seconds / 4)
        self._writing = threading.Lock()
        self._planning = threading.Lock()
        self._timer: threading.Timer | None = None
        self._problem: StorageError | None = None

    def soon(self) -> None:
        """Something happened.

        Raises:
            StorageError: it can't be written, or could not when it was last tried.
        """
        with self._planning:
            self._raise_problem()
            if self._timer is not None:
                return
            wait = self._next_at - time.monotonic()
            if wait > 0 or not self._at_once:
                self._timer = threading.Timer(max(wait, 0.0), self._later)
                self._timer.daemon = True
                self._timer.start()
                return
        self._write_timed()

    def now(self) -> None:
        """Write on the caller's thread, whatever it costs: nothing more will happen for a while, or ever.

        Raises:
            StorageError: it can't be written.
        """
        with self._planning:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._problem = None
        self._write_timed()

    def _later(self) -> None:
        with self._planning:
            self._timer = None
        try:
            self._write_timed()
        except StorageError as error:
            with self._planning:
                self._problem = error

    def _write_timed(self) -> None:
        with self._writing:
            began = time.thread_time()  # what it costs, however busy the machine is with other things
            try:
                self._write()
            finally:
                took = time.thread_time() - began
                rest = took / self._share if took > CHEAP_SECONDS else 0.0
                self._next_at = time.monotonic() + max(self._pause, rest)

    def _raise_problem(self) -> None:
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem
