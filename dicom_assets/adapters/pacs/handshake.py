"""Why no connection comes about: tried by hand, since pynetdicom keeps the reasons to itself."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from dicom_assets.adapters.pacs.tls import TlsFiles, client_context

ALERT_SECONDS = 0.5
"""How long a TLS 1.3 server gets to refuse our certificate: it does so after the handshake."""

# X509_V_ERR_* of OpenSSL.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21, 27)
_WRONG_HOST = (62, 64)

_REFUSES_CERTIFICATE = ("BAD_CERTIFICATE", "UNKNOWN_CA", "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "ACCESS_DENIED")
_NO_COMMON_WAY = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "INSUFFICIENT_SECURITY", "NO_SHARED_CIPHER")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a connection from coming about and which setting to look at; `may_pass` where waiting may help."""

    message: str
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Handshake:
    """A handshake that came about: the TLS version, and until when the peer's certificate is valid."""

    version: str
    valid_until: datetime


def trouble_with(host: str, port: int, tls: TlsFiles | None, setting: str, seconds: float) -> Trouble | None:
    """What keeps us from connecting; None where nothing does as far as TCP and TLS go.

    Each wait lasts at most `seconds`.
    """
    if tls is None:
        return _trouble_in_plain(host, port, setting, seconds)
    outcome = shake_hands(host, port, tls, seconds)
    return outcome if isinstance(outcome, Trouble) else None


def shake_hands(host: str, port: int, tls: TlsFiles, seconds: float) -> Handshake | Trouble:
    """Open and close a TLS connection as our associations do.

    Raises:
        ConfigurationError: a TLS file is missing or not what its setting says.
    """
    context = client_context(tls)
    try:
        connection = socket.create_connection((host, port), seconds)
    except OSError:
        return _nothing_answers(host, port, tls.setting)
    with connection:
        try:
            with context.wrap_socket(connection, server_hostname=host) as secured:
                handshake = _handshake_of(secured)
                _await_refusal(secured, seconds)
                return handshake
        except OSError as error:  # ssl.SSLError is one
            return _reason(error, f"{host} port {port}", tls)


def speaks_tls(host: str, port: int, seconds: float) -> bool:
    """Whether TLS of any kind is spoken there; nothing is checked, nothing is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), seconds) as connection, context.wrap_socket(connection):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def trouble_in_connecting(host: str, port: int, setting: str, seconds: float) -> Trouble | None:
    """What keeps TCP from connecting, whatever is spoken there."""
    try:
        socket.create_connection((host, port), seconds).close()
    except OSError:
        return _nothing_answers(host, port, setting)
    return None


def _trouble_in_plain(host: str, port: int, setting: str, seconds: float) -> Trouble | None:
    trouble = trouble_in_connecting(host, port, setting, seconds)
    if trouble is None and speaks_tls(host, port, seconds):
        return Trouble(
            f"{host} port {port} speaks TLS and we do not: set {setting}_TLS=yes and {setting}_TLS_CA_FILE, "
            f"or correct {setting}_PORT."
        )
    return trouble


def _nothing_answers(host: str, port: int, setting: str) -> Trouble:
    message = f"Nothing answers at {host} port {port}: start the PACS, or correct {setting}_HOST and {setting}_PORT."
    return Trouble(message, may_pass=True)


def _handshake_of(secured: ssl.SSLSocket) -> Handshake:
    certificate = secured.getpeercert() or {}
    until = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return Handshake(secured.version() or "TLS", datetime.fromtimestamp(until, UTC))


def _await_refusal(secured: ssl.SSLSocket, seconds: float) -> None:
    """Raise what a TLS 1.3 server has against our certificate, or its lack; silence is consent."""
    secured.settimeout(min(ALERT_SECONDS, seconds))
    try:
        secured.recv(1)
    except TimeoutError:
        return


def _reason(error: OSError, place: str, tls: TlsFiles) -> Trouble:
    setting = tls.setting
    if isinstance(error, ssl.SSLCertVerificationError):
        return Trouble(f"{place} shows a certificate {_flaw(error.verify_code, setting)}")
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    ours = f"{setting}_TLS_CERT_FILE and {setting}_TLS_KEY_FILE"
    if any(mark in reason for mark in _REFUSES_CERTIFICATE):
        return Trouble(f"{place} refuses our certificate: set {ours} to one that it trusts and that is still valid.")
    if "CERTIFICATE_REQUIRED" in reason:
        return Trouble(f"{place} asks for a certificate of ours: set {ours}, and have the PACS trust it.")
    if "HANDSHAKE_FAILURE" in reason:
        return Trouble(
            f"{place} ended the TLS handshake: set {ours} if it asks for a certificate, have it trust that one, "
            "and have it offer TLS 1.2 or newer with ECDHE and AES-GCM."
        )
    if any(mark in reason for mark in _NO_COMMON_WAY):
        return Trouble(f"{place} speaks no TLS that we accept: have it offer TLS 1.2 or newer with ECDHE and AES-GCM.")
    return Trouble(
        f"{place} speaks no TLS, or broke off its handshake: set {setting}_TLS=no if it is plain DICOM, "
        f"or correct {setting}_PORT.",
        # Who answers with something else than TLS will go on so; who breaks off may be about to start, or overloaded.
        may_pass=not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError),
    )


def _flaw(code: int, setting: str) -> str:
    """The rest of the sentence for an OpenSSL verification error."""
    if code == _EXPIRED:
        return "that has expired: have it renewed there."
    if code == _NOT_YET_VALID:
        return "that is not valid yet: check this machine's clock, or have it issued anew."
    if code in _WRONG_HOST:
        return f"for another host: write {setting}_HOST as the certificate has it, or have it issued for this name."
    if code in _UNKNOWN_AUTHORITY:
        return f"of an authority that we do not know: set {setting}_TLS_CA_FILE to the file of that authority."
    return f"that does not pass (OpenSSL's code {code}): have it issued anew, or correct {setting}_TLS_CA_FILE."
