"""Studies that wait until a PACS may be used: hours may pass, in which reviewers and PACSs change their minds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dicom_assets.steps.turnstile import DailyWindow, Turnstile
from dicom_assets_tests.conftest import Site, SmallSite


@pytest.mark.parametrize(
    ("turnstile", "reached"), [("staging", []), ("research", ["pulled", "deidentified", "registered"])]
)
def test_study_whose_approval_is_withdrawn_while_it_waits_goes_no_further(
    make_site: SmallSite, monkeypatch: pytest.MonkeyPatch, turnstile: str, reached: list[str]
) -> None:
    """A window may open hours after the study came to it."""
    site = make_site((5,), **{f"{turnstile.upper()}_PACS_WINDOW": "20:00-06:00"})
    withdraw = "UPDATE staging_radiologystudyreview SET has_phi = 1"
    monkeypatch.setattr(DailyWindow, "opens_in", once_closed(lambda: site.deployment.sql("review", withdraw)))

    result = site.deployment.execute()

    assert not result.success
    assert "does not approve the study" in site.deployment.overview()
    assert [event["stage"] for event in site.deployment.events() if event["event"] == "stage_finished"] == reached
    assert not site.deployment.study_row(site.study().study_uid)["processing_error"]
    assert site.research.offered == []


def test_research_pacs_is_looked_at_again_once_its_window_has_opened(
    make_site: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it held when the study came to the window says nothing of what it holds hours later."""
    site = make_site((5,))
    assert site.deployment.execute().success
    key = site.deployment.study_key(site.study().study_uid)
    [one, *others] = site.research.folder.glob("*.dcm")
    lose(site, one)
    site.deployment.set(RESEARCH_PACS_WINDOW="20:00-06:00")
    monkeypatch.setattr(DailyWindow, "opens_in", once_closed(lambda: lose(site, *others)))

    assert site.deployment.execute(partition=key).success

    assert site.research.count() == site.study().publishable


def test_what_came_of_a_study_that_failed_counts_for_the_throttle(
    make_site: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site((5,))
    charged: list[int] = []
    monkeypatch.setattr(Turnstile, "passed", lambda _turnstile, size_bytes, _began: charged.append(size_bytes))
    site.staging.deliver = lambda entries: entries[:-1] if len(entries) > 1 else []

    assert not site.deployment.execute().success

    [draft] = (site.deployment.data / "studies").glob("*/.pulled.draft/instances")
    kept = [file.stat().st_size for file in draft.iterdir()]
    assert len(kept) > 1
    assert charged == [sum(kept)]


def once_closed(meanwhile: Callable[[], None]) -> Callable[[DailyWindow, datetime], timedelta]:
    """A window that is closed when it is first looked at, and open from then on."""
    waits = iter([timedelta(seconds=0.1)])

    def opens_in(_window: DailyWindow, _now: datetime) -> timedelta:
        wait = next(waits, timedelta())
        if wait:
            meanwhile()
        return wait

    return opens_in


def lose(site: Site, *files: Path) -> None:
    """Have the research PACS forget instances."""
    site.research.stop()
    for file in files:
        file.unlink()
    site.research.start()
