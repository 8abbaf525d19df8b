"""What every command needs: settings, and errors that people can read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dicom_assets.errors import DicomAssetsError

if TYPE_CHECKING:
    from dicom_assets.adapters.identity_db import DryRunIdentityDatabase


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


@contextmanager
def open_identity_db() -> Iterator[DryRunIdentityDatabase]:
    """The identity database, for reading only.

    Raises:
        ConfigurationError: it does not open, or the secret is not the one that it was made with.
    """
    from dicom_assets.adapters.identity_db import IdentityDatabase
    from dicom_assets.defs.resources import IdentityDbResource

    resource = IdentityDbResource(url=setting("IDENTITY_DB_URL"), secret_file=setting("IDENTITY_SECRET_FILE"))
    database = IdentityDatabase.open_for_dry_run(resource.url, resource.secret())
    try:
        yield database
    finally:
        database.close()
