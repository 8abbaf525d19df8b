"""Parts of a WADO-RS answer on their way to files, each named by what its first bytes say it is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dicom_assets.deidentification import UnreadableInstanceError, read_sop_uid
from dicom_assets.study import IncomingFile, Receive

FIRST_LOOK_BYTES = 4096
LARGEST_HEAD_BYTES = 256 * 1024
"""SOP Instance UID (0008,0018) stands among the first elements; who has it further on is named by (0002,0003)."""

_NAME = re.compile(r"[!-\[\]-~]{1,64}")
"""One value in ASCII: some devices make UIDs that are none (PS3.5 9.1), and PACSs list them as they are."""
_META_START = 132
_LONG_VRS = (b"OB", b"OW", b"UN", b"UT", b"UC", b"UR", b"OD", b"OF", b"OL", b"OV", b"SQ", b"SV", b"UV")


class Arrivals:
    """Takes the parts of one answer; fulfils `PartHandler`.

    `received` counts the instances that were kept, `strange` the parts that are no DICOM file or do
    not say which instance they are: those arrive nowhere, and are found missing by who counts.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._file: IncomingFile | None = None
        self._head = bytearray()
        self._next_look = 0
        self._is_strange = False
        self.received = 0
        self.strange = 0

    def begin(self, headers: Mapping[str, str], /) -> None:  # noqa: ARG002  the content is believed, not its label
        """Begin a part."""
        self._head.clear()
        self._next_look = 0
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
        if not self._head:  # the first piece is nearly always enough, and is handed on as it is
            uid = sop_instance_uid_of(bytes(piece[:FIRST_LOOK_BYTES]), is_all=False)
            if uid is not None:
                self._open(uid, piece)
                return
        self._head += piece
        if len(self._head) >= self._next_look:
            self._next_look = 2 * len(self._head)
            uid = sop_instance_uid_of(bytes(self._head), is_all=len(self._head) >= LARGEST_HEAD_BYTES)
            if uid is not None:
                self._open(uid, self._head)

    def _open(self, uid: str | None, head: bytearray | memoryview) -> None:
        if uid:
            self._file = self._receive(uid)
            self._file.write(head)
        else:
            self._is_strange = True
        self._head.clear()


def sop_instance_uid_of(head: bytes, *, is_all: bool) -> str | None:
    """Which instance a file is by its first bytes: (0008,0018), which PACSs list, else (0002,0003).

    Empty where it does not say, or is no DICOM file; None where more of it must be seen, which never
    is the answer when this `is_all` that will be.
    """
    if len(head) < 2 * _META_START and not is_all:
        return None
    try:
        uid = read_sop_uid(head)
    except UnreadableInstanceError:
        return _in_meta_information(head)
    if uid is None and not is_all:
        return None
    return _checked(uid or "") or _in_meta_information(head)


def _in_meta_information(head: bytes) -> str:
    at = _META_START if head[128:_META_START] == b"DICM" else len(head)
    while head[at : at + 2] == b"\x02\x00" and len(head) >= at + 12:
        element, vr = head[at + 2 : at + 4], head[at + 4 : at + 6]
        start = at + (12 if vr in _LONG_VRS else 8)
        length = int.from_bytes(head[start - 4 : start] if vr in _LONG_VRS else head[at + 6 : at + 8], "little")
        if element == b"\x03\x00" and len(head) >= start + length:
            return _checked(head[start : start + length].decode("latin-1"))
        at = start + length
    return ""


def _checked(uid: str) -> str:
    uid = uid.strip("\0 ")
    return uid if _NAME.fullmatch(uid) else ""
