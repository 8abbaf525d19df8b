"""Are a stage's files what its manifest says they are?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from dicom_assets.errors import ChangedContentError
from dicom_assets.steps.ports import Progress, StageFolder
from dicom_assets.study import Fact


@dataclass(frozen=True, slots=True)
class FileState:
    """Files that were compared, and those that are not what they should be."""

    compared: int = 0
    changed: int = 0
    gone: int = 0
    of_nobody: int = 0

    @property
    def agree(self) -> bool:
        """Whether nothing is wrong with them."""
        return not (self.changed or self.gone or self.of_nobody)

    @property
    def facts(self) -> Mapping[str, Fact]:
        """The counts."""
        return {
            "files_compared": self.compared,
            "files_changed": self.changed,
            "files_gone": self.gone,
            "files_of_nobody": self.of_nobody,
        }


def compare_files(stage: StageFolder, progress: Progress) -> FileState:
    """Read every file of a stage and compare its SHA-256.

    Raises:
        StorageError: a file can't be read.
    """
    expected = {entry["file"]: entry["sha256"] for entry in stage.manifest()["instances"]}
    changed = gone = 0
    for done, (name, sha256) in enumerate(expected.items(), start=1):
        try:
            with closing(stage.open(name)) as file:
                changed += hashlib.file_digest(file, "sha256").hexdigest() != sha256  # type: ignore[arg-type]  # a BinaryIO has `readinto`
        except ChangedContentError:  # it is gone
            gone += 1
        progress(done, len(expected))
    of_nobody = len(set(stage.names()) - expected.keys())
    return FileState(len(expected), changed, gone, of_nobody)
