"""A small real PACS over loopback: Verification, Storage and Query/Retrieve (FIND, MOVE, GET) as an SCP."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE, _config, build_context, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time
from pynetdicom.transport import ThreadedAssociationServer

from dicom_assets.demo.pacs_contexts import PATIENT_ROOT, accept_what_is_asked
from dicom_assets.demo.pacs_index import Entry, Index, UnreadableInstanceError
from dicom_assets.demo.pacs_query import LEVELS, InvalidQueryError, Query, find, response, select
from dicom_assets.demo.pacs_transfer import (
    TIMEOUT_SECONDS,
    Outgoing,
    contexts_for,
    on_move_connection_open,
    prepare_connection,
    send_as_stored,
)
from dicom_assets.errors import ConfigurationError

MOST_ASSOCIATIONS = 64
PDU_BYTES = 131072
GRACE_SECONDS = 2.0

SUCCESS = 0x0000
PENDING = 0xFF00
CANCELLED = 0xFE00
OUT_OF_RESOURCES = 0xA700
IDENTIFIER_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000


class EmbeddedPacs:
    """A PACS that keeps its instances in a folder and serves any DICOM client on this machine.

    Instances leave as they are stored, byte for byte. Only where a client takes none but another
    uncompressed transfer syntax is an uncompressed instance written in that one; nothing is ever
    compressed or decompressed. An instance that is stored again is acknowledged and left as it was.
    """

    def __init__(
        self,
        ae_title: str,
        port: int,
        folder: Path,
        destinations: Mapping[str, tuple[str, int]],
        host: str = "127.0.0.1",
    ) -> None:
        """Describe the PACS; `destinations` are the AE titles that a C-MOVE may name, with host and port.

        With `port` 0 the system chooses one when the PACS starts; `port` then tells which.
        """
        self.ae_title = ae_title
        self.host = host
        self.port = port
        self.stored = 0
        self._folder = folder
        self._destinations = destinations
        self._counter = threading.Lock()
        self._index: Index | None = None
        self._server: ThreadedAssociationServer | None = None
        self._ae: AE | None = None

    def __enter__(self) -> EmbeddedPacs:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Index the folder and listen.

        Raises:
            ConfigurationError: the port is taken.
        """
        silence_dicom_loggers()
        self._index = Index(self._folder)
        ae = _application_entity(self.ae_title)
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, prepare_connection),
            (evt.EVT_REQUESTED, accept_what_is_asked),
            (evt.EVT_C_ECHO, _on_echo),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_C_FIND, self._on_find),
            (evt.EVT_C_MOVE, self._on_move),
            (evt.EVT_C_GET, self._on_get),
        ]
        try:
            server = ae.make_server(
                (self.host, self.port), evt_handlers=handlers, server_class=ThreadedAssociationServer
            )
        except OSError as error:
            raise _port_error(self.ae_title, self.host, self.port, error) from None
        self.port = server.server_address[1]
        ae._servers.append(server)
        self._ae, self._server = ae, server
        threading.Thread(target=server.serve_forever, args=(0.1,), name=f"pacs-{self.port}", daemon=True).start()

    def stop(self) -> None:
        """Stop listening and end all associations; what is stored stays in the folder."""
        if self._ae is None or self._server is None:
            return
        self._server.shutdown()
        for assoc in self._ae.active_associations:
            # pynetdicom's state machine fails when an association is aborted that is ending already.
            if assoc.is_established:
                assoc.abort()
            assoc.join(GRACE_SECONDS)
        self._ae = self._server = None

    def count(self) -> int:
        """How many instances the PACS holds."""
        return len(self._entries())

    def load(self, content: bytes) -> bool:
        """Put a Part 10 file into the running PACS without the network; False if it had the instance."""
        return self._entries().add(content)

    def _entries(self) -> Index:
        if self._index is None:
            self._index = Index(self._folder)
        return self._index

    def _listed(self) -> Iterable[Entry]:
        """What queries find."""
        return self._entries()

    def _on_store(self, event: evt.Event) -> int:
        with self._counter:
            self.stored += 1
        try:
            self._entries().add(event.encoded_dataset())
        except UnreadableInstanceError:
            return CANNOT_UNDERSTAND
        except OSError:
            return OUT_OF_RESOURCES
        return SUCCESS

    def _on_find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        try:
            query = _query(event)
        except InvalidQueryError:
            yield IDENTIFIER_DOES_NOT_MATCH, None
            return
        implicit_vr = event.context.transfer_syntax == ImplicitVRLittleEndian
        for answer in find(query, self._listed(), self.ae_title):
            if event.is_cancelled:
                yield CANCELLED, None
                return
            yield PENDING, response(answer, implicit_vr)

    def _on_get(self, event: evt.Event) -> Iterator[Any]:
        try:
            entries = select(_query(event), self._entries())
        except InvalidQueryError:
            yield 1
            yield IDENTIFIER_DOES_NOT_MATCH, None
            return
        send_as_stored(event.assoc)
        yield len(entries)
        yield from _outgoing(event, entries)

    def _on_move(self, event: evt.Event) -> Iterator[Any]:
        destination = self._destinations.get(str(event.move_destination).strip())
        if destination is None:
            yield None, None
            return
        try:
            entries = select(_query(event), self._entries())
        except InvalidQueryError:
            # pynetdicom opens the association before it looks at the status, so it must have a context to propose.
            yield (*destination, {"contexts": [build_context(Verification)]})
            yield 1
            yield IDENTIFIER_DOES_NOT_MATCH, None
            return
        yield (
            *destination,
            {"contexts": contexts_for(entries), "evt_handlers": [(evt.EVT_CONN_OPEN, on_move_connection_open)]},
        )
        yield len(entries)
        yield from _outgoing(event, entries)


def silence_dicom_loggers() -> None:
    """Keep values out of logs: both libraries format identifiers and data sets at their lower levels."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    for name in ("pynetdicom", "pydicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _outgoing(event: evt.Event, entries: list[Entry]) -> Iterator[tuple[int, Dataset | None]]:
    for entry in entries:
        if event.is_cancelled:
            yield CANCELLED, None
            return
        yield PENDING, Outgoing.of(entry)


def _query(event: evt.Event) -> Query:
    patient_root = event.request.AffectedSOPClassUID in PATIENT_ROOT
    return Query.from_identifier(event.identifier, LEVELS if patient_root else LEVELS[1:])


def _on_echo(_event: evt.Event) -> int:
    return SUCCESS


def _application_entity(ae_title: str) -> AE:
    ae = AE(ae_title=ae_title)
    ae.require_called_aet = True
    ae.maximum_associations = MOST_ASSOCIATIONS
    ae.maximum_pdu_size = PDU_BYTES
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = TIMEOUT_SECONDS
    # A server must have a context; which ones it accepts is settled when an association is asked for.
    ae.add_supported_context(Verification)
    return ae


def _port_error(ae_title: str, host: str, port: int, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"port {port} on {host} is taken, so {ae_title} can't listen: end what uses it, "
            "or give this PACS another port (`--staging-port`, `--research-port`)"
        )
    return ConfigurationError(f"{ae_title} can't listen on port {port} of {host}: {error.strerror}")
