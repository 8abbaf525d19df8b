"""Basic and bearer authentication (RFC 7617, RFC 6750) with secrets from files; no secret is in any `repr`."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Generator
from pathlib import Path

import httpx

from dicom_assets.errors import ConfigurationError

_LONGEST_SECRET_BYTES = 64 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750 2.1."""


class SecretFile:
    """A secret in a file, read anew when the file changes. Threads may share it."""

    def __init__(self, path: str, setting: str) -> None:
        """`setting` is what names the file, for messages."""
        self._path = Path(path)
        self._setting = setting
        self._mutex = threading.Lock()
        self._stamp: tuple[int, ...] = ()
        self._secret = ""

    def __repr__(self) -> str:
        """Name the setting alone."""
        return f"SecretFile({self._setting})"

    def read(self, *, anew: bool = False) -> str:
        """The secret, without line ends; `anew`: whatever the file's times say.

        Raises:
            ConfigurationError: the file is missing, unreadable, empty or no text.
        """
        with self._mutex:
            try:
                status = self._path.stat()
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if anew or stamp != self._stamp:
                    self._secret = self._content()
                    self._stamp = stamp
            except OSError as error:
                raise self.unusable(type(error).__name__) from None
            return self._secret

    def _content(self) -> str:
        with self._path.open("rb") as file:
            content = file.read(_LONGEST_SECRET_BYTES + 1)
        try:
            secret = content.decode().strip("\r\n")
        except UnicodeDecodeError:
            raise self.unusable("no UTF-8 text") from None
        if not secret or len(content) > _LONGEST_SECRET_BYTES or any(ord(character) < 32 for character in secret):
            raise self.unusable("empty, too long, or of several lines")
        return secret

    def unusable(self, why: str) -> ConfigurationError:
        """The error for a file that does not hold what it should."""
        return ConfigurationError(f"{self._setting} can't be used ({why}): it must name a file with one line.")


class Credentials(httpx.Auth):
    """Puts the header on each request; after a 401 reads the secret anew and asks once more if it has changed."""

    def __init__(self, secret: SecretFile) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        """Say what kind it is, and no more."""
        return f"{type(self).__name__}({self._secret!r})"

    def check(self) -> None:
        """Return if the secret can be read.

        Raises:
            ConfigurationError: it can't.
        """
        self._header(self._secret.read())

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Authenticate one request, for httpx."""
        used = self._secret.read()
        request.headers["Authorization"] = self._header(used)
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED and (fresh := self._secret.read(anew=True)) != used:
            request.headers["Authorization"] = self._header(fresh)
            yield request

    def _header(self, secret: str) -> str:
        raise NotImplementedError


class BasicCredentials(Credentials):
    """User name and password."""

    def __init__(self, user: str, secret: SecretFile) -> None:
        super().__init__(secret)
        self._user = user

    def _header(self, secret: str) -> str:
        return "Basic " + base64.b64encode(f"{self._user}:{secret}".encode()).decode("ascii")


class BearerToken(Credentials):
    """A token; who renews it writes it to the file."""

    def _header(self, secret: str) -> str:
        token = secret.strip()
        if not _TOKEN.fullmatch(token):  # httpx would quote it in its complaint
            raise self._secret.unusable("no bearer token")
        return f"Bearer {token}"
