"""When each study was last examined: a small file in its folder."""

from __future__ import annotations

from pathlib import Path

from dicom_assets.adapters.durable_file import storage_errors
from dicom_assets.adapters.study_store import MANIFEST
from dicom_assets.study import Stage, StudyKey

_MARK = ".examined"


class ExaminationMarks:
    """The studies of a store, by how long they have not been examined."""

    def __init__(self, root: Path) -> None:
        """`root` is the folder of all studies."""
        self._root = root

    def longest_ago_first(self) -> list[StudyKey]:
        """Every study that was pulled once; those that were never examined come first."""
        with storage_errors("look through the studies"):
            folders = [path for path in self._root.iterdir() if path.is_dir()] if self._root.is_dir() else []
            pulled = [path for path in folders if (path / Stage.PULLED / MANIFEST).is_file()]
            return [StudyKey(path.name) for path in sorted(pulled, key=lambda path: (_when(path / _MARK), path.name))]

    def mark(self, study_key: StudyKey) -> None:
        """The study has been examined now."""
        with storage_errors("note an examination"):
            (self._root / study_key / _MARK).write_bytes(b"")


def _when(mark: Path) -> float:
    return mark.stat().st_mtime if mark.exists() else 0.0
