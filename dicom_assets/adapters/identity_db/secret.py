"""The deployment's secret, which replacements are derived with, and the key of an encrypted identity database."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from dicom_assets.adapters.identity_db.refusals import KEY_SETTING, SECRET_SETTING
from dicom_assets.errors import ConfigurationError

MIN_SECRET_BYTES = 16
MIN_KEY_BYTES = 32


def read_secret(path: Path, name: str = SECRET_SETTING) -> bytes:
    """The secret in a file, which errors call `name`.

    Raises:
        ConfigurationError: the file is missing, unreadable or too short.
    """
    return _content(path, name, MIN_SECRET_BYTES)


def read_key(path: Path, name: str = KEY_SETTING) -> bytes:
    """The key in a file, which errors call `name`.

    Raises:
        ConfigurationError: the file is missing, unreadable or too short.
    """
    return _content(path, name, MIN_KEY_BYTES)


def _content(path: Path, name: str, least: int) -> bytes:
    make_one = f"make one with `openssl rand -hex 32 > {path}`, mode 0600, and keep it safe"
    try:
        content = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"{name} {path} can't be read ({type(error).__name__}): {make_one}.") from None
    if len(content) < least:
        raise ConfigurationError(f"{name} holds less than {least} bytes: {make_one}.")
    return content


def new_secret() -> bytes:
    """A secret that nobody has."""
    return secrets.token_hex(32).encode("ascii")


def make_secret(path: Path) -> None:
    """Write a new secret, for its owner alone.

    Raises:
        ConfigurationError: the file is there already, or can't be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(new_secret() + b"\n")
    except OSError as error:
        raise ConfigurationError(f"The secret file {path} can't be written ({type(error).__name__}).") from None
