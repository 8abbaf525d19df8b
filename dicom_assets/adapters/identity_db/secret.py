"""The deployment's secret, which replacements are derived with."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from dicom_assets.errors import ConfigurationError

MIN_SECRET_BYTES = 16


def read_secret(path: Path) -> bytes:
    """The secret in a file.

    Raises:
        ConfigurationError: the file is missing, unreadable or too short.
    """
    make_one = f"make one with `openssl rand -hex 32 > {path}`, mode 0600, and keep it safe"
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(
            f"IDENTITY_SECRET_FILE {path} can't be read ({type(error).__name__}): {make_one}."
        ) from None
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigurationError(f"IDENTITY_SECRET_FILE holds less than {MIN_SECRET_BYTES} bytes: {make_one}.")
    return secret


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
