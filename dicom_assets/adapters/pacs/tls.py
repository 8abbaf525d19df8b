"""TLS for DICOM and HTTPS: the BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from dicom_assets.errors import ConfigurationError

# PS3.15 B.12: TLS 1.2 or newer, forward secrecy, authenticated encryption; RFC 9325 4.1 advises against DHE. These
# hold for TLS 1.2; every suite of TLS 1.3 qualifies.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the authorities to trust (empty for those of the system), our certificate and its key.

    `setting` is the settings' prefix (`STAGING_PACS`, `LOCAL`), for messages.
    """

    setting: str
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """For connections that we open: the peer's certificate and host name are checked, ours is shown where there is one.

    Raises:
        ConfigurationError: a file is missing, unreadable or not what its setting says.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    if not files.ca_file:
        context.load_default_certs()
    _load(context, files)
    return context


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """For our Storage SCP: peers must show a certificate that `ca_file` vouches for.

    Raises:
        ConfigurationError: a file is missing, unreadable or not what its setting says.
    """
    for name, path in (("CERT", files.certificate_file), ("CA", files.ca_file)):
        if not path:
            raise ConfigurationError(f"{files.setting}_TLS_{name}_FILE must be set for our Storage SCP to use TLS.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.verify_mode = ssl.CERT_REQUIRED
    _load(context, files)
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    try:
        if files.ca_file:
            context.load_verify_locations(files.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise _unusable(f"{files.setting}_TLS_CA_FILE", error) from None
    if not files.certificate_file:
        return
    try:
        context.load_cert_chain(files.certificate_file, files.key_file or None, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise _unusable(f"{files.setting}_TLS_CERT_FILE or {files.setting}_TLS_KEY_FILE", error) from None


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal: a service has nobody to answer."""
    return ""


def _unusable(setting: str, error: Exception) -> ConfigurationError:
    why = "no such file" if isinstance(error, FileNotFoundError) else type(error).__name__
    return ConfigurationError(f"{setting} can't be used ({why}): it must be readable PEM, keys without a password.")
