"""A file system of a few megabytes, mounted, that a test can really fill up or make read-only."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE = "8m"


@contextmanager
def mounted_disk(folder: Path) -> Iterator[Path]:
    """Mount it on a new folder; skip the test where this user may not."""
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a small file system to fill up")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def make_read_only(folder: Path, *, read_only: bool = True) -> None:
    """Remount it, so that not even root may write; or so that all is well again.

    Files that are open for writing keep it from that: the caller sees to it that none is.
    """
    subprocess.run(["mount", "-o", f"remount,{'ro' if read_only else 'rw'}", str(folder)], check=True)


def fill_up(folder: Path) -> Path:
    """Take all space that is left on a file system; it comes back when the returned file is deleted."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017  running out of space is the purpose
    return filler
