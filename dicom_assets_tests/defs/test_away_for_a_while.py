"""PACSs that are away or busy for a while, and staging PACSs that tell less than others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dicom_assets.demo.pacs_index import SOP_UID, Entry
from dicom_assets.study import Stage
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.defs.test_bad_settings import message_of
from dicom_assets_tests.scripted_pacs import OUT_OF_RESOURCES, ScriptedPacs
from dicom_assets_tests.small_studies import manifest
from dicom_assets_tests.waiting import has_happened, wait_until

PATIENCE_SECONDS = 60


@contextmanager
def away_for_a_while(pacs: ScriptedPacs, site: Site) -> Iterator[None]:
    """The PACS does not listen now; it does once a study waits for it."""

    def come_back() -> None:
        wait_until(lambda: has_happened(site.deployment, event="study_waits"), "a study that waits")
        pacs.start()

    pacs.stop()
    back = threading.Thread(target=come_back)
    back.start()
    try:
        yield
    finally:
        back.join()


def waits(site: Site) -> list[dict[str, Any]]:
    """What the newest run said of waiting."""
    return [event for event in site.deployment.events() if event["event"] == "study_waits"]


@pytest.mark.parametrize("pacs", ["staging", "research"])
def test_run_outlasts_a_pacs_that_is_away_for_a_while(make_site: SmallSite, pacs: str) -> None:
    site = make_site((5,), PACS_RETRY_SECONDS=PATIENCE_SECONDS)

    with away_for_a_while(getattr(site, pacs), site):
        result = site.deployment.execute()

    assert result.success
    assert site.research.count() == site.study().publishable
    events = waits(site)
    assert events
    assert {event["stage"] for event in events} == {"pulled" if pacs == "staging" else "published"}
    assert all("Nothing answers at 127.0.0.1" in event["reason"] for event in events)


def test_run_outlasts_a_research_pacs_that_is_out_of_resources_for_a_while(make_site: SmallSite) -> None:
    site = make_site((5,), PACS_RETRY_SECONDS=PATIENCE_SECONDS)
    offered: Counter[str] = Counter()

    def judge(uid: str, keep: Callable[[], int]) -> int:
        offered[uid] += 1
        return OUT_OF_RESOURCES if offered[uid] == 1 and len(offered) > 1 else keep()

    site.research.judge = judge

    assert site.deployment.execute().success
    assert site.research.count() == site.study().publishable
    assert sorted(offered.values()) == [1, *[2] * (site.study().publishable - 1)], "the first was sent again"


def test_run_waits_for_a_research_pacs_that_shows_what_it_stored_only_later(make_site: SmallSite) -> None:
    site = make_site((5,), PACS_RETRY_SECONDS=PATIENCE_SECONDS)
    last: list[str] = []

    def lists(entry: Entry) -> bool:
        if not last and site.research.count() == site.study().publishable:
            last.append(entry.text(SOP_UID))
        return entry.text(SOP_UID) not in last or bool(waits(site))

    site.research.lists = lists

    assert site.deployment.execute().success
    assert last
    assert [event["stage"] for event in waits(site)] == ["published"]
    assert "does not show 1 of" in waits(site)[0]["reason"]
    assert len(site.research.offered) == site.study().publishable, "nothing was sent twice"


def test_pacs_that_stays_away_fails_the_study_for_now(make_site: SmallSite) -> None:
    site = make_site((5,), PACS_RETRY_SECONDS=1)
    site.research.stop()

    result = site.deployment.execute()

    assert not result.success
    assert "Nothing answers at 127.0.0.1" in message_of(result)
    assert not site.deployment.study_row(site.study().study_uid)["processing_error"]
    site.research.start()
    assert site.deployment.execute().success


class TestCounts:
    """The staging PACS does not answer C-FIND at IMAGE level."""

    @pytest.fixture
    def site(self, make_site: SmallSite) -> Site:
        site = make_site((5,))
        site.staging.answers_at_image_level = False
        return site

    @pytest.mark.parametrize("by_series", [True, False])
    def test_study_is_complete_by_counts_and_the_manifest_says_so(self, site: Site, by_series: bool) -> None:
        site.staging.tells_counts = by_series

        assert site.deployment.execute().success

        assert manifest(site, site.study(), Stage.PULLED)["complete_by"] == "counts"
        assert manifest(site, site.study(), Stage.PULLED)["facts"]["instances"] == site.study().instances
        assert site.research.count() == site.study().publishable

    def test_shortfall_is_noticed_by_its_count(self, site: Site) -> None:
        site.staging.deliver = lambda entries: list(entries)[:-1]

        result = site.deployment.execute()

        assert not result.success
        assert "instances did not arrive" in message_of(result)
        assert site.deployment.study_row(site.study().study_uid)["processing_error"]
        assert site.research.offered == []
