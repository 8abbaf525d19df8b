"""Files with originals in them: for their owner alone, whole or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicom_assets.adapters.durable_file import sync_folder
from dicom_assets.errors import ConfigurationError


@contextmanager
def private_file(path: Path, *, replace: bool) -> Iterator[Path]:
    """An empty file of mode 0600 that becomes `path` at the end; if anything goes wrong, nothing is left of it.

    Raises:
        ConfigurationError: `path` is there already and is not to be replaced, or can't be written.
    """
    if path.exists() and not replace:
        raise ConfigurationError(f"{path} is there already: name another file, or say that it may be replaced.")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        draft.touch(mode=0o600, exist_ok=False)
        yield draft
        _flush(draft)
        if replace:
            draft.replace(path)
        else:
            os.link(draft, path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written ({type(error).__name__}).") from None
    finally:
        for rest in (draft, draft.with_name(f"{draft.name}-journal")):
            rest.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
