"""The run's folder goes wrong while the run works: it says so, no image is lost, and the next run makes up for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_assets.adapters.audit_trail import run_folders
from dicom_assets.demo.pacs_index import Entry
from dicom_assets.study import STAGES, Stage
from dicom_assets_tests.conftest import Site, running_site
from dicom_assets_tests.defs.test_bad_settings import message_of
from dicom_assets_tests.event_schema import events_in, misfits
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.small_disk import fill_up
from dicom_assets_tests.small_studies import INSTANCES, small_study, sop_uids

STUDY = small_study(61, "on its way when the trouble comes")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path, (STUDY,)) as site:
        yield site


def at_instance(place: int, act: Callable[[], object]) -> Callable[[str, Callable[[], int]], int]:
    """A research PACS that keeps what it is sent, and while it gets the instance of this place, something happens."""
    seen: list[str] = []

    def judge(uid: str, keep: Callable[[], int]) -> int:
        seen.append(uid)
        if len(seen) == place:
            act()
        return keep()

    return judge


def the_next_run_finishes(site: Site) -> None:
    """Run again, and see that nothing was sent twice and everybody knows of the study."""
    key = site.deployment.study_key(STUDY.study_uid)
    site.research.judge = lambda _uid, keep: keep()

    assert site.deployment.execute().success

    assert len(site.research.offered) == site.research.count() == INSTANCES
    assert site.deployment.study_row(STUDY.study_uid)["image_published"]
    assert site.deployment.materialized() == {str(stage): {key} for stage in STAGES}
    events = events_in(site.deployment.run_folder() / "events.jsonl")
    assert misfits(events) == []
    told = {event["stage"] for event in events if event["event"] in ("stage_finished", "stage_skipped", "stage_found")}
    assert Stage.PUBLISHED in told
    assert leaks(site) == []


def test_run_folder_removed_while_a_study_is_sent_fails_it_and_nothing_is_published_unnoticed(site: Site) -> None:
    site.research.judge = at_instance(2, lambda: shutil.rmtree(site.deployment.run_folder()))

    result = site.deployment.execute()

    assert not result.success
    assert "The run's folder under DATA_DIR can't be written (ENOENT)" in message_of(result)
    assert "removed while it was written to" in message_of(result)
    row = site.deployment.study_row(STUDY.study_uid)
    assert not row["image_published"]
    assert not row["processing_error"]
    assert run_folders(site.deployment.data) == []
    the_next_run_finishes(site)


def test_run_folder_removed_at_the_last_moment_is_made_up_for_by_the_next_run(site: Site) -> None:
    site.research.judge = at_instance(INSTANCES, lambda: shutil.rmtree(site.deployment.run_folder()))

    assert not site.deployment.execute().success

    the_next_run_finishes(site)


def test_run_folder_removed_while_a_study_is_pulled_keeps_what_has_arrived(site: Site) -> None:
    def deliver(entries: list[Entry]) -> Iterator[Entry]:
        for place, entry in enumerate(entries):
            if place == 3:
                shutil.rmtree(site.deployment.run_folder())
            yield entry

    site.staging.deliver = deliver
    result = site.deployment.execute()
    site.staging.deliver = list

    assert "(ENOENT)" in message_of(result)
    assert site.research.offered == []
    the_next_run_finishes(site)
    assert len(site.staging.handed_out) < 2 * INSTANCES, "what had arrived was not asked for again"
    assert set(site.staging.handed_out) == set(sop_uids(STUDY))


def test_runs_folder_that_is_a_file_stops_the_run_before_anything_is_pulled(site: Site) -> None:
    site.deployment.data.mkdir(exist_ok=True)
    (site.deployment.data / "runs").write_text("in the way")

    result = site.deployment.execute()

    assert "The run's folder under DATA_DIR can't be written" in message_of(result)
    assert site.staging.handed_out == []
    (site.deployment.data / "runs").unlink()
    the_next_run_finishes(site)


def test_disk_that_fills_up_while_a_study_is_sent_fails_it_and_nothing_is_published_unnoticed(
    tmp_path: Path, small_disk: Path
) -> None:
    with running_site(tmp_path, (STUDY,), DATA_DIR=small_disk / "data", MIN_FREE_DISK_MEGABYTES=0) as site:
        site.research.judge = at_instance(2, lambda: fill_up(small_disk))

        result = site.deployment.execute()

        assert "(ENOSPC)" in message_of(result)
        assert "disk" in message_of(result)
        assert not site.deployment.study_row(STUDY.study_uid)["image_published"]
        assert not site.deployment.study_row(STUDY.study_uid)["processing_error"]
        (small_disk / "filler").unlink()
        events = events_in(site.deployment.run_folder() / "events.jsonl")
        assert misfits(events) == [], "no line is half written"
        the_next_run_finishes(site)
