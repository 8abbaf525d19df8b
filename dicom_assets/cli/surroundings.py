"""What every command needs: settings, and errors that people can read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from dotenv import load_dotenv

from dicom_assets.errors import ConfigurationError, DicomAssetsError

if TYPE_CHECKING:
    from dicom_assets.adapters.between_runs import BetweenRuns
    from dicom_assets.adapters.identity_db import DryRunIdentityDatabase
    from dicom_assets.defs.surroundings import Resources


DEFAULT_DATA_DIR = ".demo/data"
"""As `definitions.SETTINGS` has it: reading that imports Dagster, which takes seconds."""


def load_settings() -> None:
    """Take settings from the file .env in this folder, as Dagster does; what the environment says wins."""
    load_dotenv(Path.cwd() / ".env")


def data_dir() -> Path:
    """The setting DATA_DIR."""
    return Path(os.environ.get("DATA_DIR") or DEFAULT_DATA_DIR)


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with exit code 1 and the message alone where something of ours was raised."""
    try:
        yield
    except DicomAssetsError as error:
        raise click.ClickException(str(error)) from None


def setting(name: str) -> str:
    """A setting from the environment, else its default."""
    from dicom_assets.definitions import SETTINGS

    return os.environ.get(name) or SETTINGS[name]


def settings_as_resources() -> Resources:
    """What the settings describe, as a run sees it.

    Raises:
        ConfigurationError: a setting that must be a number is none.
    """
    from dicom_assets.defs.settings import build_resources
    from dicom_assets.defs.surroundings import Resources

    def value(name: str, kind: type) -> Any:
        try:
            return kind(setting(name))
        except ValueError:
            raise ConfigurationError(f"{name} must be a whole number.") from None

    parts: Any = build_resources(value)
    return Resources(**parts)


def open_log() -> BetweenRuns:
    """Where what is done by command is written down; opened first, so that nothing is done unsaid.

    Raises:
        StorageError: it can't be written.
    """
    from dicom_assets.adapters.between_runs import BetweenRuns

    log = BetweenRuns(data_dir())
    log.require_writable()
    return log


@contextmanager
def open_identity_db() -> Iterator[DryRunIdentityDatabase]:
    """The identity database, for reading only.

    Raises:
        ConfigurationError: it does not open, or the secret is not the one that it was made with.
    """
    from dicom_assets.adapters.identity_db import IdentityDatabase
    from dicom_assets.defs.resources import IdentityDbResource

    resource = IdentityDbResource(
        url=setting("IDENTITY_DB_URL"),
        secret_file=setting("IDENTITY_SECRET_FILE"),
        key_file=setting("IDENTITY_KEY_FILE"),
    )
    database = IdentityDatabase.open_for_dry_run(resource.url, resource.secret(), key=resource.key())
    try:
        yield database
    finally:
        database.close()
