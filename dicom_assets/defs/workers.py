"""Worker processes for de-identification. They start without Dagster and end with the run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from loky import get_reusable_executor

WATCH_SECONDS = 0.5


@contextmanager
def worker_processes(count: int) -> Iterator[Executor]:
    """An executor on processes of their own, which are gone afterwards, even when this process is killed."""
    executor = get_reusable_executor(
        max_workers=count, reuse=False, initializer=end_with_parent, initargs=(os.getpid(),)
    )
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
