"""A disk of DATA_DIR that is full, really: the study on its way fails and says so, the others keep what they have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_assets.demo.pacs_index import STUDY_UID, Entry
from dicom_assets.study import Stage
from dicom_assets_tests.conftest import Site, running_site
from dicom_assets_tests.defs.test_bad_settings import message_of
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.small_disk import fill_up
from dicom_assets_tests.small_studies import INSTANCES, manifest, small_study, sop_uids

FIRST = small_study(51, "done before the disk is full")
SECOND = small_study(52, "on its way when the disk fills up")
THIRD = small_study(53, "not begun when the disk fills up")
STUDIES = (FIRST, SECOND, THIRD)


@pytest.fixture
def site(tmp_path: Path, small_disk: Path) -> Iterator[Site]:
    with running_site(tmp_path, STUDIES, DATA_DIR=small_disk / "data", MIN_FREE_DISK_MEGABYTES=0) as site:
        yield site


def test_disk_that_fills_up_fails_the_study_on_its_way_and_the_next_run_goes_on(site: Site, small_disk: Path) -> None:
    def deliver(entries: list[Entry]) -> Iterator[Entry]:
        for place, entry in enumerate(entries):
            if place == 1 and entry.text(STUDY_UID) == SECOND.study_uid:
                fill_up(small_disk)
            yield entry

    site.staging.deliver = deliver
    result = site.deployment.execute({"workers": 1})

    message = message_of(result)
    second, third = (site.deployment.study_key(study.study_uid) for study in (SECOND, THIRD))
    assert f"{second} at pulled: Could not write an instance of stage pulled (ENOSPC)" in message
    assert "the disk of DATA_DIR is full; free some space" in message
    assert third in message
    assert "DATA_DIR" in message.partition(third)[2]
    rows = [site.deployment.study_row(study.study_uid) for study in STUDIES]
    assert [bool(row["image_published"]) for row in rows] == [True, False, False]
    assert not any(row["processing_error"] for row in rows)
    assert len(manifest(site, FIRST, Stage.PUBLISHED)["hashes"]) == INSTANCES
    (small_disk / "filler").unlink()
    assert leaks(site) == []
    site.staging.deliver = list
    site.staging.handed_out.clear()

    assert site.deployment.execute().success

    assert len(set(site.staging.handed_out) & set(sop_uids(SECOND))) == INSTANCES - 1
    assert site.research.count() == INSTANCES * len(STUDIES)
    assert len(site.research.offered) == INSTANCES * len(STUDIES)


def test_disk_that_is_full_from_the_start_stops_the_run_with_a_clear_message(site: Site, small_disk: Path) -> None:
    (small_disk / "data").mkdir()
    filler = fill_up(small_disk)

    result = site.deployment.execute()

    message = message_of(result)
    assert "DATA_DIR" in message
    assert "full" in message
    assert site.research.offered == []
    assert not any(site.deployment.study_row(study.study_uid)["processing_error"] for study in STUDIES)
    filler.unlink()
    assert leaks(site) == []
    assert site.deployment.execute().success
