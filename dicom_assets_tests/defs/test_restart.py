"""Killed in the middle of any stage, the job goes on where it was and ends as if nothing had happened."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dicom_assets.demo.pacs_index import Entry
from dicom_assets.study import STAGES
from dicom_assets_tests.conftest import Site, SmallSite, of_the_demo, running_site
from dicom_assets_tests.scripted_pacs import OUT_OF_RESOURCES, Gate
from dicom_assets_tests.waiting import has_happened, killed_job, wait_until, write_lock

pytestmark = pytest.mark.long

Snapshot = tuple[dict[str, bytes], list[Any]]
PLACE = 15
"""Which of the study's 40 instances is on its way when the job is killed."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """What an undisturbed run of the same study leaves: research PACS and recorded UIDs."""
    with running_site(tmp_path_factory.mktemp("undisturbed"), of_the_demo(1)) as site:
        assert site.deployment.execute().success
        return snapshot(site)


def snapshot(site: Site) -> Snapshot:
    with closing(sqlite3.connect(site.deployment.folder / "identity.db")) as connection:
        uids = connection.execute("SELECT original, replacement, study_key FROM identity_uid ORDER BY original")
        return site.research_files(), uids.fetchall()


def stages_of(site: Site, event: str) -> list[str]:
    return [one["stage"] for one in site.deployment.events() if one["event"] == event]


def finish(site: Site, undisturbed: Snapshot, *, skipped: int) -> None:
    """Run again, and see that all is as after an undisturbed run and that no finished stage was done again."""
    result = site.deployment.execute()

    assert result.success
    assert stages_of(site, "stage_skipped") == list(STAGES[:skipped])
    assert stages_of(site, "stage_finished") == list(STAGES[skipped:])
    assert_finished(site, undisturbed)


def assert_finished(site: Site, undisturbed: Snapshot) -> None:
    assert snapshot(site) == undisturbed
    row = site.deployment.study_row(site.study().study_uid)
    assert row["image_published"]
    assert not row["processing_error"]
    key = site.deployment.study_key(site.study().study_uid)
    assert site.deployment.materialized() == {str(stage): {key} for stage in STAGES}


def held_at(gate: Gate, *, ends: bool) -> Callable[[list[Entry]], Iterator[Entry]]:
    """A staging PACS that stops at that place, and ends what it was doing when it is let go on."""

    def deliver(entries: list[Entry]) -> Iterator[Entry]:
        for place, entry in enumerate(entries, start=1):
            if place == PLACE:
                gate.stop()
                if ends:
                    return
            yield entry

    return deliver


@pytest.mark.parametrize("protocol", ["c-get", "c-move"])
def test_kill_while_pulling_asks_only_for_what_had_not_arrived(
    make_site: SmallSite, undisturbed: Snapshot, protocol: str
) -> None:
    site = make_site((1,), STAGING_PACS_PROTOCOL=protocol)
    gate = Gate()
    site.staging.deliver = held_at(gate, ends=True)
    with killed_job(site.deployment):
        gate.wait_until_reached()
    arrived = list(site.staging.handed_out)
    site.staging.deliver = list
    gate.open()

    finish(site, undisturbed, skipped=0)

    assert len(arrived) == PLACE - 1
    assert sorted(site.staging.handed_out) == sorted(site.study().series[0].sop_uids)
    assert len(site.research.offered) == site.study().publishable


def test_kill_while_deidentifying_begins_that_stage_anew_and_pulls_nothing(
    make_site: SmallSite, undisturbed: Snapshot
) -> None:
    site = make_site((1,))
    assert site.deployment.execute(stages=["pulled"]).success
    pulled = len(site.staging.handed_out)
    file = site.deployment.data.joinpath(
        "studies", site.deployment.study_key(site.study().study_uid), "pulled", "instances", f"{PLACE:06d}.dcm"
    )
    aside = file.rename(site.deployment.folder / "aside.dcm")
    os.mkfifo(file)  # whoever reads this instance waits for ever
    with killed_job(site.deployment):
        wait_until(lambda: has_happened(site.deployment, stage="deidentified", done=32), "all other batches")
    file.unlink()
    aside.rename(file)

    finish(site, undisturbed, skipped=1)

    assert len(site.staging.handed_out) == pulled


