"""The folders of all studies: `DATA_DIR/studies/<study key>/<stage>/`, each finished in one rename.

A stage is written into a draft folder (`.<stage>.draft`) and becomes visible when the draft, with its
manifest inside, is renamed. A killed run leaves a draft, never half a stage. Every folder is 0700:
`pulled` holds identified images, and nobody but the operator has business in the others.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from dicom_assets.errors import ChangedContentError, StorageError, StudyBusyError
from dicom_assets.study import FileReceipt, Piece, Stage, StudyKey

MANIFEST = "manifest.json"
INSTANCES = "instances"
SCRATCH = "scratch"
RESUME = ".resume"
MANIFESTS_IN_MEMORY = 16
"""Those of the studies in flight."""


@contextmanager
def _storage_errors(doing: str) -> Iterator[None]:
    """Turn an `OSError` into a `StorageError` that says what was being done and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "the disk of DATA_DIR is full; free some space, then run again"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            advice = "DATA_DIR is not writable for this user; check its owner and mode"
        else:
            advice = "check the disk of DATA_DIR, then run again"
        name = errno.errorcode.get(error.errno or 0, "OSError")
        raise StorageError(f"Could not {doing} ({name}): {advice}.") from None


def _make_private(folder: Path) -> None:
    """Make a folder and what is missing above it, for their owner alone (`parents=True` would not)."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DurableFile:
    """A file written under a temporary name, flushed to disk, then renamed; implements the port `FileInWriting`."""

    def __init__(self, path: Path, doing: str) -> None:
        """`doing` says in an error what could not be done."""
        self._path = path
        self._doing = doing
        self._temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        self._digest = hashlib.sha256()
        self._size = 0
        with _storage_errors(doing):
            self._file = self._temporary.open("xb", buffering=0)

    def write(self, piece: Piece, /) -> None:
        """Write and hash the next piece."""
        self._digest.update(piece)
        rest = memoryview(piece)
        with _storage_errors(self._doing):
            while rest:
                written = self._file.write(rest)
                self._size += written
                rest = rest[written:]

    def finish(self) -> FileReceipt:
        """Flush to disk and rename; returns the content's hash and size in bytes."""
        try:
            with _storage_errors(self._doing):
                os.fsync(self._file.fileno())
                self._file.close()
                self._temporary.replace(self._path)
        except BaseException:
            self.discard()
            raise
        return FileReceipt(sha256=self._digest.hexdigest(), size_bytes=self._size)

    def discard(self) -> None:
        """Leave nothing of it."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)


def _write_durably(path: Path, chunks: Sequence[bytes | memoryview], doing: str) -> FileReceipt:
    """Write to a temporary name, flush to disk, rename; returns the content's hash and size in bytes."""
    file = DurableFile(path, doing)
    try:
        for chunk in chunks:
            file.write(chunk)
        return file.finish()
    except BaseException:
        file.discard()
        raise


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


@lru_cache(maxsize=MANIFESTS_IN_MEMORY)
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
        with _storage_errors(f"read an instance of stage {self.path.name}"):
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

    def _read(self) -> _Manifest:
        path = self.path / MANIFEST
        with _storage_errors(f"read the manifest of stage {self.path.name}"):
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
        return _write_durably(self.path / INSTANCES / name, chunks, f"write an instance of stage {self.target.name}")

    def open(self, name: str) -> BinaryIO:
        """Read an instance file of the draft."""
        with _storage_errors(f"read an instance of stage {self.target.name}"):
            return (self.path / INSTANCES / name).open("rb")

    def discard(self, name: str) -> None:
        """Drop one instance file."""
        with _storage_errors(f"drop an instance of stage {self.target.name}"):
            (self.path / INSTANCES / name).unlink(missing_ok=True)

    def commit(self, manifest: Mapping[str, Any]) -> FinishedStage:
        """Put the manifest in, then let the draft take the stage's place."""
        with _storage_errors(f"finish stage {self.target.name}"):
            content = json.dumps(manifest, indent=1, sort_keys=True).encode()
            _write_durably(self.path / MANIFEST, [content], f"finish stage {self.target.name}")
            _sync_folder(self.path / INSTANCES)
            _sync_folder(self.path)
            aside = self.target.with_name(f".{self.target.name}.old")
            shutil.rmtree(aside, ignore_errors=True)
            if self.target.exists():
                self.target.rename(aside)
            self.path.rename(self.target)
            _sync_folder(self.target.parent)
            (self.target / RESUME).unlink(missing_ok=True)
            shutil.rmtree(aside, ignore_errors=True)
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
        with _storage_errors("prepare a study's folder"):
            _make_private(self._folder(study_key))
            lock = FileLock(self._folder(study_key) / ".lock", blocking=False)
        with _storage_errors("lock a study's folder"):
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
        for root in (self.root, self.fallback):
            if root is not None and (root / study_key / stage / MANIFEST).is_file():
                return FinishedStage(root / study_key / stage)
        return None

    def draft(self, study_key: StudyKey, stage: Stage, *, resume: str = "") -> DraftStage:
        """A draft for the stage; what a killed run left in it is kept if that run named the same `resume`."""
        path = self._folder(study_key) / f".{stage}.draft"
        with _storage_errors(f"prepare stage {stage}"):
            mark = path / RESUME
            if not resume or not mark.is_file() or mark.read_text() != resume:
                shutil.rmtree(path, ignore_errors=True)
            instances = path / INSTANCES
            _make_private(instances)
            for entry in instances.iterdir():
                if entry.name.startswith("."):
                    entry.unlink()
            if resume:
                _write_durably(mark, [resume.encode()], f"prepare stage {stage}")
        return DraftStage(path=path, target=self._folder(study_key) / stage)

    def _folder(self, study_key: StudyKey) -> Path:
        return self.root / study_key


@contextmanager
def scratch_folder(data_dir: Path) -> Iterator[Path]:
    """A folder under `DATA_DIR/scratch/` that is gone afterwards."""
    with _storage_errors("prepare the scratch folder"):
        root = data_dir / SCRATCH
        _make_private(root)
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
        with _storage_errors("sweep the scratch folder"):
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
