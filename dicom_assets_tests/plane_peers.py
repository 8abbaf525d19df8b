"""Peers of the data plane for tests: a raw requestor that sends any bytes, a scripted PACS, a folder that receives."""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.acceptor import accepted
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.faults import AssociationLostError
from dicom_assets.adapters.pacs.plane.listener import Listener
from dicom_assets.adapters.pacs.plane.negotiation import numbered, request_pdu
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.study_store import DurableFile
from dicom_assets.study import Piece

WAIT_SECONDS = 30.0
STUDY_UID = "1.2.826.0.1.3680043.99.4.1"
VERIFICATION = "1.2.840.10008.1.1"
QUICK = Limits(
    connect_seconds=5, acse_seconds=0.6, idle_seconds=0.6, pdu_seconds=0.6, linger_seconds=0.3, max_pdu=262_144
)
"""Limits that a test need not wait for."""


def data_set(study_uid: str | None = STUDY_UID, syntax: str = ExplicitVRLittleEndian, size: int = 1000) -> bytes:
    """An encoded data set that refers to another study before it names its own; `size` bytes of it are pixels."""
    ds = Dataset()
    reference = Dataset()
    reference.StudyInstanceUID = "1.2.3.4.5"
    reference.ReferencedSOPInstanceUID = "1.2.3.4.6"
    ds.SOPClassUID = CTImageStorage
    ds.ReferencedStudySequence = [reference]
    ds.ReferencedStudySequence.is_undefined_length = True
    ds["ReferencedStudySequence"].is_undefined_length = True
    ds.PatientName = "Sentinel^Planes"
    if study_uid is not None:
        ds.StudyInstanceUID = study_uid
    ds.add_new(0x00420011, "OB", bytes(number % 251 for number in range(size & ~1)))
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = UID(syntax).is_implicit_VR, UID(syntax).is_little_endian
    write_dataset(file, ds)
    encoded = file.getvalue()
    return deflated(encoded) if UID(syntax).is_deflated else encoded


def deflated(encoded: bytes) -> bytes:
    """Deflated as PS3.5 A.5 wants it."""
    import zlib

    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    content = compressor.compress(encoded) + compressor.flush()
    return content + bytes(len(content) % 2)


class FolderReceive:
    """Files as a pull writes them: a temporary name, then their own. `receive` is a `Receive`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begun = 0

    def receive(self, sop_instance_uid: str) -> FolderFile:
        self.begun += 1
        return FolderFile(DurableFile(self.folder / sop_instance_uid, "write in a test"))

    def files(self) -> dict[str, bytes]:
        """Everything in the folder by name, temporary files too."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


class FolderFile:
    """One file; fulfils `IncomingFile`."""

    def __init__(self, file: DurableFile) -> None:
        self._file = file

    def write(self, piece: Piece, /) -> None:
        self._file.write(piece)

    def keep(self) -> None:
        self._file.finish()

    def drop(self) -> None:
        self._file.discard()


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    """A PDU, with a false length if one is given."""
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def pdv(context_id: int, control: int, fragment: bytes) -> bytes:
    """A presentation data value: `control` is 1 for command, 2 for last."""
    return struct.pack(">IBB", len(fragment) + 2, context_id, control) + fragment


def data_pdu(*pdvs: bytes) -> bytes:
    return pdu(4, b"".join(pdvs))


def store_request(uid: str = "1.2.3", sop_class: str = CTImageStorage, message_id: int = 1, **more: int) -> bytes:
    """An encoded command set."""
    return commands.c_store_rq(message_id, sop_class, uid, **more)  # type: ignore[arg-type]


def counted_response(request: commands.Command, status: int, *, completed: int = 0, failed: int = 0) -> bytes:
    """An encoded response to a C-GET or C-MOVE that tells its sub-operations."""
    numbers = ((0x1021, completed), (0x1022, failed), (0x1023, 0))
    return commands.response(request, status) + b"".join(struct.pack("<HHIH", 0, tag, 2, n) for tag, n in numbers)


class RawPeer:
    """A connection to our Storage SCP on which anything may be sent."""

    def __init__(self, port: int, timeout: float = WAIT_SECONDS) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *content: bytes) -> None:
        self.socket.sendall(b"".join(content))

    def associate(
        self,
        contexts: Sequence[PresentationContext] = (),
        calling: str = "STAGING",
        called: str = "DICOM_ASSETS",
        max_pdu: int = 16384,
    ) -> tuple[int, bytes]:
        """Ask for an association; context 1 is CT in explicit little endian, 3 is Verification."""
        proposed = contexts or [build_context(CTImageStorage, ExplicitVRLittleEndian), build_context(VERIFICATION)]
        self.send(request_pdu(calling, called, numbered(proposed), [], max_pdu))
        return self.read()

    def read(self) -> tuple[int, bytes]:
        """The next PDU's type and body; 0 when the connection is closed."""
        header = self._exactly(6)
        if not header:
            return 0, b""
        kind, length = struct.unpack(">BxI", header)
        return kind, self._exactly(length)

    def status(self) -> int | None:
        """The status of the response that comes next."""
        kind, body = self.read()
        assert kind == 4, f"a PDU of type {kind} instead of a response"
        return commands.decode(body[4], body[6:]).status

    def _exactly(self, count: int) -> bytes:
        content = b""
        while len(content) < count:
            try:
                piece = self.socket.recv(count - len(content))
            except ConnectionResetError:
                return b""
            if not piece:
                return b""
            content += piece
        return content

    def reset(self) -> None:
        """Close with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[Association], None]


@contextmanager
def scripted_pacs(script: Script, supported: Sequence[PresentationContext], limits: Limits) -> Iterator[int]:
    """The port of a PACS that does with each association what `script` says."""

    def serve(connection: socket.socket, address: str, is_crowded: bool) -> None:
        try:
            association = accepted(connection, supported, lambda request: None, limits)
            script(association)
            while association.receive() is not None:
                pass
        except (AssociationLostError, OSError):
            return

    listener = Listener(("127.0.0.1", 0), serve, lambda address: True, room=8, anteroom=0)
    try:
        yield listener.port
    finally:
        listener.stop()


def new_uid() -> str:
    return str(generate_uid())


def as_stream(content: bytes) -> io.BytesIO:
    return io.BytesIO(content)
