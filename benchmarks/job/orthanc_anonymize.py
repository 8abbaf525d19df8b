"""What Orthanc does by itself: anonymize each study, then send the copy to the other PACS by C-STORE."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.job.orthanc import Pacs
from benchmarks.job.scene import Facts, Scene


class OrthancAnonymize:
    """`/studies/{id}/anonymize` with Orthanc's own profile, `/modalities/{id}/store`, so many studies at once."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self.name = "Orthanc anonymize, C-STORE" + (f", {at_once} studies at once" if at_once > 1 else "")

    def problem(self) -> str:
        """None: without Orthanc there is no benchmark at all."""
        return ""

    @contextmanager
    def prepared(self, scene: Scene) -> Iterator[Callable[[], Facts]]:
        """By the REST interface of the staging PACS; the copies that this leaves there are deleted afterwards."""
        staging = scene.nodes.staging
        originals = staging.study_ids()

        def work() -> Facts:
            with ThreadPoolExecutor(self._at_once) as pool:
                waiting = [pool.submit(_move, staging, study) for study in sorted(originals)]
                try:
                    for study in waiting:
                        study.result()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
            return Facts()

        try:
            yield work
        finally:
            for study in sorted(staging.study_ids() - originals):
                staging.ask("DELETE", f"/studies/{study}")


def _move(staging: Pacs, study: str) -> None:
    copy = staging.ask("POST", f"/studies/{study}/anonymize", {"Synchronous": True, "Permissive": False})
    body = {"Resources": [copy["ID"]], "Synchronous": True, "Permissive": False}
    staging.ask("POST", "/modalities/research/store", body)
