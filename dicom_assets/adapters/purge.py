"""Images of finished studies go, text stays: what makes room under `DATA_DIR` without forgetting what happened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dicom_assets.adapters.durable_file import storage_errors
from dicom_assets.adapters.study_store import ATTACHED, INSTANCES, MANIFEST, PURGED, FolderStudyStore
from dicom_assets.errors import StudyBusyError
from dicom_assets.study import STAGES, Stage, StudyKey

STAGES_WITH_IMAGES = frozenset({Stage.PULLED, Stage.DEIDENTIFIED})
"""The others hold text: that a study is registered and published stays true."""


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A study's folder: how far it got, when that was, and what its images take (bytes)."""

    study_key: StudyKey
    stage: Stage | None
    finished_at: datetime
    image_bytes: int

    @property
    def is_finished(self) -> bool:
        """Whether it was published."""
        return self.stage is Stage.PUBLISHED


def stored_studies(root: Path) -> Iterator[StoredStudy]:
    """All studies that hold images, by their keys.

    Raises:
        StorageError: a folder can't be read.
    """
    with storage_errors("look through the studies"):
        folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        for folder in folders:
            images = sum(file.stat().st_size for file in _images(folder))
            if images:
                yield _stored(folder, images)


def _stored(folder: Path, image_bytes: int) -> StoredStudy:
    done = [stage for stage in STAGES if (folder / stage / MANIFEST).is_file()]
    newest = max(path.stat().st_mtime for path in [folder, *(folder / stage / MANIFEST for stage in done)])
    at = (folder / Stage.PUBLISHED / MANIFEST).stat().st_mtime if Stage.PUBLISHED in done else newest
    return StoredStudy(StudyKey(folder.name), done[-1] if done else None, datetime.fromtimestamp(at, UTC), image_bytes)


def _images(folder: Path) -> Iterator[Path]:
    """Instance files of stages, drafts and of what a killed run left between the two."""
    for place in folder.iterdir():
        if (place / INSTANCES).is_dir() and (place.name.startswith(".") or place.name in STAGES_WITH_IMAGES):
            yield from (file for file in (place / INSTANCES).iterdir() if file.is_file())


def purge(store: FolderStudyStore, study: StoredStudy) -> bool:
    """Remove a study's images; manifests stay, and stages that held them count as not done. False while a run has it.

    A run that takes the study again pulls it again.

    Raises:
        StorageError: something can't be removed.
    """
    try:
        with store.lock(study.study_key), storage_errors("remove a study's images"):
            folder = store.root / study.study_key
            for place in sorted(path for path in folder.iterdir() if (path / INSTANCES).is_dir()):
                if place.name.startswith("."):
                    shutil.rmtree(place)
                elif place.name in STAGES_WITH_IMAGES and any((place / INSTANCES).iterdir()):
                    note = {"purged_at": datetime.now(UTC).isoformat(timespec="seconds")}
                    (place / PURGED).write_text(json.dumps(note), encoding="utf-8")
                    shutil.rmtree(place / INSTANCES)
                    shutil.rmtree(place / ATTACHED, ignore_errors=True)
    except StudyBusyError:
        return False
    return True
