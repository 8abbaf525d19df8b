"""Trying again while a PACS is away: bounded in time, with pauses, and not for other failures."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dicom_assets.errors import PacsAwayError, PacsError
from dicom_assets.steps.patience import LONGEST_PAUSE_SECONDS, Patience

Pauses = list[tuple[float, str]]


def recorded(pauses: Pauses) -> Callable[[float, str], None]:
    return lambda seconds, reason: pauses.append((seconds, reason))


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def do() -> str:
        if left:
            raise left.pop()
        return "done"

    return do


def test_what_was_away_for_a_while_succeeds() -> None:
    pauses: Pauses = []

    assert Patience(3600, recorded(pauses)).keep_trying(failing(5, PacsAwayError("away"))) == "done"

    assert len(pauses) == 5
    assert all(0 <= seconds <= LONGEST_PAUSE_SECONDS and reason == "away" for seconds, reason in pauses)


def test_without_patience_nothing_is_tried_again() -> None:
    pauses: Pauses = []

    with pytest.raises(PacsAwayError, match="away"):
        Patience(0, recorded(pauses)).keep_trying(failing(1, PacsAwayError("away")))

    assert pauses == []


def test_other_failures_are_not_tried_again() -> None:
    pauses: Pauses = []

    with pytest.raises(PacsError, match="refused"):
        Patience(3600, recorded(pauses)).keep_trying(failing(1, PacsError("refused")))

    assert pauses == []


def test_patience_ends_when_the_next_pause_would_outlast_it() -> None:
    with pytest.raises(PacsAwayError):
        Patience(0.3, lambda seconds, reason: time.sleep(seconds)).keep_trying(failing(10**6, PacsAwayError("away")))


def test_clock_begins_anew_with_each_gain() -> None:
    pauses: Pauses = []
    do = failing(50, PacsAwayError("away"))

    # Without the gains, the pauses of 50 failures, which nobody sleeps here, would not fit; each gain is now.
    result = Patience(LONGEST_PAUSE_SECONDS + 1, recorded(pauses)).keep_trying(do, last_gain=time.monotonic)

    assert result == "done"
    assert len(pauses) == 50


def test_pauses_between_rounds_grow_within_the_patience() -> None:
    pauses: Pauses = []
    patience = Patience(3.0, recorded(pauses))

    for number in range(4):
        patience.pause_before_round(number)

    assert [seconds for seconds, _ in pauses] == [1.0, 2.0, 3.0]
