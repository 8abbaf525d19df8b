"""E-mail, chat and webhooks by the library Apprise; its addresses stand in a file, since most hold a secret."""

from __future__ import annotations

import logging
import socket
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dicom_assets.errors import ConfigurationError

SETTING = "NOTIFY_URLS_FILE"
CONNECT_SECONDS = 5.0
_LONGEST_FILE_BYTES = 64 * 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """One address: the number of its line, and what it begins with. What it is made of is secret."""

    line: int
    kind: str
    url: str = field(repr=False)
    service: Any = field(repr=False)

    def __str__(self) -> str:
        """What may be shown of it."""
        return f"line {self.line} ({self.kind})"

    def endpoint(self) -> tuple[str, int] | None:
        """Host and port that it goes to, where it names them itself."""
        host = getattr(self.service, "smtp_host", None) or getattr(self.service, "host", None)
        secure = bool(getattr(self.service, "secure", False))
        port = getattr(self.service, "port", None) or _DEFAULT_PORTS["https" if secure else "http"]
        return (str(host), int(port)) if host and self.kind in _DIRECT else None


_DIRECT = frozenset({"mailto", "mailtos", "json", "jsons", "form", "forms", "xml", "xmls"})


class Notifier:
    """Sends messages to every address of the file."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = targets

    @classmethod
    def of(cls, path: Path) -> Notifier:
        """The addresses of a file; empty lines and those that begin with # do not count.

        Raises:
            ConfigurationError: the file, or a line of it, can't be used, or Apprise is not installed.
        """
        lines = _read(path).splitlines()
        named = [
            (number, line.strip()) for number, line in enumerate(lines, 1) if line.strip() and line.strip()[0] != "#"
        ]
        if not named:
            raise ConfigurationError(f"{SETTING}: the file names no address; write one a line, or leave it empty.")
        return cls([_target(number, url) for number, url in named])

    def send(self, title: str, body: str, but_to: Collection[str] = ()) -> Sequence[Target]:
        """Send to every address but those whose URLs are named; returns the addresses that did not take it."""
        return [target for target in self.targets if target.url not in but_to and not _took(target, title, body)]


def reaches(endpoint: tuple[str, int]) -> bool:
    """Whether somebody listens there; nothing is sent."""
    try:
        socket.create_connection(endpoint, CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_FILE_BYTES + 1)
        if len(content) > _LONGEST_FILE_BYTES:
            raise ConfigurationError(f"{SETTING} can't be used: it is no list of addresses, but larger than 64 KB.")
        return content.decode()
    except OSError as error:
        raise ConfigurationError(
            f"{SETTING} can't be read ({type(error).__name__}): correct its path or mode."
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{SETTING} can't be used: it is no UTF-8 text.") from None


def _apprise() -> Any:
    """The library, silent: its log names hosts and users."""
    try:
        import apprise
    except ImportError:
        raise ConfigurationError(
            f"{SETTING} is set, and Apprise is not installed: pip install 'dicom-assets[notify]'."
        ) from None
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    return apprise


def _target(line: int, url: str) -> Target:
    apprise = _apprise()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules that its plugins import
        service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        raise ConfigurationError(
            f"{SETTING}: line {line} is no address that Apprise knows, as mailtos://user:password@host?to=a@b.org or "
            "jsons://host/path is."
        )
    return Target(line, url.partition(":")[0].lower(), url, service)


def _took(target: Target, title: str, body: str) -> bool:
    apprise = _apprise()
    messenger = apprise.Apprise()
    messenger.add(target.service)
    return bool(messenger.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))
