"""What went wrong on the way to a PACS or there, as the errors that the steps know.

Paths hold UIDs, answers hold anything: no message takes more of either than the HTTP status.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from dicom_assets.adapters.dicomweb.node import DicomwebNode
from dicom_assets.errors import ConfigurationError, PacsAwayError, PacsError, PacsStatusError

_AWAY = frozenset({408, 425, 429, 502, 503, 504, 507})
"""Time-outs, too many requests, gateways without a PACS behind them, no space: all may pass (RFC 9110, RFC 6585)."""
_NOT_ALLOWED = (401, 403)
_SERVER_ERROR = 500
_LONGEST_RETRY_AFTER_DIGITS = 6


def failure_of(node: DicomwebNode, operation: str, response: httpx.Response, *, about_a_study: bool) -> PacsError:
    """The error for an answer that is not a success; `about_a_study`: a server error may be the study's fault."""
    status = response.status_code
    said = f"{node.url} answered {operation} with HTTP status {status}"
    if status in _NOT_ALLOWED:
        names = f"{node.prefix}_USER, _DICOMWEB_PASSWORD_FILE or _DICOMWEB_TOKEN_FILE"
        return PacsError(f"{said}: correct {names}, or have us allowed there what {operation} needs.")
    if status in _AWAY:
        return PacsAwayError(f"{said}{_asked_to_wait(response)}: it is away or busy, run again later.")
    if 300 <= status < 400:
        return PacsError(f"{said}, a redirect, and none is followed: correct {node.prefix}_URL.")
    message = f"{said}: see its own log, or correct {node.prefix}_URL."
    return PacsStatusError(message, blames_study=about_a_study and status == _SERVER_ERROR, status=status)


def _asked_to_wait(response: httpx.Response) -> str:
    seconds = response.headers.get("Retry-After", "")
    is_number = seconds.isascii() and seconds.isdigit() and len(seconds) <= _LONGEST_RETRY_AFTER_DIGITS
    return f", to be asked again in {seconds} s" if is_number else ""


def unusable_answer(node: DicomwebNode, operation: str, what: str, *, status: int = 200) -> PacsStatusError:
    """The error for a success whose content is not what PS3.18 has there."""
    return PacsStatusError(
        f"{node.url} answered {operation} with {what}: correct {node.prefix}_URL, or have the PACS mended.",
        blames_study=False,
        status=status,
    )


@contextmanager
def told_as_pacs_errors(node: DicomwebNode, operation: str) -> Iterator[None]:
    """Turn what httpx raises into errors that name the settings and no URL but the base.

    Raises:
        PacsAwayError: no connection, a time-out, or the connection was lost on the way.
        PacsError: its certificate is not trusted, or ours is not.
    """
    try:
        yield
    except httpx.TimeoutException as error:
        said = "can't be connected to" if isinstance(error, httpx.ConnectTimeout) else f"fell silent during {operation}"
        raise PacsAwayError(f"{node.url} {said} in time: check that it is up, then run again.") from None
    except httpx.DecodingError:
        raise unusable_answer(node, operation, "a content that can't be decompressed") from None
    except httpx.TransportError as error:
        raise _lost(node, operation, error) from None
    except (httpx.InvalidURL, httpx.RequestError) as error:
        raise ConfigurationError(
            f"{node.url} can't be asked ({type(error).__name__}): correct {node.prefix}_URL."
        ) from None


def _lost(node: DicomwebNode, operation: str, error: httpx.TransportError) -> PacsError:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return PacsError(
            f"The certificate of {node.url} is not vouched for, or names another host: "
            f"correct {node.setting}_TLS_CA_FILE, or the host in {node.prefix}_URL."
        )
    if cause is not None and not isinstance(cause, ssl.SSLEOFError):
        return PacsError(
            f"{node.url} and we can't agree on TLS 1.2 or newer, or it refuses our certificate: check "
            f"{node.prefix}_URL, {node.setting}_TLS_CERT_FILE and its own log."
        )
    if isinstance(error, httpx.ConnectError):
        return PacsAwayError(f"Nothing answers at {node.url}: start the PACS, or correct {node.prefix}_URL.")
    kind = type(error).__name__
    return PacsAwayError(f"{node.url} broke off {operation} ({kind}): check that it is up, then run again.")
