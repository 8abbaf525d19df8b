"""Scratch folders of dry runs: gone afterwards, also those that a killed run left."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dicom_assets.adapters.durable_file import make_private, storage_errors

SCRATCH = "scratch"


@contextmanager
def scratch_folder(data_dir: Path) -> Iterator[Path]:
    """A folder under `DATA_DIR/scratch/` that is gone afterwards."""
    with storage_errors("prepare the scratch folder"):
        root = data_dir / SCRATCH
        make_private(root)
        folder = root / uuid.uuid4().hex
        folder.mkdir(mode=0o700)
    lock = FileLock(folder / ".lock", blocking=False)
    with lock:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch(data_dir: Path) -> None:
    """Remove the scratch folders that killed dry runs left: they hold identified images."""
    root = data_dir / SCRATCH
    if root.is_dir():
        with storage_errors("sweep the scratch folder"):
            for abandoned in root.iterdir():
                _remove_if_abandoned(abandoned)


def _remove_if_abandoned(folder: Path) -> None:
    if not (folder / ".lock").exists():  # being made at this moment
        return
    try:
        with FileLock(folder / ".lock", blocking=False):
            shutil.rmtree(folder, ignore_errors=True)
    except (Timeout, OSError):
        return
