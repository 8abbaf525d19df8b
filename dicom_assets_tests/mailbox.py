"""A mail server on loopback that keeps what it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from dicom_assets_tests.deployment import free_port


@dataclass
class Mailbox:
    """What arrived, and whether anything is taken at all."""

    port: int
    messages: list[EmailMessage] = field(default_factory=list)
    status: str = "250 taken"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        """Take a message, for aiosmtpd."""
        if self.status.startswith("250"):
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
        return self.status

    @property
    def address(self) -> str:
        """The mailbox as Apprise names it."""
        return f"mailto://127.0.0.1:{self.port}/?from=assets@example.org&to=ops@example.org&mode=insecure"

    def texts(self) -> list[str]:
        """Subject and text of every message."""
        found = []
        for message in self.messages:
            body = message.get_body(("plain", "html"))
            assert body is not None
            found.append(f"{message['Subject']}\n{body.get_content()}")
        return found


@contextmanager
def running_mailbox(port: int | None = None) -> Iterator[Mailbox]:
    """A mail server that runs for as long as the block."""
    mailbox = Mailbox(port or free_port())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


def addresses(folder: Path, *urls: str) -> Path:
    """A file of addresses, for its owner alone."""
    file = folder / "notify"
    file.write_text("# who is told\n\n" + "\n".join(urls) + "\n")
    file.chmod(0o600)
    return file