def test_kill_while_registering_registers_once(make_site: SmallSite, undisturbed: Snapshot) -> None:
    site = make_site((1,))
    with write_lock(site.deployment.folder / "research.db"), killed_job(site.deployment):
        wait_until(lambda: has_happened(site.deployment, event="stage_started", stage="registered"), "registration")

    finish(site, undisturbed, skipped=2)

    with closing(sqlite3.connect(site.deployment.folder / "research.db")) as connection:
        rows = connection.execute("SELECT study_uid, total_images FROM staging_radiologystudy").fetchall()
    assert [images for uid, images in rows if uid] == [site.study().publishable]
    assert len(site.staging.handed_out) == site.study().instances


@pytest.mark.parametrize("kept", [True, False], ids=["kept but not acknowledged", "lost on its way"])
def test_kill_while_publishing_sends_again_only_what_the_research_pacs_does_not_show(
    make_site: SmallSite, undisturbed: Snapshot, kept: bool
) -> None:
    site = make_site((1,))
    gate = Gate()
    in_flight: list[str] = []

    def judge(uid: str, keep: Callable[[], int]) -> int:
        if len(site.research.offered) < PLACE or in_flight:
            return keep()
        in_flight.append(uid)
        status = keep() if kept else OUT_OF_RESOURCES
        gate.stop()
        return status

    site.research.judge = judge
    with killed_job(site.deployment):
        gate.wait_until_reached()
    gate.open()

    finish(site, undisturbed, skipped=3)

    again = [uid for uid in set(site.research.offered) if site.research.offered.count(uid) > 1]
    assert again == ([] if kept else in_flight)
    assert len(site.staging.handed_out) == site.study().instances


def test_kill_before_the_review_database_is_told_tells_it_and_sends_nothing(
    make_site: SmallSite, undisturbed: Snapshot
) -> None:
    site = make_site((1,))
    with write_lock(site.deployment.folder / "review.db"), killed_job(site.deployment):
        wait_until(lambda: _manifests(site, "published"), "the published stage")
    assert not site.deployment.study_row(site.study().study_uid)["image_published"]

    finish(site, undisturbed, skipped=4)

    assert len(site.research.offered) == site.study().publishable


@pytest.mark.parametrize("by_partition", [False, True], ids=["queue", "partition"])
def test_kill_before_dagster_is_told_of_finished_stages_lets_the_next_run_tell_it(
    make_site: SmallSite, undisturbed: Snapshot, by_partition: bool
) -> None:
    site = make_site((1,))
    gate = Gate()
    site.staging.deliver = held_at(gate, ends=False)
    with killed_job(site.deployment):
        gate.wait_until_reached()
        with write_lock(_dagster_events_of_the_run(site)):
            gate.open()
            wait_until(lambda: site.deployment.study_row(site.study().study_uid)["image_published"], "the mark")
    key = site.deployment.study_key(site.study().study_uid)
    assert not any(site.deployment.materialized().values())

    result = site.deployment.execute(partition=key if by_partition else None)

    assert result.success
    assert stages_of(site, "stage_finished") == []
    assert_finished(site, undisturbed)
    assert len(site.research.offered) == site.study().publishable


def _manifests(site: Site, stage: str) -> list[Path]:
    return list((site.deployment.data / "studies").glob(f"*/{stage}/manifest.json"))


def _dagster_events_of_the_run(site: Site) -> Path:
    [file] = set(Path(site.deployment.environment["DAGSTER_HOME"]).glob("history/runs/*-*.db"))
    return file
