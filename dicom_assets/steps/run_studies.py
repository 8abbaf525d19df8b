"""Many studies at once, each at its own pace; what is done is told the moment it is done."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event

from dicom_assets.steps.advance_study import Failure, Surroundings, Waiting, Wanted, advance_study
from dicom_assets.steps.manifests import StageOutcome
from dicom_assets.steps.select_studies import SelectedStudy

MOST_STUDIES_WAITING = 2
"""Studies in flight beyond the number of workers: most of a study's time is waiting for a PACS."""


def run_studies(
    studies: Sequence[SelectedStudy], around: Surroundings, wanted: Wanted, workers: int
) -> Generator[StageOutcome | Waiting | Failure]:
    """Advance the studies, several at a time, and yield each finished stage, each wait and each failure.

    One worker has one study after the other; several have up to two studies more than they are in flight.

    Studies advance on threads; everything is yielded on the caller's. When the caller goes away, the studies in
    flight stop at the next instance.
    """
    stopped = Event()
    news: SimpleQueue[StageOutcome | Waiting | Failure | None] = SimpleQueue()

    def work(study: SelectedStudy) -> None:
        try:
            failure = advance_study(study, around, wanted, news.put, stopped.is_set)
            if failure is not None:
                news.put(failure)
        finally:
            news.put(None)

    pool = ThreadPoolExecutor(max_workers=workers + min(workers - 1, MOST_STUDIES_WAITING), thread_name_prefix="study")
    try:
        for study in studies:
            pool.submit(work, study)
        under_way = len(studies)
        while under_way:
            item = news.get()
            if item is None:
                under_way -= 1
            else:
                yield item
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)
