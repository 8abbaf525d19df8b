"""C-GET over the data plane, from PACSs of all kinds, on real sockets."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    OphthalmicPhotography8BitImageStorage,
)
from pynetdicom import build_context, build_role, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet  # type: ignore[attr-defined]

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, Timeouts, associate, silence_dicom_libraries
from dicom_assets.adapters.pacs.c_get import STUDY_ROOT_GET, CGetPacs
from dicom_assets.adapters.pacs.inbox import DiskFloor
from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.file_meta import file_meta
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.requests import identifier_of
from dicom_assets.adapters.pacs.tls import TlsFiles
from dicom_assets.adapters.pacs.transfer_syntaxes import one_context_each
from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets.demo.home import fill
from dicom_assets.demo.objects import instance_file
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.demo.studies import demo_studies
from dicom_assets.errors import (
    NothingAcceptedError,
    PacsAwayError,
    PacsError,
    PacsStatusError,
    RunStoppedError,
    StorageError,
)
from dicom_assets.study import IncomingFile, Piece, Retrieval
from dicom_assets_tests.certificates import Certificates
from dicom_assets_tests.dcmtk import dcmsend, has_dcmtk, running_dcmqrscp
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.orthanc import orthanc_binary, running_orthanc
from dicom_assets_tests.plane_peers import (
    QUICK,
    STUDY_UID,
    FolderReceive,
    Script,
    counted_response,
    data_pdu,
    data_set,
    pdu,
    pdv,
    scripted_pacs,
)
from dicom_assets_tests.receiving import Received
from dicom_assets_tests.small_studies import instance_with, small_study

MIXED = next(study for study in demo_studies() if study.number == 5)
"""CT, MR, SR and a scan, in five transfer syntaxes."""

STUDY = small_study(61, "of a class that is rare")
LOCAL = LocalNode("DICOM_ASSETS", "127.0.0.1", 0)
OFFERED = [
    build_context(STUDY_ROOT_GET, ImplicitVRLittleEndian),
    build_context(CTImageStorage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian]),
]
RETRIEVAL = Retrieval(STUDY_UID, sop_class_uids=frozenset({CTImageStorage}))
PENDING, SUCCESS, WARNING = 0xFF00, 0x0000, 0xB000


@pytest.fixture(autouse=True)
def _quiet() -> None:
    silence_dicom_libraries()


@pytest.fixture
def arrived(tmp_path: Path) -> FolderReceive:
    folder = tmp_path / "arrived"
    folder.mkdir()
    return FolderReceive(folder)


def node(port: int, **more: object) -> PacsNode:
    return PacsNode("STAGING", "127.0.0.1", port, "STAGING_PACS", **more)  # type: ignore[arg-type]


def _classes(study: DemoStudy) -> set[str]:
    files = [instance_file(study, series, 0) for series in study.series]
    return {str(dcmread(BytesIO(content), stop_before_pixels=True).SOPClassUID) for content in files}


def by_pynetdicom(pacs: PacsNode, retrieval: Retrieval) -> dict[str, bytes]:
    """What pynetdicom makes of the same C-GET."""
    seen: dict[str, bytes] = {}

    def on_store(event: evt.Event) -> int:
        seen[str(event.request.AffectedSOPInstanceUID)] = event.encoded_dataset()  # type: ignore[union-attr]
        return 0

    model = StudyRootQueryRetrieveInformationModelGet
    storage = one_context_each(retrieval.sop_class_uids, 127)
    roles = [build_role(sop_class, scp_role=True) for sop_class in sorted(retrieval.sop_class_uids)]
    contexts = [build_context(model), *storage]
    with associate(LOCAL, pacs, contexts, roles=roles, handlers=[(evt.EVT_C_STORE, on_store)]) as assoc:
        for _ in assoc.send_c_get(identifier_of(retrieval), model):
            pass
    return seen


class TestRealPacs:
    RETRIEVAL = Retrieval(MIXED.study_uid, sop_class_uids=frozenset(_classes(MIXED)))

    def test_embedded_pacs_delivers_what_pynetdicom_receives(self, tmp_path: Path, arrived: FolderReceive) -> None:
        folder = tmp_path / "pacs"
        folder.mkdir()
        fill(folder, MIXED)
        with EmbeddedPacs("STAGING", 0, folder, {}) as pacs:
            self.compare(node(pacs.port), arrived)

    @pytest.mark.long
    @pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed")
    @pytest.mark.parametrize("pdu_length", [4096, 131_072])
    def test_orthanc_delivers_what_pynetdicom_receives(
        self, tmp_path: Path, arrived: FolderReceive, pdu_length: int
    ) -> None:
        with running_orthanc("STAGING", tmp_path / "pacs", {}, MaximumPduLength=pdu_length) as orthanc:
            for series in MIXED.series:
                for index in range(len(series.sop_uids)):
                    orthanc.load(instance_file(MIXED, series, index))
            self.compare(node(orthanc.dicom_port), arrived)

    @pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed")
    def test_orthanc_delivers_what_is_rare_though_nobody_knows_the_classes(
        self, tmp_path: Path, arrived: FolderReceive
    ) -> None:
        """A usual class in a rare syntax and a rare class: one association has no room to propose them all."""
        compressed = Path(get_testdata_file("MR_small_RLE.dcm")).read_bytes()
        photograph = instance_with(STUDY, SOPClassUID=OphthalmicPhotography8BitImageStorage)
        uids = {str(dcmread(BytesIO(content)).SOPInstanceUID) for content in (compressed, photograph)}
        with running_orthanc("STAGING", tmp_path / "pacs", {}) as orthanc:
            for content in (compressed, photograph):
                orthanc.load(content)
                study_uid = str(dcmread(BytesIO(content)).StudyInstanceUID)
                said = CGetPacs(LOCAL, node(orthanc.dicom_port)).retrieve(Retrieval(study_uid), arrived.receive)
                assert said == ""

        assert set(arrived.files()) == uids

    @pytest.mark.skipif(not has_dcmtk(), reason="DCMTK is not installed")
    def test_dcmqrscp_delivers_what_pynetdicom_receives(self, tmp_path: Path, arrived: FolderReceive) -> None:
        sent = tmp_path / "sent"
        sent.mkdir()
        fill(sent, MIXED)
        with running_dcmqrscp("STAGING", tmp_path / "pacs", {}) as pacs:
            files = [path for path in sent.rglob("*") if path.is_file()]
            dcmsend(
                "STAGING",
                pacs.port,
                [path for path in files if not dcmread(path).file_meta.TransferSyntaxUID.is_encapsulated],
            )
            self.compare(node(pacs.port), arrived, is_whole=False)

    @pytest.mark.long
    @pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed")
    def test_orthanc_delivers_over_tls(
        self, tmp_path: Path, arrived: FolderReceive, certificates: Certificates
    ) -> None:
        ours = certificates.client
        tls = TlsFiles("STAGING_PACS", str(certificates.ca), str(ours.certificate), str(ours.key))
        with running_orthanc("STAGING", tmp_path / "pacs", {}, **certificates.dicom_tls()) as orthanc:
            for series in MIXED.series:
                orthanc.load(instance_file(MIXED, series, 0))
            CGetPacs(LOCAL, node(orthanc.dicom_port, tls=tls)).retrieve(self.RETRIEVAL, arrived.receive)

        assert set(arrived.files()) == {series.sop_uids[0] for series in MIXED.series}

    def compare(self, pacs: PacsNode, arrived: FolderReceive, *, is_whole: bool = True) -> None:
        CGetPacs(LOCAL, pacs).retrieve(self.RETRIEVAL, arrived.receive)

        found = arrived.files()
        assert found == by_pynetdicom(pacs, self.RETRIEVAL)
        assert len(found) == MIXED.instances or not is_whole
        assert found


def sub_operation(association: Association, uid: str, content: bytes, message_id: int = 5) -> int | None:
    """Send an instance and return what we are answered."""
    context = association.context_for(CTImageStorage, ExplicitVRLittleEndian)
    assert context is not None
    association.send(context.context_id, commands.c_store_rq(message_id, CTImageStorage, uid), content)
    answer = association.receive()
    assert answer is not None
    assert (answer.field, answer.message_id) == (commands.C_STORE_RSP, message_id)
    return answer.status


def end(association: Association, status: int, failed: int = 0) -> None:
    """The last response to a C-GET."""
    request = commands.decode(1, commands.c_get_rq(1, STUDY_ROOT_GET))
    association.send(1, counted_response(request, status, failed=failed))


def asked(association: Association) -> bytes:
    """The identifier of the C-GET that comes."""
    request = association.receive()
    assert request is not None
    assert request.field == commands.C_GET_RQ
    return b"".join(map(bytes, association.pieces()))


def offered(*more: PresentationContext) -> list[PresentationContext]:
    contexts = [*OFFERED, *more]
    for context in contexts[1:]:
        context.scu_role, context.scp_role = True, True
    return contexts


class TestScripted:
    def get(
        self,
        script: Script,
        receive: Callable[[str], IncomingFile],
        retrieval: Retrieval = RETRIEVAL,
        limits: Limits = QUICK,
        supported: Sequence[PresentationContext] | None = None,
        **more: object,
    ) -> str:
        with scripted_pacs(script, offered() if supported is None else supported, Limits()) as port:
            return CGetPacs(LOCAL, node(port), limits=limits, **more).retrieve(retrieval, receive)  # type: ignore[arg-type]

    def test_instances_are_kept_before_they_are_answered(self, arrived: FolderReceive) -> None:
        answers: list[tuple[int | None, list[str]]] = []

        def script(association: Association) -> None:
            asked(association)
            for uid in ("1.2.1", "1.2.2"):
                status = sub_operation(association, uid, data_set())
                answers.append((status, sorted(arrived.files())))
            end(association, SUCCESS)

        self.get(script, arrived.receive)

        assert answers == [(0, ["1.2.1"]), (0, ["1.2.1", "1.2.2"])]

    def test_single_instances_are_named_in_one_list(self, arrived: FolderReceive) -> None:
        identifiers: list[bytes] = []

        def script(association: Association) -> None:
            identifiers.append(asked(association))
            end(association, SUCCESS)

        self.get(script, arrived.receive, Retrieval(STUDY_UID, "1.2.7", ("1.2.7.1", "1.2.7.22"), frozenset()))

        assert b"1.2.7.1\\1.2.7.22" in identifiers[0]
        assert b"IMAGE " in identifiers[0]

    @pytest.mark.parametrize(
        ("status", "failed", "said"),
        [
            (SUCCESS, 0, ""),
            (SUCCESS, 5, "it ended a C-GET with status 0x0000, 5 sub-operation(s) failed"),
            (WARNING, 5, "it ended a C-GET with status 0xB000, 5 sub-operation(s) failed"),
        ],
    )
    def test_end_without_instances_is_for_the_caller_to_judge(
        self, arrived: FolderReceive, status: int, failed: int, said: str
    ) -> None:
        def script(association: Association) -> None:
            asked(association)
            end(association, status, failed)

        assert self.get(script, arrived.receive) == said

        assert arrived.files() == {}

    @pytest.mark.parametrize(
        ("status", "kind", "blames_study"),
        [
            (0xA700, PacsAwayError, None),
            (0xA701, PacsAwayError, None),
            (0xA702, PacsStatusError, False),
            (0xA900, PacsStatusError, True),
            (0xC000, PacsStatusError, True),
            (0xFE00, PacsStatusError, True),
        ],
    )
    def test_failure_that_delivers_nothing_is_told(
        self, arrived: FolderReceive, status: int, kind: type[PacsError], blames_study: bool | None
    ) -> None:
        def script(association: Association) -> None:
            asked(association)
            end(association, status)

        with pytest.raises(kind, match=f"0x{status:04X}") as caught:
            self.get(script, arrived.receive)

        assert getattr(caught.value, "blames_study", None) is blames_study

    def test_failure_after_instances_is_for_the_caller_to_judge(self, arrived: FolderReceive) -> None:
        def script(association: Association) -> None:
            asked(association)
            sub_operation(association, "1.2.1", data_set())
            end(association, 0xA702, failed=1)

        said = self.get(script, arrived.receive)

        assert said == "it ended a C-GET with status 0xA702, 1 sub-operation(s) failed"
        assert set(arrived.files()) == {"1.2.1"}

    @pytest.mark.parametrize("how", ["abort", "close", "release"])
    @pytest.mark.parametrize("at", ["before", "between", "within"])
    def test_association_that_is_lost_leaves_whole_instances_alone(
        self, arrived: FolderReceive, how: str, at: str
    ) -> None:
        def script(association: Association) -> None:
            asked(association)
            if at != "before":
                sub_operation(association, "1.2.1", data_set())
            wire = association._wire
            if at == "within":
                request = commands.c_store_rq(6, CTImageStorage, "1.2.2")
                wire.write([data_pdu(pdv(3, 3, request), pdv(3, 0, data_set()[:500]))])
            if how == "abort":
                association.abort()
            elif how == "release":
                wire.write([pdu(5, bytes(4))])
                wire.linger()
            wire.close()

        with pytest.raises(PacsAwayError, match=r"STAGING@127\.0\.0\.1"):
            self.get(script, arrived.receive)

        assert set(arrived.files()) == (set() if at == "before" else {"1.2.1"})

    @pytest.mark.parametrize("sent", [b"", b"\x04\0", data_pdu(pdv(3, 3, b""))[:-1], data_pdu(pdv(3, 1, b"ab"))])
    def test_silent_pacs_is_away(self, arrived: FolderReceive, sent: bytes) -> None:
        ended = threading.Event()

        def script(association: Association) -> None:
            asked(association)
            if sent:
                association._wire.write([sent])
            ended.wait(20)

        with scripted_pacs(script, offered(), Limits()) as port:
            with pytest.raises(PacsAwayError, match="silent"):
                CGetPacs(LOCAL, node(port), limits=QUICK).retrieve(RETRIEVAL, arrived.receive)
            ended.set()

    def test_association_may_last_no_longer_than_it_may(self, arrived: FolderReceive) -> None:
        def script(association: Association) -> None:
            asked(association)
            for number in range(100):
                threading.Event().wait(0.05)
                assert sub_operation(association, f"1.2.{number}", data_set()) == SUCCESS

        with scripted_pacs(script, offered(), Limits()) as port, pytest.raises(PacsAwayError):
            CGetPacs(LOCAL, node(port, timeouts=Timeouts(whole=0.5))).retrieve(RETRIEVAL, arrived.receive)

        assert 0 < len(arrived.files()) < 100

    @pytest.mark.parametrize(
        "sent",
        [
            pdu(4, b""),
            pdu(0x47, b"garbage"),
            pdu(4, b"", 0xFFFFFFFF),
            data_pdu(pdv(99, 3, b"")),
            data_pdu(pdv(1, 3, b"not a command set")),
            bytes(20),
        ],
    )
    def test_garbage_is_a_lost_association(self, arrived: FolderReceive, sent: bytes) -> None:
        def script(association: Association) -> None:
            asked(association)
            association._wire.write([sent])

        with pytest.raises(PacsAwayError):
            self.get(script, arrived.receive)

    def test_full_disk_stops_the_operation(self, arrived: FolderReceive, tmp_path: Path) -> None:
        seen: list[object] = []

        def script(association: Association) -> None:
            asked(association)
            seen.append(sub_operation(association, "1.2.1", data_set(size=300_000)))
            cancel = association.receive()
            assert cancel is not None
            seen.append(cancel.field)

        with pytest.raises(StorageError, match="MIN_FREE_DISK_MEGABYTES"):
            self.get(script, arrived.receive, disk=DiskFloor(tmp_path, 2**62))

        assert seen == [0xA700, commands.C_CANCEL_RQ]
        assert arrived.files() == {}

    @pytest.mark.parametrize("error", [StorageError("no room"), RunStoppedError("over")])
    @pytest.mark.parametrize("at", ["receive", "write", "keep"])
    def test_what_is_wrong_here_stops_the_operation(self, arrived: FolderReceive, error: Exception, at: str) -> None:
        dropped: list[str] = []

        class Broken:
            def write(self, piece: Piece, /) -> None:
                if at == "write":
                    raise error

            def keep(self) -> None:
                raise error

            def drop(self) -> None:
                dropped.append("dropped")

        def receive(uid: str) -> IncomingFile:
            if at == "receive":
                raise error
            return Broken()

        statuses: list[int | None] = []

        def script(association: Association) -> None:
            asked(association)
            statuses.append(sub_operation(association, "1.2.1", data_set(size=600_000)))

        with pytest.raises(type(error), match=str(error)):
            self.get(script, receive)

        assert statuses == [0xA700]
        assert dropped == ([] if at == "receive" else ["dropped"])

    def test_fault_of_ours_is_told_without_values(self, arrived: FolderReceive) -> None:
        def receive(uid: str) -> IncomingFile:
            raise KeyError(uid)

        def script(association: Association) -> None:
            asked(association)
            sub_operation(association, "1.2.1", data_set())

        with pytest.raises(Exception, match="Unexpected KeyError") as caught:
            self.get(script, receive)
        assert "1.2.1" not in str(caught.value)

    def test_other_requests_are_answered_on_the_way(self, arrived: FolderReceive) -> None:
        statuses = []

        def script(association: Association) -> None:
            asked(association)
            echo = commands.c_echo_rq(9)
            unknown = echo.replace(b"\0\0\0\x01\x02\0\0\0\x30\0", b"\0\0\0\x01\x02\0\0\0\x60\x01")
            for request in (echo, unknown):
                association.send(1, request)
                answer = association.receive()
                assert answer is not None
                statuses.append(answer.status)
            statuses.append(sub_operation(association, "1.2.1", data_set()))
            end(association, SUCCESS)

        self.get(script, arrived.receive)

        assert statuses == [0, 0x0211, 0]

    @pytest.mark.parametrize("size", [1, 3, 500])
    def test_odd_fragments_are_joined(self, arrived: FolderReceive, size: int) -> None:
        content = data_set(size=2000)

        def script(association: Association) -> None:
            asked(association)
            request = commands.c_store_rq(6, CTImageStorage, "1.2.1")
            pdvs = [
                pdv(3, control | (2 if at + size >= len(part) else 0), part[at : at + size])
                for part, control in ((request, 1), (content, 0))
                for at in range(0, len(part), size)
            ]
            groups = itertools.cycle((1, 2, 7))
            while pdvs:
                count = next(groups)
                association._wire.write([data_pdu(*pdvs[:count])])
                del pdvs[:count]
            assert association.receive() is not None
            end(association, SUCCESS)

        self.get(script, arrived.receive)

        assert arrived.files() == {"1.2.1": file_meta(CTImageStorage, "1.2.1", ExplicitVRLittleEndian) + content}

    def test_pacs_without_c_get_is_told(self, arrived: FolderReceive) -> None:
        with pytest.raises(NothingAcceptedError, match="does not offer C-GET"):
            self.get(lambda association: None, arrived.receive, supported=OFFERED[1:])

    def test_pacs_that_accepts_nothing_is_told(self, arrived: FolderReceive) -> None:
        with pytest.raises(NothingAcceptedError, match="accepts none"):
            self.get(lambda association: None, arrived.receive, supported=[build_context("1.2.840.10008.1.1")])

    def test_no_more_associations_are_open_than_the_pacs_allows(self, arrived: FolderReceive) -> None:
        mutex, open_now, most = threading.Lock(), 0, 0

        def script(association: Association) -> None:
            nonlocal open_now, most
            with mutex:
                open_now += 1
                most = max(most, open_now)
            asked(association)
            threading.Event().wait(0.05)
            with mutex:
                open_now -= 1
            end(association, SUCCESS)

        with scripted_pacs(script, offered(), Limits()) as port:
            pacs = [CGetPacs(LOCAL, node(port, max_associations=2)) for _ in range(6)]
            threads = [threading.Thread(target=one.retrieve, args=(RETRIEVAL, arrived.receive)) for one in pacs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert most == 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("why", "kind", "said"),
        [
            ((1, 1, 7), PacsError, "correct STAGING_PACS_AE_TITLE"),
            ((1, 1, 3), PacsError, "does not know our AE title DICOM_ASSETS"),
            ((2, 3, 2), PacsAwayError, "rejected the association for now"),
        ],
    )
    def test_rejection_is_told_in_words(self, why: tuple[int, int, int], kind: type[PacsError], said: str) -> None:
        with Answering(pdu(3, bytes((0, *why)))) as port, pytest.raises(kind, match=said) as caught:
            CGetPacs(LOCAL, node(port), limits=QUICK).retrieve(RETRIEVAL, Received().receive)
        assert isinstance(caught.value, PacsAwayError) == (kind is PacsAwayError)

    @pytest.mark.parametrize(
        "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(10), pdu(7, bytes(4)), pdu(2, bytes(20))]
    )
    def test_whoever_is_no_pacs_is_away(self, answer: bytes) -> None:
        with Answering(answer) as port, pytest.raises(PacsAwayError, match="STAGING@"):
            CGetPacs(LOCAL, node(port), limits=QUICK).retrieve(RETRIEVAL, Received().receive)

    def test_nobody_there_is_told(self) -> None:
        with pytest.raises(PacsAwayError, match="STAGING_PACS_HOST and STAGING_PACS_PORT"):
            CGetPacs(LOCAL, node(free_port()), limits=QUICK).retrieve(RETRIEVAL, Received().receive)

    def test_peer_without_tls_is_told_apart_from_nobody(self, certificates: Certificates) -> None:
        tls = TlsFiles("STAGING_PACS", str(certificates.ca))
        with Answering(pdu(7, bytes(4))) as port, pytest.raises(PacsError, match="speaks no TLS"):
            CGetPacs(LOCAL, node(port, tls=tls), limits=QUICK).retrieve(RETRIEVAL, Received().receive)


class Answering:
    """A server that gives one answer to whatever comes on each connection, and closes it."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def __enter__(self) -> int:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):
                connection.recv(65_536)
                connection.sendall(self._answer)

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
