"""A folder of DICOM files, and one for what becomes of them; implements the port `Folder`."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dicom_assets.errors import ChangedContentError, ConfigurationError, StorageError
from dicom_assets.study import FileReceipt

UNFINISHED = ".unfinished"
"""Below the target folder while the command runs; what a killed run left there is removed by the next."""


@contextmanager
def _storage_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = os.strerror(error.errno).lower() if error.errno else type(error).__name__
        raise StorageError(f"Could not {doing}: {name}. Mend that and run again; what is done stays.") from None


@dataclass(frozen=True, slots=True, repr=False)
class SourceFolder:
    """The files as they came. *Identified*."""

    path: Path

    def open(self, name: str) -> BinaryIO:
        """Read a file."""
        with _storage_errors("read a source file"):
            return (self.path / name).open("rb")


@dataclass(frozen=True, slots=True, repr=False)
class DraftFolder:
    """De-identified files that are not in their places yet; none is kept without a path. *Identified* by its names."""

    path: Path | None

    def write(self, name: str, content: bytes | Sequence[bytes | memoryview]) -> FileReceipt:
        """Write one file under the name it came by; returns its hash and size in bytes."""
        chunks = [content] if isinstance(content, bytes) else content
        digest = hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
        if self.path is not None:
            with _storage_errors("write to the target folder"):
                path = self.path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    file.writelines(chunks)
        return FileReceipt(sha256=digest.hexdigest(), size_bytes=sum(len(chunk) for chunk in chunks))


class DicomFolder:
    """Source, target and, where wanted, quarantine, all of one tree; use it in a `with`."""

    def __init__(self, source: Path, target: Path, quarantine: Path | None = None, *, dry_run: bool = False) -> None:
        """Take the folders; the last two are made when something is put there, which a dry run never does.

        Raises:
            ConfigurationError: the source is no folder, or one of the three lies in another.
        """
        if not source.is_dir():
            raise ConfigurationError("The source is not a folder.")
        folders = [path.resolve() for path in (source, target, quarantine) if path is not None]
        for number, one in enumerate(folders):
            if any(one == other or one in other.parents for other in folders[:number] + folders[number + 1 :]):
                raise ConfigurationError("Source, target and quarantine must not lie in one another.")
        self._source = source
        self._target = target
        self._quarantine = quarantine
        self._dry_run = dry_run
        self._unfinished = target / UNFINISHED
        self._placed: dict[str, str] = {}

    def __enter__(self) -> DicomFolder:
        """Clear away what a killed run left."""
        self._clear()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing unfinished behind."""
        self._clear()

    @property
    def source(self) -> SourceFolder:
        """The files as they came."""
        return SourceFolder(self._source)

    @property
    def draft(self) -> DraftFolder:
        """De-identified files that are not in their places yet."""
        return DraftFolder(None if self._dry_run else self._unfinished)

    def names(self) -> Sequence[str]:
        """Every file below the source, as a relative path with slashes, sorted; links to folders are not followed."""
        found = []
        for folder, _, files in os.walk(self._source):
            found += [(Path(folder) / name).relative_to(self._source).as_posix() for name in files]
        return sorted(found)

    def place(self, name: str, target: str, sha256: str) -> None:
        """Put a drafted file in its place, a path relative to the target folder.

        Raises:
            StorageError: the target can't be written to.
            ChangedContentError: this run put other bytes there before.
        """
        if self._placed.setdefault(target, sha256) != sha256:
            raise ChangedContentError("another file of this folder has the same SOP Instance UID and other content")
        if not self._dry_run:
            with _storage_errors("write to the target folder"):
                final = self._target / target
                final.parent.mkdir(parents=True, exist_ok=True)
                (self._unfinished / name).replace(final)

    def keep_back(self, name: str) -> None:
        """Copy a source file to the quarantine folder, where there is one."""
        if self._quarantine is None or self._dry_run:
            return
        with _storage_errors("write to the quarantine folder"):
            copy = self._quarantine / name
            copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(self._source / name, copy)

    def _clear(self) -> None:
        if self._unfinished.exists() and not self._dry_run:
            with _storage_errors("clear the target folder"):
                shutil.rmtree(self._unfinished)
