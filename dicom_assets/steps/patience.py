"""How long a step goes on trying while a PACS is away, and the pauses in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from dicom_assets.errors import PacsAwayError

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

SETTLE_SECONDS = 10.0
"""Some PACSs list what they stored only after a while: so long after it may have been sent, it is looked for again."""

T = TypeVar("T")
Pause = Callable[[float, str], None]
"""Waits so many seconds, and says why; raises RunStoppedError when the run is ended meanwhile."""


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds without any gain a step tries again what failed for now."""

    seconds: float
    pause: Pause

    def keep_trying(self, do: Callable[[], T], *, last_gain: Callable[[], float] | None = None) -> T:
        """Do it until it does not fail with PacsAwayError, with growing, jittered pauses.

        `last_gain` is the time (`time.monotonic`) of the latest success of a part; the clock starts there anew.

        Raises:
            PacsAwayError: the last one, when the time is over.
        """
        started = time.monotonic()
        reason = ""

        def note(state: RetryCallState) -> None:
            nonlocal reason
            reason = str(state.outcome.exception()) if state.outcome is not None else ""

        def is_over(state: RetryCallState) -> bool:
            since = max(started, last_gain()) if last_gain is not None else started
            return time.monotonic() + state.upcoming_sleep - since > self.seconds

        trying = Retrying(
            retry=retry_if_exception_type(PacsAwayError),
            wait=wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
            stop=is_over,
            before_sleep=note,
            sleep=lambda seconds: self.pause(seconds, reason),
            reraise=True,
        )
        return trying(do)

    def pause_before_round(self, number: int) -> None:
        """Pause before asking for the same again: longer each time, within the patience."""
        if number:
            seconds = min(FIRST_PAUSE_SECONDS * 2 ** (number - 1), self.seconds)
            self.pause(seconds, "instances did not arrive that the PACS lists; they are asked for again")
