"""Where tests receive instances: in memory."""

from __future__ import annotations

from dicom_assets.study import Piece


class Received(dict[str, bytes]):
    """SOP Instance UID to content; `Received().receive` is a `Receive`."""

    def receive(self, sop_instance_uid: str) -> ReceivedFile:
        return ReceivedFile(self, sop_instance_uid)


class ReceivedFile:
    """One file; fulfils `IncomingFile`."""

    def __init__(self, received: Received, uid: str) -> None:
        self._received = received
        self._uid = uid
        self._content = bytearray()

    def write(self, piece: Piece, /) -> None:
        self._content += piece

    def keep(self) -> None:
        self._received[self._uid] = bytes(self._content)

    def drop(self) -> None:
        self._content.clear()
