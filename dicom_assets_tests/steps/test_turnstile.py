"""When a PACS may be used: windows over the day, and no faster than it may be."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest

from dicom_assets.errors import ConfigurationError, RunStoppedError
from dicom_assets.steps.turnstile import DailyWindow, Turnstile


@pytest.mark.parametrize(
    ("window", "now", "opens_in"),
    [
        ("20:00-06:00", "19:59:30", timedelta(seconds=30)),
        ("20:00-06:00", "20:00:00", timedelta()),
        ("20:00-06:00", "23:59:59", timedelta()),
        ("20:00-06:00", "00:00:00", timedelta()),
        ("20:00-06:00", "05:59:59", timedelta()),
        ("20:00-06:00", "06:00:00", timedelta(hours=14)),
        ("08:30-17:00", "08:29:59", timedelta(seconds=1)),
        ("08:30-17:00", "16:59:00", timedelta()),
        ("08:30-17:00", "17:00:00", timedelta(hours=15, minutes=30)),
        ("00:00-00:00", "12:00:00", timedelta()),
    ],
)
def test_window_opens_when_it_says(window: str, now: str, opens_in: timedelta) -> None:
    parsed = DailyWindow.parse(window, "STAGING_PACS_WINDOW")

    assert parsed is not None
    assert parsed.opens_in(datetime.fromisoformat(f"2026-03-01T{now}")) == opens_in


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-03-28T01:30+01:00", 2.0),
        ("2026-03-29T01:30+01:00", 1.0),
        ("2026-10-25T01:30+02:00", 3.0),
        ("2026-10-25T02:30+02:00", 2.0),
        ("2026-10-25T02:30+01:00", 1.0),
    ],
)
def test_window_opens_by_the_clock_on_days_when_clocks_change(
    monkeypatch: pytest.MonkeyPatch, now: str, hours: float
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert DailyWindow(210, 360).opens_in(datetime.fromisoformat(now)) == timedelta(hours=hours)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_empty_window_is_always() -> None:
    assert DailyWindow.parse(" ", "STAGING_PACS_WINDOW") is None


@pytest.mark.parametrize("text", ["20-6", "20:00", "24:00-06:00", "20:00-06:60", "8pm-6am", "20:00-06:00 UTC"])
def test_window_that_reads_otherwise_names_its_setting(text: str) -> None:
    with pytest.raises(ConfigurationError, match="RESEARCH_PACS_WINDOW must be a time of day"):
        DailyWindow.parse(text, "RESEARCH_PACS_WINDOW")


def test_study_waits_for_the_window_and_says_so() -> None:
    minute = (datetime.now().astimezone() + timedelta(minutes=90)).strftime("%H:%M")
    later = (datetime.now().astimezone() + timedelta(minutes=150)).strftime("%H:%M")
    turnstile = Turnstile("the research PACS", DailyWindow.parse(f"{minute}-{later}", "RESEARCH_PACS_WINDOW"))
    waits: list[tuple[float, str]] = []

    def pause(seconds: float, reason: str) -> None:
        waits.append((seconds, reason))
        raise RunStoppedError("enough")

    with pytest.raises(RunStoppedError):
        turnstile.wait(pause)

    [(seconds, reason)] = waits
    assert 88 * 60 <= seconds <= 90 * 60
    assert reason == "the research PACS is not to be used at this time of day"


def test_next_study_waits_as_long_as_the_last_one_should_have_taken() -> None:
    turnstile = Turnstile("the staging PACS", bytes_per_second=1e6)
    waits: list[float] = []

    def pause(seconds: float, reason: str) -> None:
        waits.append(seconds)
        raise RunStoppedError("enough")

    turnstile.passed(60_000_000, turnstile.wait(pause))
    with pytest.raises(RunStoppedError):
        turnstile.wait(pause)

    assert len(waits) == 1
    assert 55 < waits[0] <= 60


def test_study_that_took_long_enough_by_itself_makes_nobody_wait() -> None:
    turnstile = Turnstile("the staging PACS", bytes_per_second=1e6)
    began = turnstile.wait(lambda seconds, reason: pytest.fail("waited")) - 61

    turnstile.passed(60_000_000, began)

    turnstile.wait(lambda seconds, reason: pytest.fail("waited"))


def test_without_limits_nobody_waits() -> None:
    turnstile = Turnstile()
    turnstile.passed(10**12, time.monotonic())

    turnstile.wait(lambda seconds, reason: pytest.fail("waited"))
