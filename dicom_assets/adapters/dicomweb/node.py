"""Where a PACS answers DICOMweb, and who we are to it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from dicom_assets.adapters.dicomweb.credentials import BasicCredentials, BearerToken, Credentials, SecretFile
from dicom_assets.adapters.pacs.tls import TlsFiles
from dicom_assets.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class DicomwebNode:
    """A PACS's base URL (checked, without a slash at its end), and the settings' prefix that names it.

    `tls` holds the files for HTTPS; `credentials` is None where the PACS asks for none; `timeout_seconds` is how long
    it may be silent. `service` stands in the settings' names after the prefix: `REST` for what is not DICOMweb.
    """

    url: str
    setting: str
    tls: TlsFiles
    credentials: Credentials | None = None
    max_connections: int = 2
    timeout_seconds: float = 300.0
    service: str = "DICOMWEB"

    @property
    def prefix(self) -> str:
        """What the settings for URL and credentials begin with."""
        return f"{self.setting}_{self.service}"

    @classmethod
    def of(
        cls,
        setting: str,
        url: str,
        tls: TlsFiles,
        *,
        user: str = "",
        password_file: str = "",
        token_file: str = "",
        max_connections: int = 2,
        timeout_seconds: float = 300.0,
        service: str = "DICOMWEB",
    ) -> DicomwebNode:
        """A PACS by its settings.

        Raises:
            ConfigurationError: the URL or the credentials can't be used, or would travel where anybody can read them.
        """
        prefix = f"{setting}_{service}"
        credentials = _credentials(prefix, user, password_file, token_file)
        checked = _checked_url(f"{prefix}_URL", url, has_credentials=credentials is not None)
        if max_connections < 1:
            raise ConfigurationError(f"{setting}_MAX_ASSOCIATIONS must be at least 1.")
        return cls(checked, setting, tls, credentials, max_connections, timeout_seconds, service)


def _credentials(prefix: str, user: str, password_file: str, token_file: str) -> Credentials | None:
    names = f"{prefix}_USER and {prefix}_PASSWORD_FILE"
    if bool(user) != bool(password_file):
        raise ConfigurationError(f"{names} go together: set both or neither.")
    if token_file and user:
        raise ConfigurationError(f"Set {names}, or {prefix}_TOKEN_FILE, but not both.")
    if token_file:
        return BearerToken(SecretFile(token_file, f"{prefix}_TOKEN_FILE"))
    if not user:
        return None
    if ":" in user:
        raise ConfigurationError(f"{prefix}_USER may hold no colon (RFC 7617).")
    return BasicCredentials(user, SecretFile(password_file, f"{prefix}_PASSWORD_FILE"))


def _checked_url(setting: str, url: str, *, has_credentials: bool) -> str:
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"{setting} is not a URL, as https://pacs.example.org/dicom-web is.") from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or port == 0:
        raise ConfigurationError(f"{setting} must be a URL such as https://pacs.example.org/dicom-web.")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{setting} must hold no user or password: name them in settings of their own.")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{setting} must be a base URL, without ? and #.")
    if parts.scheme.lower() == "http" and has_credentials and not _is_loopback(parts.hostname):
        raise ConfigurationError(f"{setting} must begin with https://: credentials would travel in the clear.")
    return _plain(parts)


def _plain(parts: SplitResult) -> str:
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl().rstrip("/")


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
