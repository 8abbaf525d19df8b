"""How instances leave an embedded PACS: from their files, byte for byte, in retrieve sub-operations."""

from __future__ import annotations

import io
import socket
import threading
import time
from typing import Any, cast

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.association import close_even_if_reset
from dicom_assets.demo.pacs_contexts import UNCOMPRESSED
from dicom_assets.demo.pacs_index import SOP_CLASS_UID, SOP_UID, Entry

MOST_CONTEXTS = 128
TIMEOUT_SECONDS = 60


class Outgoing(Dataset):
    """An instance on its way out: pynetdicom's retrieve services ask for a data set and hand it to `send_c_store`."""

    entry: Entry

    @classmethod
    def of(cls, entry: Entry) -> Outgoing:
        """An outgoing instance with what a failed sub-operation is reported by."""
        ds = cls()
        ds.SOPInstanceUID = UID(entry.text(SOP_UID), validation_mode=0)
        object.__setattr__(ds, "entry", entry)
        return ds


def contexts_for(entries: list[Entry]) -> list[PresentationContext]:
    """One context for each SOP class and transfer syntax to be sent, and an uncompressed way out where there is one."""
    pairs: dict[tuple[str, str], None] = {}
    for entry in entries:
        sop_class = entry.text(SOP_CLASS_UID)
        pairs[sop_class, entry.transfer_syntax_uid] = None
        if entry.transfer_syntax_uid in UNCOMPRESSED:
            pairs.update(dict.fromkeys((sop_class, str(syntax)) for syntax in UNCOMPRESSED))
    return [build_context(sop_class, syntax) for sop_class, syntax in list(pairs)[:MOST_CONTEXTS]]


def send_as_stored(assoc: Association) -> None:
    """Let the association send `Outgoing` instances from their files, without decoding them."""
    original = assoc.send_c_store

    def send(dataset: Dataset, *args: Any, **options: Any) -> Dataset:
        if not isinstance(dataset, Outgoing):
            return original(dataset, *args, **options)
        return _send(assoc, original, dataset.entry, **options)

    if getattr(assoc, "sends_as_stored", False):
        return
    assoc.send_c_store = send  # type: ignore[method-assign, assignment]  # the one place where pynetdicom lets us in
    assoc.sends_as_stored = True  # type: ignore[attr-defined]


def _send(assoc: Association, fallback: Any, entry: Entry, **options: Any) -> Dataset:
    sop_class, syntax = UID(entry.text(SOP_CLASS_UID)), UID(entry.transfer_syntax_uid)
    try:
        context = assoc._get_valid_context(sop_class, syntax, "scu", allow_conversion=False)
    except ValueError:
        return cast(Dataset, fallback(dcmread(entry.path), **options))
    request = C_STORE()
    request.MessageID = options.get("msg_id", 1)
    request.Priority = 2
    request.MoveOriginatorApplicationEntityTitle = options.get("originator_aet")
    request.MoveOriginatorMessageID = options.get("originator_id")
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = UID(entry.text(SOP_UID))
    request.DataSet = io.BytesIO(entry.data_set())
    return _exchange(assoc, request, cast(int, context.context_id))


def _exchange(assoc: Association, request: C_STORE, context_id: int) -> Dataset:
    """Send a request and wait for its answer, which the association's own reactor must not take.

    Raises:
        RuntimeError: the association has ended, as pynetdicom's own `send_c_store` does.
    """
    if not assoc.is_established:
        raise RuntimeError("The association to send on has ended.")
    _hold_reactor(assoc)
    try:
        assoc.dimse.send_msg(request, context_id)
        _, answer = assoc.dimse.get_msg(block=True)
    finally:
        assoc._reactor_checkpoint.set()
    if answer is None:
        assoc._handle_no_response()
        return Dataset()
    return assoc._check_received_status(answer)


class ReactorGate(threading.Event):
    """Where the reactor of an association waits while somebody sends on it; tells when it really does.

    pynetdicom's `_is_paused` is true a moment too long: after the reactor has passed, and before it takes a message. On
    a busy machine the answer arrives in that moment, is taken for a request, and who waits for it waits in vain.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passing = threading.Lock()
        self.holds = False
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Pass, or be held."""
        with self._passing:
            if self.is_set():
                return True
            self.holds = True
        return super().wait(timeout)

    def clear(self) -> None:
        """Hold whoever comes from now on."""
        with self._passing:
            super().clear()

    def set(self) -> None:
        """Let all pass."""
        with self._passing:
            self.holds = False
            super().set()


def _hold_reactor(assoc: Association) -> None:
    gate = assoc._reactor_checkpoint
    if threading.current_thread() is assoc:  # a C-GET is served by the reactor's own thread
        return
    gate.clear()
    while assoc.is_alive() and not (gate.holds if isinstance(gate, ReactorGate) else assoc._is_paused):
        time.sleep(0.0001)


def prepare_connection(event: evt.Event) -> None:
    """Send each PDU at once, and let no silent peer hold its thread for ever."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.socket.settimeout(TIMEOUT_SECONDS)
        # pynetdicom's own leaves a socket open that the peer reset.
        connection._shutdown_socket = lambda: close_even_if_reset(connection.socket)  # type: ignore[method-assign]


def on_move_connection_open(event: evt.Event) -> None:
    """Prepare the association that a C-MOVE opens to its destination."""
    prepare_connection(event)
    event.assoc._reactor_checkpoint = ReactorGate()
    send_as_stored(event.assoc)
