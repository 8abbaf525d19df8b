"""Worker processes for de-identification. They start without Dagster and end with the run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from loky import ProcessPoolExecutor

WATCH_SECONDS = 0.5

P = ParamSpec("P")
T = TypeVar("T")


class RenewingExecutor(Executor):
    """Worker processes; when one of them died, what is submitted next goes to new ones.

    What the dead pool still had to do fails; that is for its submitters to handle.
    """

    def __init__(self, count: int) -> None:
        """Nothing starts before the first `submit`."""
        self._count = count
        self._mutex = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a worker process call `fn`."""
        with self._mutex:
            try:
                future: Future[T] = self._started().submit(fn, *args, **kwargs)
            except BrokenProcessPool:
                self._pool = None
                future = self._started().submit(fn, *args, **kwargs)
            return future

    def renew(self) -> None:
        """Kill the worker processes, whatever they do; others take what is submitted next."""
        self.shutdown(wait=False, cancel_futures=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the worker processes."""
        with self._mutex:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=wait, kill_workers=cancel_futures)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._count, initializer=end_with_parent, initargs=(os.getpid(),))
        return self._pool


@contextmanager
def worker_processes(count: int) -> Iterator[RenewingExecutor]:
    """An executor on processes of their own, which are gone afterwards, even when this process is killed."""
    executor = RenewingExecutor(count)
    try:
        yield executor
    finally:
        executor.shutdown(wait=True)


def end_with_parent(parent: int) -> None:
    """Be a worker: end as soon as the process that started this one is no more."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
