"""The folders of all studies: `DATA_DIR/studies/<study key>/<stage>/`, each finished in one rename.

A stage is written into a draft folder (`.<stage>.draft`) and becomes visible when the draft, with its
manifest inside, is renamed. A killed run leaves a draft, never half a stage. Every folder is 0700:
`pulled` holds identified images, and nobody but the operator has business in the others.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from dicom_assets.adapters.durable_file import DurableFile, make_private, storage_errors, sync_folder, write_durably
from dicom_assets.errors import ChangedContentError, StudyBusyError
from dicom_assets.study import FileReceipt, Stage, Stamp, StudyKey

MANIFEST = "manifest.json"
INSTANCES = "instances"
ATTACHED = "attached"
RESUME = ".resume"
HELD_BACK = "held_back.json"
"""What a person wants kept back of the study, whatever de-identifies it: de-identified UIDs."""
PURGED = "purged.json"
"""Marks a stage whose images were removed on purpose: it is there to be read about, and counts as not done."""
RETIRED = "withdrawn.json"
"""Marks a stage of a withdrawn study whose outcome was taken back: likewise."""
PUT_OFF = ".put_off"
"""A folder beside those of the studies, with an empty file for each that failed for now when it was tried last."""

NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK, errno.ENOSYS})

STAGES_IN_MEMORY = 32
"""Those of the studies in flight."""


class _Manifest:
    """A manifest that was read. The steps of one study ask for it many times, and it may list 20,000 instances."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self._digest = ""

    def digest(self) -> str:
        """SHA-256 of all but facts and inputs."""
        if not self._digest:
            content = {name: value for name, value in self.content.items() if name not in ("facts", "inputs")}
            self._digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return self._digest


class _Stamps:
    """How the files of the stages looked that this process finished last."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._of_stages: OrderedDict[Path, Mapping[str, Stamp]] = OrderedDict()

    def keep(self, stage: Path, stamps: Mapping[str, Stamp]) -> None:
        """Remember a stage's, and forget the oldest ones."""
        with self._mutex:
            self._of_stages.pop(stage, None)
            self._of_stages[stage] = stamps
            while len(self._of_stages) > STAGES_IN_MEMORY:
                self._of_stages.popitem(last=False)

    def of(self, stage: Path, name: str) -> Stamp | None:
        """That of a file, None where it is not known."""
        return self._of_stages.get(stage, {}).get(name)


_stamps = _Stamps()


@lru_cache(maxsize=STAGES_IN_MEMORY)
def _manifest(path: Path, stamp: tuple[int, int, int]) -> _Manifest:  # noqa: ARG001  the stamp tells a new one
    return _Manifest(json.loads(path.read_bytes()))


@dataclass(frozen=True, slots=True)
class FinishedStage:
    """A stage that stands; implements the port `StageFolder`."""

    path: Path

    def manifest(self) -> Mapping[str, Any]:
        """What went in and what came out; not to be changed, since it is shared."""
        return self._read().content

    def digest(self) -> str:
        """SHA-256 of what the manifest says of the content; doing the same again changes nothing."""
        return self._read().digest()

    def open(self, name: str) -> BinaryIO:
        """Read an instance file."""
        with storage_errors(f"read an instance of stage {self.path.name}"):
            try:
                return self.path_of(name).open("rb")
            except FileNotFoundError:
                raise ChangedContentError(
                    f"File {name} of stage {self.path.name} is gone. "
                    "Find out who removed it, clear the error, then run again with `refresh: true`."
                ) from None

    def path_of(self, name: str) -> Path:
        """Where an instance file lies."""
        return self.path / INSTANCES / name

    def stamp_of(self, name: str) -> Stamp | None:
        """How an instance file looked when this process finished the stage; None where another did, or long ago."""
        return _stamps.of(self.path, name)

    def names(self) -> Sequence[str]:
        """Instance files, sorted."""
        with storage_errors(f"list the instances of stage {self.path.name}"):
            return sorted(entry.name for entry in (self.path / INSTANCES).iterdir())

    def attachment(self, name: str) -> bytes | None:
        """What was attached, or None."""
        with storage_errors(f"read what is attached to stage {self.path.name}"):
            try:
                return (self.path / ATTACHED / name).read_bytes()
            except FileNotFoundError:
                return None

    def _read(self) -> _Manifest:
        path = self.path / MANIFEST
        with storage_errors(f"read the manifest of stage {self.path.name}"):
            status = path.stat()
            return _manifest(path, (status.st_ino, status.st_mtime_ns, status.st_size))


