"""Files that are whole or not there: written under a temporary name, flushed to disk, renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dicom_assets.errors import StorageError
from dicom_assets.study import FileReceipt, Piece, stamp_of


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
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


def make_private(folder: Path) -> None:
    """Make a folder and what is missing above it, for their owner alone (`parents=True` would not)."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk: only then does a rename in it outlast a power cut."""
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
        with storage_errors(doing):
            self._file = self._temporary.open("xb", buffering=0)

    def write(self, piece: Piece, /) -> None:
        """Write and hash the next piece."""
        self._digest.update(piece)
        rest = memoryview(piece)
        with storage_errors(self._doing):
            while rest:
                written = self._file.write(rest)
                self._size += written
                rest = rest[written:]

    def finish(self) -> FileReceipt:
        """Flush to disk and rename; returns what was written."""
        try:
            with storage_errors(self._doing):
                os.fsync(self._file.fileno())
                self._temporary.replace(self._path)
                stamp = stamp_of(self._file)
                self._file.close()
        except BaseException:
            self.discard()
            raise
        return FileReceipt(self._digest.hexdigest(), self._size, stamp)

    def discard(self) -> None:
        """Leave nothing of it."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)


def write_durably(path: Path, chunks: Sequence[bytes | memoryview], doing: str) -> FileReceipt:
    """Write to a temporary name, flush to disk, rename; returns the content's hash and size in bytes."""
    file = DurableFile(path, doing)
    try:
        for chunk in chunks:
            file.write(chunk)
        return file.finish()
    except BaseException:
        file.discard()
        raise
