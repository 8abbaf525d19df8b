"""What the commands of `dicom-assets identity` share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.surroundings import setting
from dicom_assets.errors import ConfigurationError, DicomAssetsError

if TYPE_CHECKING:
    from dicom_assets.adapters.identity_db.ledger import Ledger


class CouldNotError(click.ClickException):
    """Ends with exit code 2, as wrong usage does; 1 stands for something that was found."""

    exit_code = 2


@contextmanager
def refusals() -> Iterator[None]:
    """End with exit code 2 and the message alone where something of ours was raised."""
    try:
        yield
    except DicomAssetsError as error:
        raise CouldNotError(str(error)) from None


@contextmanager
def open_ledger(*, make: bool = False) -> Iterator[Ledger]:
    """The identity database, brought to the newest schema; made where there is none if `make`.

    Raises:
        ConfigurationError: it does not open, is not there, or goes by another secret or key.
    """
    from dicom_assets.adapters.identity_db.schema import open_upgraded

    url, secret, key = _settings()
    if not make:
        _require_there(url)
    ledger = open_upgraded(url, secret, key)
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def open_for_reading() -> Iterator[Ledger]:
    """The identity database as it is; nothing is written.

    Raises:
        ConfigurationError: it does not open, is not there, is older than this program, or goes by another secret or
            key.
    """
    from dicom_assets.adapters.identity_db.schema import open_existing

    ledger = open_existing(*_settings())
    if ledger is None:
        raise ConfigurationError("IDENTITY_DB_URL: there is no identity database yet; the first run makes it.")
    try:
        yield ledger
    finally:
        ledger.close()


def reason_given(reason: str | None) -> str:
    """Why somebody asks; asked for on a terminal.

    Raises:
        UsageError: it is not given, and there is nobody to ask.
    """
    if reason is None and sys.stdin.isatty():
        return str(click.prompt("Reason", err=True))
    if not (reason or "").strip():
        raise click.UsageError("Say why: --reason TEXT. It is written to the access log.")
    return reason or ""


def confirm(what: str, *, yes: bool) -> None:
    """Go on if `yes`, or if somebody on the terminal says so.

    Raises:
        UsageError: nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{what} Give --yes if that is meant.")
    click.confirm(f"{what} Go on?", abort=True, err=True)


def _settings() -> tuple[str, bytes, bytes | None]:
    from dicom_assets.adapters.identity_db.secret import read_key, read_secret

    key_file = setting("IDENTITY_KEY_FILE").strip()
    secret = read_secret(Path(setting("IDENTITY_SECRET_FILE")))
    return setting("IDENTITY_DB_URL"), secret, read_key(Path(key_file)) if key_file else None


def _require_there(url: str) -> None:
    from dicom_assets.adapters.databases import parse_url, sqlite_path

    parsed = parse_url(url, "IDENTITY_DB_URL")
    if parsed.get_backend_name() == "sqlite" and not sqlite_path(parsed, "IDENTITY_DB_URL").exists():
        raise ConfigurationError("IDENTITY_DB_URL: there is no identity database yet; the first run makes it.")
