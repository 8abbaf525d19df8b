"""A run that somebody stops: nothing half done is passed off as done, and the next run goes on."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

import pytest

from dicom_assets_tests.conftest import SmallSite
from dicom_assets_tests.scripted_pacs import Gate

pytestmark = pytest.mark.long


def test_run_that_is_stopped_while_it_sends_stops_soon_and_the_next_one_finishes(make_site: SmallSite) -> None:
    site = make_site((1,))
    gate = Gate()

    def judge(_uid: str, keep: Callable[[], int]) -> int:
        gate.stop()
        return keep()

    site.research.judge = judge
    process = subprocess.Popen(
        site.deployment.job_command(),
        env=site.deployment.process_environment(),
        cwd=site.deployment.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    gate.wait_until_reached()
    process.send_signal(signal.SIGINT)
    gate.open()
    process.wait(120)

    assert process.returncode != 0
    assert 0 < site.research.count() < site.study().publishable
    assert "NOT FINISHED" in site.deployment.overview()
    assert "run_stopped" in {event["event"] for event in site.deployment.events()}
    assert not site.deployment.study_row(site.study().study_uid)["image_published"]
    assert not site.deployment.study_row(site.study().study_uid)["processing_error"]

    assert site.deployment.execute().success
    assert site.research.count() == site.research.stored == site.study().publishable
