"""Parts of a WADO-RS answer on their way to files, each named by what its first bytes say it is."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from io import BytesIO

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag

from dicom_assets.study import IncomingFile, Receive

LARGEST_HEAD_BYTES = 256 * 1024
"""SOP Instance UID (0008,0018) stands among the first elements; who has it further on is not named."""

_UID = re.compile(r"[0-9.]{1,64}")
_META_START = 132
_LONG_VRS = (b"OB", b"OW", b"UN", b"UT", b"UC", b"UR", b"OD", b"OF", b"OL", b"OV", b"SQ", b"SV", b"UV")
_AFTER_SOP_INSTANCE_UID = 0x00080019


class Arrivals:
    """Takes the parts of one answer; fulfils `PartHandler`.

    `received` counts the instances that were kept, `strange` the parts that are no DICOM file or do
    not say which instance they are: those arrive nowhere, and are found missing by who counts.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._file: IncomingFile | None = None
        self._head = bytearray()
        self._is_strange = False
        self.received = 0
        self.strange = 0

    def begin(self, headers: Mapping[str, str], /) -> None:  # noqa: ARG002  the content is believed, not its label
        """Begin a part."""
        self._head.clear()
        self._is_strange = False

    def data(self, piece: memoryview, /) -> None:
        """Hand a piece on to the file, or keep it until the file has a name."""
        if self._file is not None:
            self._file.write(piece)
        elif not self._is_strange:
            self._look_at_head(piece)

    def end(self) -> None:
        """Keep the file: it is whole."""
        if self._file is None and self._head:
            self._open(sop_instance_uid_of(bytes(self._head), is_all=True), self._head)
        file, self._file = self._file, None
        if file is None:
            self.strange += 1
            return
        file.keep()
        self.received += 1

    def drop(self) -> None:
        """Leave nothing of a part that did not come to its end."""
        file, self._file = self._file, None
        if file is not None:
            file.drop()

    def _look_at_head(self, piece: memoryview) -> None:
        if self._head:
            self._head += piece
        head = bytes(self._head) if self._head else piece
        is_all = len(head) >= LARGEST_HEAD_BYTES
        uid = sop_instance_uid_of(bytes(head[:LARGEST_HEAD_BYTES]) if is_all else bytes(head[:4096]), is_all=is_all)
        if uid is not None:
            self._open(uid, head)
        elif not self._head:
            self._head += piece

    def _open(self, uid: str | None, head: bytes | bytearray | memoryview) -> None:
        if not uid:
            self._is_strange = True
        else:
            self._file = self._receive(uid)
            self._file.write(head)
        self._head.clear()


def sop_instance_uid_of(head: bytes, *, is_all: bool) -> str | None:
    """Which instance a file is by its first bytes: (0002,0003), else (0008,0018).

    Empty where it does not say, or is no DICOM file; None where more of it must be seen, which never
    is the answer when this `is_all` that will be.
    """
    if len(head) < _META_START:
        return "" if is_all else None
    if head[128:_META_START] != b"DICM":
        return ""
    at = _META_START
    while head[at : at + 2] == b"\x02\x00" and len(head) >= at + 12:
        element, vr = head[at + 2 : at + 4], head[at + 4 : at + 6]
        start = at + (12 if vr in _LONG_VRS else 8)
        length = int.from_bytes(head[start - 4 : start] if vr in _LONG_VRS else head[at + 6 : at + 8], "little")
        if element == b"\x03\x00" and len(head) >= start + length:
            return _checked(head[start : start + length].decode("latin-1"))
        at = start + length
    return _in_data_set(head) if is_all else None


def _in_data_set(head: bytes) -> str:
    def is_behind(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return int(tag) >= _AFTER_SOP_INSTANCE_UID

    try:
        return _checked(str(read_partial(BytesIO(head), is_behind).get("SOPInstanceUID", "")))
    except (
        InvalidDicomError,
        AttributeError,
        ValueError,
        KeyError,
        OSError,
        EOFError,
        NotImplementedError,
        zlib.error,
    ):
        return ""


def _checked(uid: str) -> str:
    uid = uid.rstrip("\0 ")
    return uid if _UID.fullmatch(uid) else ""
