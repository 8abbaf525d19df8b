"""The files of the two folders, and names for them that may be shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from dicom_assets.errors import DicomAssetsError


class UnreadableFolderError(DicomAssetsError):
    """A folder is not there, or can't be read."""


def files_of(folder: Path, name: str) -> list[Path]:
    """All files under a folder, sorted by path.

    Args:
        folder: where to look.
        name: what an error calls it.

    Raises:
        UnreadableFolderError: it is no folder, or may not be listed.
    """

    def refuse(error: OSError) -> NoReturn:
        raise UnreadableFolderError(f"{name} or a folder in it can't be listed: {error.strerror}") from None

    if not folder.is_dir():
        raise UnreadableFolderError(f"{name} is not a folder")
    found = [Path(parent) / file for parent, _, files in os.walk(folder, onerror=refuse) for file in files]
    return sorted(path for path in found if path.is_file())


class SourceNames:
    """Source files as they may be shown: a running number, or the path under SOURCE where the operator asked for it."""

    def __init__(self, folder: Path, files: Iterable[Path], *, show: bool) -> None:
        self._folder = folder
        self._show = show
        self._numbers = {path: number for number, path in enumerate(files, start=1)}

    def __call__(self, path: Path) -> str:
        """The name of a file of SOURCE."""
        if self._show:
            return f"SOURCE/{path.relative_to(self._folder).as_posix()}"
        return f"source file {self._numbers[path]}"


class DestinationNames:
    """Files of DEST as they may be shown: by path; by number, and name alone, where the path holds an identifier."""

    def __init__(self, folder: Path, files: Iterable[Path]) -> None:
        self._folder = folder
        self._numbers = {path: number for number, path in enumerate(files, start=1)}
        self._hidden: dict[Path, str] = {}

    def hide(self, path: Path, *, name_too: bool) -> None:
        """From now on the file's path is not shown, or even its name is not."""
        self._hidden[path] = "path not shown" if name_too else f"…/{path.name}"

    def __call__(self, path: Path) -> str:
        """The name of a file of DEST."""
        if path in self._hidden:
            return f"DEST file {self._numbers[path]} ({self._hidden[path]})"
        return path.relative_to(self._folder).as_posix()
