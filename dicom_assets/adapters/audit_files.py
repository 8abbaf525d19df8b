"""Files of the audit trail: lines are whole or not there, pages are replaced in one rename."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dicom_assets.errors import StorageError
from dicom_assets.study import Fact

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space, then run again.",
    errno.EDQUOT: "this user's disk quota is used up; free some space, then run again.",
    errno.EACCES: "it is not writable for this user; check its owner and mode.",
    errno.EPERM: "it is not writable for this user; check its owner and mode.",
    errno.EROFS: "its file system is read-only; see why, then run again.",
    errno.ENOENT: "it is not there, or was removed while it was written to; see who did that, then run again.",
}
_ELSE = "check that DATA_DIR exists, is writable for this user and not full."


@contextmanager
def audit_errors(what: str = "The run's folder under DATA_DIR") -> Iterator[None]:
    """Turn an `OSError` into a `StorageError` that says what can't be written, and what to do."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        name = errno.errorcode.get(number, "OSError")
        raise StorageError(f"{what} can't be written ({name}): {_ADVICE.get(number, _ELSE)}") from None


def append_line(path: Path, line: str) -> None:
    """Append a line to a file that is there; where the disk is full, nothing of it stays.

    Raises:
        OSError: it can't be written, or the file was removed.
    """
    rest = memoryview(f"{line}\n".encode())
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        size = os.fstat(descriptor).st_size
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Put a text in a file's place in one rename, so that whoever reads it reads all of it.

    Raises:
        OSError: it can't be written; the old text stays.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def replace_lines(path: Path, lines: Iterable[str]) -> None:
    """The same with a line each.

    Raises:
        OSError: it can't be written; the old lines stay.
    """
    replace_text(path, "".join(f"{line}\n" for line in lines))


def plain_fact(value: Fact) -> str:
    """A fact as people read it."""
    if isinstance(value, Mapping):
        return " ".join(f"{key}={count}" for key, count in value.items()) or "none"
    return str(value)
