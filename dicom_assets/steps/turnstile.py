"""When a PACS may be asked for a study: within its daily window, and not faster than it may be used."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_assets.errors import ConfigurationError
from dicom_assets.steps.patience import Pause

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """The time of day, in minutes of this machine's local time, in which a PACS may be used; it may span midnight."""

    start_minute: int
    end_minute: int

    @classmethod
    def parse(cls, text: str, setting: str) -> DailyWindow | None:
        """`20:00-06:00`; None for an empty text, which is always.

        Raises:
            ConfigurationError: it reads otherwise.
        """
        if not text.strip():
            return None
        match = _WINDOW.fullmatch(text.strip())
        if match is None:
            raise ConfigurationError(f"{setting} must be a time of day such as 20:00-06:00, or empty for always.")
        hour, minute, end_hour, end_minute = map(int, match.groups())
        return cls(hour * 60 + minute, end_hour * 60 + end_minute)

    def opens_in(self, now: datetime) -> timedelta:
        """How long until it is open; zero while it is. The same start and end is the whole day.

        Between an aware `now` and the opening lie as many hours as pass, on the days on which the clocks change, too.
        """
        minute = now.hour * 60 + now.minute
        length = (self.end_minute - self.start_minute) % (24 * 60) or 24 * 60
        if (minute - self.start_minute) % (24 * 60) < length:
            return timedelta()
        until = timedelta(minutes=(self.start_minute - minute) % (24 * 60))
        opens = now.replace(second=0, microsecond=0, tzinfo=None) + until
        return (opens if now.tzinfo is None else opens.astimezone()) - now


class Turnstile:
    """Lets one study after the other through to a PACS: in its window, and at most so many bytes a second on average.

    Threads share it.
    """

    def __init__(
        self, name: str = "the PACS", window: DailyWindow | None = None, bytes_per_second: float = 0.0
    ) -> None:
        """`name` is for people who ask why a study waits; `bytes_per_second` of 0 is no limit."""
        self._name = name
        self._window = window
        self._bytes_per_second = bytes_per_second
        self._mutex = threading.Lock()
        self._free_at = float("-inf")

    def wait(self, pause: Pause) -> float:
        """Return when the next study may go, with that time (`time.monotonic`).

        Raises:
            RunStoppedError: the run was ended meanwhile.
        """
        while True:
            closed_seconds = self._seconds_closed()
            if closed_seconds > 0:
                pause(closed_seconds, f"{self._name} is not to be used at this time of day")
                continue
            with self._mutex:
                busy_seconds = self._free_at - time.monotonic()
            if busy_seconds <= 0:
                return time.monotonic()
            pause(busy_seconds, f"{self._name} is not to be used faster")

    def _seconds_closed(self) -> float:
        if self._window is None:
            return 0.0
        return self._window.opens_in(datetime.now().astimezone()).total_seconds()

    def passed(self, size_bytes: int, began: float) -> None:
        """So many bytes of a study went through, whole or not, since it began (`time.monotonic`)."""
        if self._bytes_per_second > 0:
            with self._mutex:
                self._free_at = max(self._free_at, began) + size_bytes / self._bytes_per_second