@dataclass(frozen=True, slots=True)
class DraftStage:
    """A stage being written; implements the port `StageDraft`."""

    path: Path
    target: Path

    def names(self) -> Sequence[str]:
        """Whole instance files in the draft, sorted."""
        return sorted(entry.name for entry in (self.path / INSTANCES).iterdir() if not entry.name.startswith("."))

    def begin(self, name: str) -> DurableFile:
        """Begin an instance file."""
        return DurableFile(self.path / INSTANCES / name, f"write an instance of stage {self.target.name}")

    def write(self, name: str, content: bytes | Sequence[bytes | memoryview]) -> FileReceipt:
        """Write one instance file durably."""
        chunks = [content] if isinstance(content, bytes) else content
        return write_durably(self.path / INSTANCES / name, chunks, f"write an instance of stage {self.target.name}")

    def open(self, name: str) -> BinaryIO:
        """Read an instance file of the draft."""
        with storage_errors(f"read an instance of stage {self.target.name}"):
            return (self.path / INSTANCES / name).open("rb")

    def take(self, name: str, path: Path) -> None:
        """Put in an instance file of a finished stage: a hard link where the file system has them."""
        target = self.path / INSTANCES / name
        with storage_errors(f"write an instance of stage {self.target.name}"):
            try:
                target.hardlink_to(path)
            except OSError as error:
                if error.errno not in NO_HARD_LINKS:
                    raise
                write_durably(target, [path.read_bytes()], f"write an instance of stage {self.target.name}")

    def discard(self, name: str) -> None:
        """Drop one instance file."""
        with storage_errors(f"drop an instance of stage {self.target.name}"):
            (self.path / INSTANCES / name).unlink(missing_ok=True)

    def attach(self, name: str, content: bytes) -> None:
        """Write something for people to look at."""
        with storage_errors(f"attach something to stage {self.target.name}"):
            make_private(self.path / ATTACHED)
            write_durably(self.path / ATTACHED / name, [content], f"attach something to stage {self.target.name}")

    def commit(
        self, manifest: Mapping[str, Any], written: Mapping[str, FileReceipt] = MappingProxyType({})
    ) -> FinishedStage:
        """Put the manifest in, then let the draft take the stage's place."""
        with storage_errors(f"finish stage {self.target.name}"):
            content = json.dumps(manifest, indent=1, sort_keys=True).encode()
            write_durably(self.path / MANIFEST, [content], f"finish stage {self.target.name}")
            sync_folder(self.path / INSTANCES)
            sync_folder(self.path)
            aside = self.target.with_name(f".{self.target.name}.old")
            shutil.rmtree(aside, ignore_errors=True)
            if self.target.exists():
                self.target.rename(aside)
            self.path.rename(self.target)
            sync_folder(self.target.parent)
            (self.target / RESUME).unlink(missing_ok=True)
            shutil.rmtree(aside, ignore_errors=True)
        _stamps.keep(self.target, {name: receipt.stamp for name, receipt in written.items() if receipt.stamp})
        return FinishedStage(self.target)


