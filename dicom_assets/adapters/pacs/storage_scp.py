"""Our Storage SCP: where a C-MOVE's instances land. It takes only what it is waiting for."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE

from dicom_assets.adapters.pacs.association import NETWORK_TIMEOUT_SECONDS, Handlers, LocalNode, set_no_delay
from dicom_assets.adapters.pacs.transfer_syntaxes import STORED, all_storage_classes
from dicom_assets.errors import ConfigurationError, DicomAssetsError, StudyError
from dicom_assets.study import Receive

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
NOT_AUTHORIZED = 0x0124

MAX_ASSOCIATIONS = 16
QUIET_SECONDS = 2.0
"""How long after the last arrival a C-MOVE that is over counts as delivered."""


class Inbox:
    """What arrives for one study."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._condition = threading.Condition()
        self._last_arrival = time.monotonic()
        self._being_written = 0
        self.error: DicomAssetsError | None = None
        self.received = 0

    def take(self, sop_instance_uid: str, content: bytes) -> int:
        """Hand an instance on and return the C-STORE status; success only when it is safely on disk."""
        with self._condition:
            self._being_written += 1
        try:
            file = self._receive(sop_instance_uid)
            try:
                file.write(content)
                file.keep()
            except BaseException:
                file.drop()
                raise
        except DicomAssetsError as error:
            return self._refuse(error)
        except Exception as error:  # noqa: BLE001  an edge: pynetdicom would answer a failure and forget the cause
            return self._refuse(StudyError(f"Unexpected {type(error).__name__} while an instance was taken in."))
        else:
            with self._condition:
                self.received += 1
            return SUCCESS
        finally:
            with self._condition:
                self._being_written -= 1
                self._last_arrival = time.monotonic()
                self._condition.notify_all()

    def _refuse(self, error: DicomAssetsError) -> int:
        with self._condition:
            self.error = self.error or error
        return OUT_OF_RESOURCES

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


class StorageScp:
    """Listens on `LOCAL_HOST`:`LOCAL_PORT` while at least one study waits for instances."""

    def __init__(self, local: LocalNode, calling_ae_title: str) -> None:
        self._local = local
        self._inboxes: dict[str, list[Inbox]] = {}
        self._by_message_id: dict[int, Inbox] = {}
        self._mutex = threading.Lock()
        ae = AE(ae_title=local.ae_title)
        ae.require_called_aet = True
        ae.require_calling_aet = [calling_ae_title]
        ae.maximum_associations = MAX_ASSOCIATIONS
        ae.maximum_pdu_size = 0
        ae.network_timeout = NETWORK_TIMEOUT_SECONDS
        ae.add_supported_context("1.2.840.10008.1.1")
        for sop_class in all_storage_classes():
            ae.add_supported_context(sop_class, list(STORED))
        self._ae = ae
        self._listening = False

    @contextmanager
    def waiting_for(self, study_uid: str, message_id: int, receive: Receive) -> Iterator[Inbox]:
        """Take instances of this study for as long as the block lasts.

        An instance whose data set does not say its study is taken when it names the C-MOVE's
        message id as its originator (PS3.7 9.3.1.1), and kept for quarantine.

        Raises:
            ConfigurationError: the port is taken, or the address is not ours.
        """
        inbox = Inbox(receive)
        with self._mutex:
            self._start()
            self._inboxes.setdefault(study_uid, []).append(inbox)
            self._by_message_id[message_id] = inbox
        try:
            yield inbox
        finally:
            with self._mutex:
                del self._by_message_id[message_id]
                self._inboxes[study_uid].remove(inbox)
                if not self._inboxes[study_uid]:
                    del self._inboxes[study_uid]
                if not self._inboxes:
                    self._ae.shutdown()
                    self._listening = False

    def _start(self) -> None:
        if self._listening:
            return
        handlers: Handlers = [(evt.EVT_C_STORE, self._on_store), (evt.EVT_CONN_OPEN, set_no_delay)]
        try:
            self._ae.start_server((self._local.host, self._local.port), block=False, evt_handlers=handlers)
        except OSError:
            raise ConfigurationError(
                f"Our Storage SCP can't listen on {self._local.host} port {self._local.port}: another program, "
                "perhaps another run, has the port, or the address is not this machine's. "
                "End the other program, or correct LOCAL_HOST and LOCAL_PORT (and the PACS's entry for us)."
            ) from None
        self._listening = True

    def _on_store(self, event: evt.Event) -> int:
        content = event.encoded_dataset()
        request = _store_request(event)
        study_uid = _study_uid_of(content)
        inbox = self._by_message_id.get(request.MoveOriginatorMessageID or 0)
        if study_uid is not None:
            waiting = self._inboxes.get(study_uid, [])
            inbox = inbox if inbox in waiting else next(iter(waiting), None)
        if inbox is None:
            return NOT_AUTHORIZED
        return inbox.take(str(request.AffectedSOPInstanceUID), content)


def requested_instance(event: evt.Event) -> str:
    """The Affected SOP Instance UID of a C-STORE request."""
    return str(_store_request(event).AffectedSOPInstanceUID)


def _store_request(event: evt.Event) -> C_STORE:
    if not isinstance(event.request, C_STORE):
        raise TypeError("not a C-STORE request")
    return event.request


def _study_uid_of(content: bytes) -> str | None:
    """The Study Instance UID of an encoded file, read no further than needed; None when there is none."""
    try:
        ds = dcmread(BytesIO(content), stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
        return str(ds.StudyInstanceUID)
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
        return None
