"""Messages on their way to people: `DATA_DIR/outbox/`, one file each, until every address has taken it.

Who has something to tell puts it here and goes on; a mail server that is away holds nobody up.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from dicom_assets.adapters.durable_file import make_private, storage_errors, write_durably
from dicom_assets.adapters.notifier import Notifier

FOLDER = "outbox"
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=3)
LONGEST_ROUND_SECONDS = 20.0
"""A sensor has a minute for its tick, and Apprise keeps seconds between two mails."""
_ODD = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Message:
    """What people are to be told; value-free. `taken` are salted hashes of the addresses that took it."""

    name: str
    title: str
    body: str
    made_at: str
    tries: int = 0
    not_before: str = ""
    taken: tuple[str, ...] = ()

    def mark_of(self, url: str) -> str:
        """What stands for an address in `taken`: URLs hold passwords."""
        return hashlib.sha256(f"{self.name} {self.made_at} {url}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Round:
    """What became of the messages: how many were taken, wait, were given up; and who did not take them."""

    taken: int = 0
    waiting: int = 0
    given_up: Sequence[str] = ()
    absent: Sequence[str] = ()

    def said(self) -> str:
        """In one line, without an address."""
        parts = [f"{self.taken} message(s) sent"] if self.taken else []
        if self.waiting:
            parts.append(f"{self.waiting} wait, not taken by {', '.join(self.absent) or 'anybody yet'}")
        if self.given_up:
            parts.append(f"{len(self.given_up)} given up after {GIVE_UP_AFTER.days} days")
        return "; ".join(parts) or "No message to send."


class Outbox:
    """The messages that wait. Any number of processes may use it."""

    def __init__(self, data_dir: Path) -> None:
        """Makes nothing before there is something to send."""
        self._folder = data_dir / FOLDER

    def put(self, name: str, title: str, body: str) -> None:
        """Have a message sent; one of the same name that still waits is replaced.

        Raises:
            StorageError: it can't be written.
        """
        with storage_errors("write a message"):
            make_private(self._folder)
        self._write(Message(_ODD.sub("-", name), title, body, datetime.now(UTC).isoformat()))

    def waiting(self) -> Sequence[Message]:
        """The messages that wait, the oldest first.

        Raises:
            StorageError: they can't be read.
        """
        with storage_errors("read the messages"):
            found = [_read(path.read_bytes()) for path in self._folder.glob("*.json")] if self._folder.is_dir() else []
        return sorted((one for one in found if one is not None), key=lambda one: one.made_at)

    def deliver(self, notifier: Notifier, now: datetime | None = None) -> Round:
        """Send what is due to those who have not taken it; what is not taken waits, longer each time, for three days.

        Raises:
            StorageError: the folder can't be read or written.
        """
        if not self._folder.is_dir():
            return Round()
        try:
            with FileLock(self._folder / ".lock", blocking=False):
                return self._deliver(notifier, now or datetime.now(UTC))
        except Timeout:  # another process is at it
            return Round(waiting=len(self.waiting()))

    def _deliver(self, notifier: Notifier, now: datetime) -> Round:
        taken, waiting, given_up, absent = 0, 0, list[str](), dict[str, None]()
        nobody_answers = False
        until = time.monotonic() + LONGEST_ROUND_SECONDS
        for message in self.waiting():
            is_due = not message.not_before or datetime.fromisoformat(message.not_before) <= now
            if not is_due or nobody_answers or time.monotonic() > until:
                waiting += 1
                continue
            known = [target.url for target in notifier.targets if message.mark_of(target.url) in message.taken]
            missed = notifier.send(message.title, message.body, but_to=known)
            nobody_answers = len(missed) == len(notifier.targets)
            if not missed:
                taken += 1
                self._drop(message)
            elif datetime.fromisoformat(message.made_at) + GIVE_UP_AFTER < now:
                given_up.append(message.title)
                self._drop(message)
            else:
                waiting += 1
                pause = min(FIRST_PAUSE * 2 ** min(message.tries, 10), LONGEST_PAUSE)
                marks = [message.mark_of(target.url) for target in notifier.targets if target not in missed]
                not_before = (now + pause).isoformat()
                self._write(replace(message, tries=message.tries + 1, not_before=not_before, taken=tuple(marks)))
            absent.update(dict.fromkeys(map(str, missed)))
        return Round(taken, waiting, given_up, list(absent))

    def _write(self, message: Message) -> None:
        write_durably(self._path(message), [json.dumps(asdict(message), indent=1).encode()], "write a message")

    def _drop(self, message: Message) -> None:
        with storage_errors("drop a message"):
            self._path(message).unlink(missing_ok=True)

    def _path(self, message: Message) -> Path:
        return self._folder / f"{message.name}.json"


def _read(content: bytes) -> Message | None:
    """A message; None for a file that is none, which nobody can send."""
    try:
        fields = json.loads(content)
        return Message(**{**fields, "taken": tuple(fields["taken"])})
    except (ValueError, KeyError, TypeError):
        return None