@dataclass(frozen=True, slots=True)
class FolderStudyStore:
    """Studies in a folder of a local or shared file system; implements the port `StudyStore`.

    With `fallback`, finished stages that are not here are read from there: a dry run writes into a
    scratch folder and reads what earlier runs left.
    """

    root: Path
    fallback: Path | None = None

    @contextmanager
    def lock(self, study_key: StudyKey) -> Iterator[None]:
        """Hold the study for this run; the lock dies with the process."""
        with storage_errors("prepare a study's folder"):
            make_private(self._folder(study_key))
            lock = FileLock(self._folder(study_key) / ".lock", blocking=False)
        with storage_errors("lock a study's folder"):
            try:
                lock.acquire()
            except Timeout:  # an OSError, too
                raise StudyBusyError(f"{study_key}: another run works on this study; it goes on there.") from None
        try:
            yield
        finally:
            lock.release()

    def finished(self, study_key: StudyKey, stage: Stage) -> FinishedStage | None:
        """A finished stage, or None."""
        found = self.recorded(study_key, stage)
        is_over = found is not None and any((found.path / mark).exists() for mark in (PURGED, RETIRED))
        return None if is_over else found

    def recorded(self, study_key: StudyKey, stage: Stage) -> FinishedStage | None:
        """A stage that was finished once, whether its images were removed since or not; or None."""
        for root in (self.root, self.fallback):
            folder = root / study_key / stage if root is not None else None
            if folder is not None and (folder / MANIFEST).is_file():
                return FinishedStage(folder)
        return None

    def manifest_of(self, study_key: StudyKey, stage: Stage) -> Mapping[str, Any] | None:
        """The manifest of a stage that was finished once, also where its images were removed or it was taken back."""
        folder = self._folder(study_key) / stage
        return FinishedStage(folder).manifest() if (folder / MANIFEST).is_file() else None

    def left_in_draft(self, study_key: StudyKey, stage: Stage, name: str) -> bytes | None:
        """A file that a run which ended before its time left in the draft of a stage; or None."""
        with storage_errors(f"read the draft of stage {stage}"):
            try:
                return (self._folder(study_key) / f".{stage}.draft" / INSTANCES / name).read_bytes()
            except FileNotFoundError:
                return None

    def others(self, stage: Stage, than: StudyKey) -> Iterator[Mapping[str, Any]]:
        """The manifests of that stage of all other studies that have it and of which it was not taken back."""
        with storage_errors("look through the studies"):
            folders = [path / stage for path in self.root.iterdir()] if self.root.is_dir() else []
        for folder in folders:
            if folder.parent.name != than and (folder / MANIFEST).is_file() and not (folder / RETIRED).exists():
                yield FinishedStage(folder).manifest()

    def retire(self, study_key: StudyKey, stage: Stage) -> None:
        """Let a finished stage count as not done; its manifest stays to be read about."""
        folder = self._folder(study_key) / stage
        if (folder / MANIFEST).is_file() and not (folder / RETIRED).exists():
            note = json.dumps({"retired_at": datetime.now(UTC).isoformat(timespec="seconds")}).encode()
            write_durably(folder / RETIRED, [note], f"take back stage {stage}")
            with storage_errors(f"take back stage {stage}"):
                sync_folder(folder)

    def draft(self, study_key: StudyKey, stage: Stage, *, resume: str = "") -> DraftStage:
        """A draft for the stage; what a killed run left in it is kept if that run named the same `resume`."""
        path = self._folder(study_key) / f".{stage}.draft"
        with storage_errors(f"prepare stage {stage}"):
            mark = path / RESUME
            if not resume or not mark.is_file() or mark.read_text() != resume:
                shutil.rmtree(path, ignore_errors=True)
            instances = path / INSTANCES
            make_private(instances)
            for entry in instances.iterdir():
                if entry.name.startswith("."):
                    entry.unlink()
            if resume:
                write_durably(mark, [resume.encode()], f"prepare stage {stage}")
        return DraftStage(path=path, target=self._folder(study_key) / stage)

    def studies(self) -> Sequence[StudyKey]:
        """The keys of all studies that have a folder, sorted."""
        with storage_errors("look through the studies"):
            folders = [path for path in self.root.iterdir() if path.is_dir()] if self.root.is_dir() else []
        return sorted(StudyKey(path.name) for path in folders if path.name != PUT_OFF)

    def put_off(self, study_key: StudyKey, *, failed: bool) -> None:
        """Have a study that failed for now come after others from now on, and one that did not in its turn again."""
        mark = self.root / PUT_OFF / study_key
        with storage_errors("write down whether a study failed for now"):
            if failed:
                make_private(mark.parent)
                mark.touch()
            else:
                mark.unlink(missing_ok=True)

    def those_put_off(self) -> Collection[StudyKey]:
        """The studies that failed for now when they were tried last."""
        with storage_errors("look for studies that failed for now"):
            folders = [root / PUT_OFF for root in (self.root, self.fallback) if root is not None]
            return frozenset(StudyKey(path.name) for one in folders if one.is_dir() for path in one.iterdir())

    def is_begun(self, study_key: StudyKey, stage: Stage) -> bool:
        """Whether a run that ended before its time left a draft of the stage."""
        return (self._folder(study_key) / f".{stage}.draft").is_dir()

    def held_back(self, study_key: StudyKey) -> frozenset[str]:
        """De-identified UIDs of studies, series and instances that a person wants kept back."""
        with storage_errors("read what of a study is held back"):
            for root in (self.root, self.fallback):
                file = root / study_key / HELD_BACK if root is not None else None
                if file is not None and file.is_file():
                    return frozenset(json.loads(file.read_bytes())["uids"])
        return frozenset()

    def hold_back(self, study_key: StudyKey, uids: Collection[str]) -> None:
        """Keep back what has these UIDs, and nothing else any more."""
        file = self._folder(study_key) / HELD_BACK
        if uids:
            write_durably(file, [json.dumps({"uids": sorted(uids)}, indent=1).encode()], "hold instances back")
        else:
            with storage_errors("release instances"):
                file.unlink(missing_ok=True)
        with storage_errors("hold instances back"):
            sync_folder(file.parent)

    def _folder(self, study_key: StudyKey) -> Path:
        return self.root / study_key
