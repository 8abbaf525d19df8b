"""Serving a connection on which given bytes come and then no more, in both roles, and what must come of it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, build_role

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode
from dicom_assets.adapters.pacs.c_get import STUDY_ROOT_GET, CGetPacs
from dicom_assets.adapters.pacs.inbox import Inbox
from dicom_assets.adapters.pacs.local_port import LocalPort
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.negotiation import Agreement, Context, numbered, request_pdu
from dicom_assets.adapters.pacs.plane.wire import Limits, Wire
from dicom_assets.adapters.pacs.storage_scp import StorageScp
from dicom_assets.errors import PacsError
from dicom_assets.study import Piece, Retrieval
from dicom_assets_tests.deployment import free_port

STUDY_UID = "1.2.826.0.1.3680043.99.4.1"
MESSAGE_ID = 7
LIMITS = Limits(acse_seconds=2, idle_seconds=2, pdu_seconds=2, linger_seconds=0.05, max_pdu=65_536)
LOCAL = LocalNode("DICOM_ASSETS", "127.0.0.1", 0)
CONTEXTS = numbered([build_context(CTImageStorage, ExplicitVRLittleEndian), build_context("1.2.840.10008.1.1")])
REQUEST = request_pdu("STAGING", "DICOM_ASSETS", CONTEXTS, [build_role(CTImageStorage, scp_role=True)], 0)
AGREEMENT = Agreement(
    {
        1: Context(1, CTImageStorage, ExplicitVRLittleEndian, as_scu=False, as_scp=True),
        3: Context(3, STUDY_ROOT_GET, ImplicitVRLittleEndian, as_scu=True, as_scp=False),
    },
    16_384,
)
_META_BYTES = 144


class Taken:
    """An instance that is taken in; either kept, whole, or dropped."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.is_kept = False
        self.is_dropped = False

    def write(self, piece: Piece, /) -> None:
        assert self.is_open, "written after its end"
        self.content += piece

    def keep(self) -> None:
        assert self.is_open, "kept after its end"
        self.is_kept = True

    def drop(self) -> None:
        assert not self.is_kept, "dropped once it was kept"
        self.is_dropped = True

    @property
    def is_open(self) -> bool:
        """Neither kept nor dropped."""
        return self.is_kept == self.is_dropped

    @property
    def data_set(self) -> bytes:
        """What follows the file meta information."""
        return bytes(self.content[_META_BYTES + struct.unpack_from("<I", self.content, 140)[0] :])


class Served:
    """What was taken in; its `receive` is a `Receive`."""

    def __init__(self) -> None:
        self.instances: list[Taken] = []

    def receive(self, uid: str) -> Taken:
        assert 0 < len(uid) <= 64
        self.instances.append(Taken())
        return self.instances[-1]

    def check(self, stream: bytes) -> list[bytes]:
        """Every instance came to its end, and what was kept came whole; returns the data sets that were kept."""
        whole = whole_data_sets(stream)
        for one in self.instances:
            assert one.is_kept != one.is_dropped, "an instance without an end"
            assert not one.is_kept or one.data_set in whole, "an instance was kept that did not come whole"
        return [one.data_set for one in self.instances if one.is_kept]


@contextmanager
def connection_with(stream: bytes) -> Iterator[socket.socket]:
    """One end of a TCP connection from whose other end these bytes come, and then no more."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as theirs,
    ):
        ours, _ = server.accept()

        def send() -> None:
            with suppress(OSError):
                theirs.sendall(stream)
                theirs.shutdown(socket.SHUT_WR)
                while theirs.recv(65_536):
                    pass

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        with ours:
            yield ours
        thread.join()


class ServedScp:
    """A Storage SCP that waits for a study."""

    def __init__(self) -> None:
        local = LocalNode("DICOM_ASSETS", "127.0.0.1", free_port())
        self._scp = StorageScp(local, "STAGING", limits=LIMITS)
        self._port = LocalPort(local)
        self._port._services = [self._scp]
        self._served = Served()

    def serve(self, stream: bytes, *, is_associated: bool) -> Served:
        """Serve a connection on which the bytes come, after an association request or instead of one."""
        served = Served()
        inbox = Inbox(served.receive)
        self._scp._inboxes = {STUDY_UID: [inbox]}
        self._scp._by_message_id = {MESSAGE_ID: inbox}
        with connection_with((REQUEST if is_associated else b"") + stream) as connection:
            self._port._serve(connection, "127.0.0.1", is_crowded=False)
        assert inbox.error is None
        return served


def get(stream: bytes) -> Served:
    """Ask for a study by C-GET on an association on which the bytes come."""
    served = Served()
    pacs = CGetPacs(LOCAL, PacsNode("STAGING", "127.0.0.1", 104, "STAGING_PACS"))
    with connection_with(stream) as connection:
        association = Association(Wire(connection, LIMITS), AGREEMENT, LIMITS, is_requestor=True)
        try:
            pacs._get(association, Retrieval(STUDY_UID), Inbox(served.receive))
        except PacsError:
            association.abort()
        else:
            association.abort()
    return served


def whole_data_sets(stream: bytes) -> set[bytes]:
    """Every run of data fragments that ends with a last one, however wrong all else may be."""
    found: set[bytes] = set()
    at, content = 0, b""
    while len(stream) - at >= 6:
        kind, length = struct.unpack_from(">BxI", stream, at)
        body = stream[at + 6 : at + 6 + length]
        at += 6 + length
        if kind != 4:
            continue
        inner = 0
        while len(body) - inner >= 6:
            size, _, control = struct.unpack_from(">IBB", body, inner)
            fragment = body[inner + 6 : inner + 4 + size]
            inner += 4 + size
            if control & 1:
                content = b""
            else:
                content += fragment
                if control & 2:
                    found.add(content)
                    content = b""
    return found
