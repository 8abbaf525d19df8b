"""What arrives for one study, and the disk that it goes to."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dicom_assets.adapters.pacs.plane.faults import AssociationLostError
from dicom_assets.adapters.pacs.plane.statuses import NOT_AUTHORIZED, OUT_OF_RESOURCES, SUCCESS
from dicom_assets.errors import DicomAssetsError, StorageError, StudyError
from dicom_assets.study import IncomingFile, Piece, Receive

QUIET_SECONDS = 2.0
"""How long after the last arrival a C-MOVE that is over counts as delivered."""


@dataclass(frozen=True, slots=True)
class DiskFloor:
    """How much of the disk that instances go to must stay free, in bytes."""

    folder: Path
    min_free_bytes: int

    def require(self) -> None:
        """Go on, if there is enough.

        Raises:
            StorageError: there is not.
        """
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise StorageError(f"The disk of DATA_DIR can't be looked at ({type(error).__name__}).") from None
        if free < self.min_free_bytes:
            raise StorageError(
                f"The disk of DATA_DIR has {free // 10**6} MB left, less than MIN_FREE_DISK_MEGABYTES: "
                "nothing more was taken in. Free some space, then run again."
            )

    def before(self, receive: Receive) -> Receive:
        """The same, for as long as there is enough."""

        def receive_if_there_is_room(sop_instance_uid: str) -> IncomingFile:
            self.require()
            return receive(sop_instance_uid)

        return receive_if_there_is_room


class Inbox:
    """Takes the instances of one study, on any number of threads."""

    def __init__(self, receive: Receive, disk: DiskFloor | None = None) -> None:
        self._receive = receive
        self._disk = disk
        self._condition = threading.Condition()
        self._last_arrival = time.monotonic()
        self._being_written = 0
        self._being_kept = 0
        self._is_closed = False
        self.error: DicomAssetsError | None = None
        self.received = 0

    def take(self, sop_instance_uid: str, pieces: Iterable[Piece]) -> int:
        """Hand an instance on as it arrives and return the C-STORE status; success only when it is safely on disk.

        Raises:
            AssociationLostError: the association ended before the instance did; nothing of it is left.
        """
        with self._condition:
            self._being_written += 1
        try:
            return self._take(sop_instance_uid, pieces)
        except AssociationLostError:
            raise
        except DicomAssetsError as error:
            return self._refuse(error)
        except Exception as error:  # noqa: BLE001  an edge: the peer gets a failure, the run gets the cause
            return self._refuse(StudyError(f"Unexpected {type(error).__name__} while an instance was taken in."))
        finally:
            with self._condition:
                self._being_written -= 1
                self._last_arrival = time.monotonic()
                self._condition.notify_all()

    def _take(self, sop_instance_uid: str, pieces: Iterable[Piece]) -> int:
        if self._disk is not None:
            self._disk.require()
        file = self._receive(sop_instance_uid)
        try:
            for piece in pieces:
                file.write(piece)
            if not self._keep(file):
                file.drop()
                return NOT_AUTHORIZED
        except BaseException:
            file.drop()
            raise
        return SUCCESS

    def _keep(self, file: IncomingFile) -> bool:
        """Keep a file unless nobody waits for it any longer."""
        with self._condition:
            if self._is_closed:
                return False
            self._being_kept += 1
        try:
            file.keep()
        except BaseException:
            with self._condition:
                self._being_kept -= 1
                self._condition.notify_all()
            raise
        with self._condition:
            self._being_kept -= 1
            self.received += 1
            self._condition.notify_all()
        return True

    def _refuse(self, error: DicomAssetsError) -> int:
        with self._condition:
            self.error = self.error or error
        return OUT_OF_RESOURCES

    @property
    def quiet_seconds(self) -> float:
        """For how long nothing has arrived; 0 while something does."""
        with self._condition:
            return 0.0 if self._being_written else time.monotonic() - self._last_arrival

    def wait_until_quiet(self, delivered: int) -> None:
        """Wait for instances still on their way: some PACSs end a C-MOVE before the last one is sent.

        There is no wait once all have come that the PACS says it delivered; 0 where it says nothing.
        """
        with self._condition:
            while True:
                quiet_for = time.monotonic() - self._last_arrival
                all_came = 0 < delivered <= self.received
                if not self._being_written and (all_came or quiet_for >= QUIET_SECONDS):
                    return
                self._condition.wait(timeout=max(QUIET_SECONDS - quiet_for, 0.05))

    def close(self) -> None:
        """Keep nothing from now on; returns when nothing is being kept."""
        with self._condition:
            self._is_closed = True
            self._condition.wait_for(lambda: not self._being_kept)
