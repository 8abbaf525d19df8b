"""What every command needs: settings, and errors that people can read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from dicom_assets.errors import DicomAssetsError


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
