"""Our Storage SCP against peers of all kinds, on real sockets: pynetdicom, and whoever sends bytes."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, _config, build_context, build_role, evt

from dicom_assets.adapters.pacs.association import LocalNode, silence_dicom_libraries
from dicom_assets.adapters.pacs.inbox import DiskFloor, Inbox
from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.file_meta import file_meta
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.storage_scp import Sender, StorageScp
from dicom_assets.adapters.pacs.tls import TlsFiles
from dicom_assets.adapters.pacs.transfer_syntaxes import STORED
from dicom_assets.errors import ConfigurationError, StorageError
from dicom_assets.study import IncomingFile
from dicom_assets_tests.certificates import Certificates, Identity
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.plane_peers import (
    QUICK,
    STUDY_UID,
    VERIFICATION,
    FolderReceive,
    RawPeer,
    data_pdu,
    data_set,
    pdu,
    pdv,
    store_request,
)

COMMAND, LAST = 1, 2
ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = 2, 3, 4, 5, 6, 7
MESSAGE_ID = 17
ENOUGH_SECONDS = 8.0


class Site:
    """A Storage SCP that waits for one study, and the folder that its instances go to."""

    def __init__(self, folder: Path, port: int, **options: object) -> None:
        self.arrived = FolderReceive(folder)
        self.port = port
        self.receive: Callable[[str], IncomingFile] = self.arrived.receive
        options = {"limits": QUICK, "host": "127.0.0.1", **options}
        self.scp = StorageScp(LocalNode("DICOM_ASSETS", "127.0.0.1", port), "STAGING", **options)  # type: ignore[arg-type]
        self.inbox = Inbox(self.receive)

    def __enter__(self) -> Site:
        self._stack = ExitStack()
        self.inbox = self._stack.enter_context(self.scp.waiting_for(STUDY_UID, MESSAGE_ID, self._receive))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _receive(self, uid: str) -> IncomingFile:
        return self.receive(uid)

    def files(self) -> dict[str, bytes]:
        return self.arrived.files()

    def is_well(self) -> bool:
        """Whether it still takes an instance."""
        with RawPeer(self.port) as peer:
            if peer.associate()[0] != ASSOCIATE_AC:
                return False
            peer.send(store(uid="1.2.9"))
            status = peer.status()
        return status == 0 and "1.2.9" in self.files()


MakeSite = Callable[..., Site]


@pytest.fixture(autouse=True)
def files_are_sent_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep pynetdicom from decoding what it is to send."""
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)


@pytest.fixture
def make_site(tmp_path: Path) -> MakeSite:
    silence_dicom_libraries()

    def make(**options: object) -> Site:
        folder = tmp_path / "arrived"
        folder.mkdir()
        return Site(folder, free_port(), **options)

    return make


@pytest.fixture
def site(make_site: MakeSite) -> Iterator[Site]:
    with make_site() as running:
        yield running


def store(uid: str = "1.2.3", content: bytes | None = None, context_id: int = 1, **more: int) -> bytes:
    """A whole C-STORE request in two PDUs."""
    command = store_request(uid, **more)
    encoded = data_set() if content is None else content
    return data_pdu(pdv(context_id, COMMAND | LAST, command)) + data_pdu(pdv(context_id, LAST, encoded))


def as_file(uid: str, content: bytes, syntax: str = ExplicitVRLittleEndian) -> bytes:
    return file_meta(CTImageStorage, uid, syntax) + content


def soon(is_so: Callable[[], bool]) -> bool:
    """Whether it becomes so before long."""
    deadline = time.monotonic() + ENOUGH_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.02)
    return True


class TestBesidePynetdicom:
    @pytest.mark.parametrize("syntax", STORED)
    def test_file_is_what_pynetdicom_would_have_received(self, site: Site, tmp_path: Path, syntax: str) -> None:
        path = tmp_path / "instance.dcm"
        path.write_bytes(as_file("1.2.3", data_set(syntax=syntax, size=70_001), syntax))
        seen: list[bytes] = []

        def on_store(event: evt.Event) -> int:
            seen.append(event.encoded_dataset())
            return 0

        reference = AE("DICOM_ASSETS")
        reference.add_supported_context(CTImageStorage, syntax)
        server = reference.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
        try:
            assert self.sent(path, server.server_address[1], syntax) == 0
        finally:
            server.shutdown()
        assert self.sent(path, site.port, syntax) == 0

        assert [site.files()["1.2.3"]] == seen
        assert seen[0] == path.read_bytes()

    @staticmethod
    def sent(path: Path, port: int, syntax: str) -> int:
        assoc = AE("STAGING").associate(
            "127.0.0.1", port, contexts=[build_context(CTImageStorage, syntax)], ae_title="DICOM_ASSETS"
        )
        assert assoc.is_established
        with pytest.MonkeyPatch.context() as patch:  # the file's bytes as they are, not decoded and encoded again
            patch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
            status = assoc.send_c_store(path).Status
        assoc.release()
        assert assoc.is_released
        return int(status)

    def test_all_contexts_of_an_association_are_answered(self, site: Site) -> None:
        contexts = [build_context(CTImageStorage, syntax) for syntax in (*STORED, "1.2.3.4")]
        contexts += [build_context("1.2.3.4.5.6"), build_context(VERIFICATION)]

        assoc = AE("STAGING").associate("127.0.0.1", site.port, contexts=contexts, ae_title="DICOM_ASSETS")

        assert [c.transfer_syntax[0] for c in assoc.accepted_contexts][:-1] == list(STORED)
        assert [c.result for c in assoc.rejected_contexts] == [4, 3]
        assert assoc.send_c_echo().Status == 0
        assoc.release()

    def test_roles_that_we_do_not_offer_leave_the_peer_the_scu(self, site: Site) -> None:
        assoc = AE("STAGING").associate(
            "127.0.0.1",
            site.port,
            contexts=[build_context(CTImageStorage, ExplicitVRLittleEndian)],
            ae_title="DICOM_ASSETS",
            ext_neg=[build_role(CTImageStorage, scu_role=True, scp_role=True)],
        )

        assert (assoc.accepted_contexts[0].as_scu, assoc.accepted_contexts[0].as_scp) == (True, False)
        assoc.release()


class TestFragments:
    @pytest.mark.parametrize("size", [1, 2, 100, 16_378])
    def test_fragments_of_any_size_are_joined(self, site: Site, size: int) -> None:
        content, command = data_set(size=3000), store_request()
        pdvs = [*self.split(command, size, COMMAND), *self.split(content, size, 0)]

        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(*(data_pdu(one) for one in pdvs))
            assert peer.status() == 0

        assert site.files() == {"1.2.3": as_file("1.2.3", content)}

    @pytest.mark.parametrize("size", [1, 50, 4000])
    def test_command_and_data_set_may_share_a_pdu(self, site: Site, size: int) -> None:
        content = data_set(size=3000)
        pdvs = [*self.split(store_request(), size, COMMAND), *self.split(content, size, 0)]

        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(data_pdu(*pdvs))
            assert peer.status() == 0

        assert site.files() == {"1.2.3": as_file("1.2.3", content)}

    def test_empty_fragments_do_no_harm(self, site: Site) -> None:
        content, command = data_set(), store_request()
        empty_command, empty = pdv(1, COMMAND, b""), pdv(1, 0, b"")

        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(data_pdu(empty_command, pdv(1, COMMAND | LAST, command), empty))
            peer.send(data_pdu(pdv(1, 0, content), empty), data_pdu(pdv(1, LAST, b"")))
            assert peer.status() == 0

        assert site.files() == {"1.2.3": as_file("1.2.3", content)}

    def test_bytes_may_come_one_by_one(self, site: Site) -> None:
        with RawPeer(site.port) as peer:
            peer.associate()
            for byte in store(content=data_set(size=100)):
                peer.send(bytes((byte,)))
            assert peer.status() == 0

    @pytest.mark.parametrize("max_pdu", [0, 7, 8, 30, 131_072])
    def test_responses_keep_to_the_peers_pdu_length(self, site: Site, max_pdu: int) -> None:
        with RawPeer(site.port) as peer:
            peer.associate(max_pdu=max_pdu)
            peer.send(store())
            answer = b""
            while True:
                kind, body = peer.read()
                assert kind == P_DATA
                assert not max_pdu or len(body) <= max(max_pdu, 8)
                answer += body[6:]
                if body[5] & LAST:
                    break

        assert commands.decode(1, answer).status == 0

    @staticmethod
    def split(content: bytes, size: int, control: int) -> list[bytes]:
        starts = range(0, len(content), size)
        return [pdv(1, control | (LAST if at + size >= len(content) else 0), content[at : at + size]) for at in starts]


class TestWhatIsTaken:
    def test_instance_of_another_study_is_refused(self, site: Site) -> None:
        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(store(content=data_set("1.2.3.4.5"), originator_message_id=MESSAGE_ID))
            assert peer.status() == 0x0124
            peer.send(store("1.2.4"))
            assert peer.status() == 0

        assert set(site.files()) == {"1.2.4"}

    def test_instance_without_study_is_taken_by_its_message_id_alone(self, site: Site) -> None:
        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(store("1.2.3", data_set(None), originator_message_id=MESSAGE_ID))
            assert peer.status() == 0
            peer.send(store("1.2.4", data_set(None), originator_message_id=MESSAGE_ID + 1))
            assert peer.status() == 0x0124
            peer.send(store("1.2.5", data_set(None)))
            assert peer.status() == 0x0124

        assert set(site.files()) == {"1.2.3"}

    def test_moves_of_one_study_are_told_apart_by_message_id(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        other = FolderReceive(tmp_path / "other")
        with site.scp.waiting_for(STUDY_UID, 99, other.receive), RawPeer(site.port) as peer:
            peer.associate()
            peer.send(store("1.2.3", originator_message_id=99))
            assert peer.status() == 0
            peer.send(store("1.2.4", originator_message_id=MESSAGE_ID))
            assert peer.status() == 0

        assert (set(other.files()), set(site.files())) == ({"1.2.3"}, {"1.2.4"})

    @pytest.mark.parametrize("uid", ["", "1.2 3", "1" * 65, "1.2\\1.3"])
    def test_name_that_is_none_is_refused(self, site: Site, uid: str) -> None:
        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(store(uid))
            status = peer.status()

        assert status == (0 if "\\" in uid else 0x0117)
        assert len(site.files()) == (status == 0)

    def test_request_without_data_set_is_refused(self, site: Site) -> None:
        command = store_request().replace(b"\0\0\0\x08\x02\0\0\0\x01\0", b"\0\0\0\x08\x02\0\0\0\x01\x01")

        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(data_pdu(pdv(1, COMMAND | LAST, command)))
            assert peer.status() == 0xC000

    def test_full_disk_is_told_and_fails_the_run(self, make_site: MakeSite, tmp_path: Path) -> None:
        with make_site(disk=DiskFloor(tmp_path, 2**62)) as site, RawPeer(site.port) as peer:
            peer.associate()
            peer.send(store())
            assert peer.status() == 0xA700
            assert isinstance(site.inbox.error, StorageError)
            assert "MIN_FREE_DISK_MEGABYTES" in str(site.inbox.error)

        assert site.files() == {}

    def test_instance_that_can_not_be_written_is_told_and_fails_the_run(self, site: Site) -> None:
        site.receive = FolderReceive(site.arrived.folder / "missing").receive
        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(store())
            assert peer.status() == 0xA700

        assert isinstance(site.inbox.error, StorageError)
        assert site.files() == {}

    def test_nothing_is_kept_once_the_wait_is_over(self, site: Site) -> None:
        entered, go_on = threading.Event(), threading.Event()
        begin = site.arrived.receive

        def slow(uid: str) -> IncomingFile:
            entered.set()
            assert go_on.wait(ENOUGH_SECONDS)
            return begin(uid)

        site.receive = slow
        with site.scp.listening(), RawPeer(site.port) as peer:
            peer.associate()
            peer.send(store())
            assert entered.wait(ENOUGH_SECONDS)
            site.inbox.close()
            go_on.set()
            assert peer.status() == 0x0124

        assert site.files() == {}


class TestWhoMayCome:
    @pytest.mark.parametrize(
        ("calling", "called", "why"),
        [("SOMEBODY", "DICOM_ASSETS", (1, 1, 3)), ("STAGING", "SOMEONE_ELSE", (1, 1, 7)), ("A", "B", (1, 1, 7))],
    )
    def test_strangers_are_rejected_with_the_reason(
        self, site: Site, calling: str, called: str, why: tuple[int, int, int]
    ) -> None:
        with RawPeer(site.port) as peer:
            kind, body = peer.associate(calling=calling, called=called)

        assert (kind, tuple(body[1:])) == (ASSOCIATE_RJ, why)

    def test_peer_at_another_address_is_sent_away(self, make_site: MakeSite) -> None:
        with make_site(host="192.0.2.1") as site, RawPeer(site.port) as peer:
            assert peer.read() == (0, b"")

    def test_sender_may_come_from_its_own_host_alone(self, make_site: MakeSite) -> None:
        senders = [Sender("GATEWAY", "127.0.0.1"), Sender("ELSEWHERE", "192.0.2.2")]
        with make_site(host="192.0.2.1", senders=senders) as site:
            kinds = {}
            for title in ("GATEWAY", "ELSEWHERE", "STAGING"):
                with RawPeer(site.port) as peer:
                    kinds[title] = peer.associate(calling=title)[0]

        assert kinds == {"GATEWAY": ASSOCIATE_AC, "ELSEWHERE": ASSOCIATE_RJ, "STAGING": ASSOCIATE_RJ}

    def test_associations_beyond_the_limit_are_rejected_for_now(self, make_site: MakeSite) -> None:
        long = replace(QUICK, idle_seconds=30)
        with make_site(max_associations=2, limits=long) as site, ExitStack() as stack:
            peers = [stack.enter_context(RawPeer(site.port)) for _ in range(3)]
            answers = [peer.associate() for peer in peers]

        assert [kind for kind, _ in answers] == [ASSOCIATE_AC, ASSOCIATE_AC, ASSOCIATE_RJ]
        assert tuple(answers[2][1][1:]) == (2, 3, 2)

    def test_other_application_context_is_rejected(self, site: Site) -> None:
        from dicom_assets.adapters.pacs.plane.negotiation import numbered, request_pdu

        request = request_pdu("STAGING", "DICOM_ASSETS", numbered([build_context(VERIFICATION)]), [], 0)
        with RawPeer(site.port) as peer:
            peer.send(request.replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.2"))
            kind, body = peer.read()

        assert (kind, tuple(body[1:])) == (ASSOCIATE_RJ, (1, 1, 2))

    def test_port_that_is_taken_is_named(self, make_site: MakeSite) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            scp = StorageScp(LocalNode("DICOM_ASSETS", "127.0.0.1", other.getsockname()[1]), "STAGING")
            with pytest.raises(ConfigurationError, match="LOCAL_PORT"), scp.listening():
                pass


GARBAGE = {
    "zeros": bytes(100),
    "another protocol": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4,
    "length of 0": pdu(4, b""),
    "request of length 0": pdu(1, b""),
    "greatest length": pdu(4, b"", 0xFFFFFFFF),
    "greatest length of a request": pdu(1, b"", 0xFFFFFFFF),
    "unknown type": pdu(0x47, b"hello"),
    "response nobody asked for": pdu(6, bytes(4)),
    "second request": pdu(1, bytes(68)),
    "fragment longer than its PDU": pdu(4, b"\0\0\xff\xff\x01\x03abc"),
    "fragment of length 0": pdu(4, bytes(6)),
    "fragment of length 1": pdu(4, b"\0\0\0\x01\x01"),
    "half a header": pdu(4, b"\0\0\0"),
    "context that was not accepted": data_pdu(pdv(77, 3, store_request())),
    "data set without a command": data_pdu(pdv(1, LAST, b"1234")),
    "command that is none": data_pdu(pdv(1, 3, b"\x08\0\x01\0\x02\0\0\0ab")),
    "command cut short": data_pdu(pdv(1, 3, store_request()[:-3])),
    "command without end": data_pdu(*(pdv(1, 1, bytes(30_000)) for _ in range(3))),
    "command within a data set": data_pdu(pdv(1, 3, store_request())) + data_pdu(pdv(1, 3, store_request())),
    "release within a data set": data_pdu(pdv(1, 3, store_request())) + pdu(5, bytes(4)),
    "abort within a data set": data_pdu(pdv(1, 3, store_request()), pdv(1, 0, data_set())) + pdu(7, bytes(4)),
    "context changes within a data set": data_pdu(pdv(1, 3, store_request()), pdv(3, 0, data_set())),
}


class TestBadPeers:
    @pytest.mark.parametrize("name", GARBAGE)
    @pytest.mark.parametrize("is_associated", [False, True])
    def test_garbage_ends_the_association_and_nothing_else(self, site: Site, name: str, is_associated: bool) -> None:
        with RawPeer(site.port) as peer:
            if is_associated:
                assert peer.associate()[0] == ASSOCIATE_AC
            peer.send(GARBAGE[name])
            kind, _ = peer.read()

        assert kind in (0, ABORT) or (kind == RELEASE_RP and "release" in name)
        assert soon(lambda: site.files() == {})
        assert site.inbox.error is None
        assert site.is_well()

    @pytest.mark.parametrize("at", [1, 5, 6, 30, 200, 1200])
    @pytest.mark.parametrize("how", ["close", "reset", "abort"])
    def test_connection_that_breaks_leaves_nothing(self, site: Site, at: int, how: str) -> None:
        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(store()[:at])
            if how == "abort":
                peer.send(pdu(ABORT, bytes(4)))
            elif how == "reset":
                peer.reset()
        assert soon(lambda: site.arrived.begun == 0 or site.files() == {})

        assert site.is_well()
        assert set(site.files()) == {"1.2.9"}
        assert site.inbox.received == 1

    @pytest.mark.parametrize("how", ["close", "reset", "abort"])
    def test_instance_that_breaks_off_after_many_pdus_leaves_nothing(self, site: Site, how: str) -> None:
        content = data_set(size=2_000_000)
        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(data_pdu(pdv(1, 3, store_request())))
            for start in range(0, 1_600_000, 16_000):
                peer.send(data_pdu(pdv(1, 0, content[start : start + 16_000])))
            assert soon(lambda: site.arrived.begun == 1)
            if how == "abort":
                peer.send(pdu(ABORT, bytes(4)))
            elif how == "reset":
                peer.reset()

        assert soon(lambda: site.files() == {})
        assert site.inbox.received == 0

    @pytest.mark.parametrize("sent", [b"", pdu(1, bytes(200))[:100], b"\x01"])
    def test_silent_peer_is_sent_away_before_it_is_known(self, site: Site, sent: bytes) -> None:
        with RawPeer(site.port) as peer:
            peer.send(sent)
            started = time.monotonic()
            kind, _ = peer.read()

        assert kind in (0, ABORT)
        assert time.monotonic() - started < ENOUGH_SECONDS

    @pytest.mark.parametrize("sent", [b"", b"\x04", store()[:50], store()[:400]])
    def test_silent_peer_is_sent_away_afterwards(self, site: Site, sent: bytes) -> None:
        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(sent)
            kind, _ = peer.read()

        assert kind == ABORT
        assert soon(lambda: site.files() == {})

    def test_peer_that_drips_is_sent_away(self, site: Site) -> None:
        content = store(content=data_set(size=10_000))
        is_away = False
        with RawPeer(site.port) as peer:
            peer.associate()
            started = time.monotonic()
            for byte in content:
                try:
                    peer.send(bytes((byte,)))
                except OSError:
                    is_away = True
                    break
                threading.Event().wait(0.02)
                if time.monotonic() - started > ENOUGH_SECONDS:
                    break

        assert is_away
        assert soon(lambda: site.files() == {})

    def test_peer_that_reads_nothing_is_sent_away(self, site: Site) -> None:
        echo = data_pdu(pdv(3, 3, commands.c_echo_rq(1)))
        with RawPeer(site.port, timeout=ENOUGH_SECONDS) as peer:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.associate()
            with pytest.raises(OSError):
                self.send_for_ever(peer, echo * 1000)

    @staticmethod
    def send_for_ever(peer: RawPeer, content: bytes) -> None:
        while True:
            peer.send(content)

    def test_more_bytes_than_an_association_may_bring_end_it(self, make_site: MakeSite) -> None:
        with make_site(limits=replace(QUICK, max_bytes=100_000)) as site, RawPeer(site.port) as peer:
            peer.associate()
            peer.send(store("1.2.3"))
            assert peer.status() == 0
            content = data_set(size=150_000)
            peer.send(data_pdu(pdv(1, 3, store_request("1.2.4"))), data_pdu(pdv(1, 0, content)))
            assert peer.read()[0] in (0, ABORT)
            assert soon(lambda: set(site.files()) == {"1.2.3"})

    def test_thousand_connects_do_not_keep_others_out(self, site: Site) -> None:
        for number in range(1000):
            peer = RawPeer(site.port)
            if number % 3 == 0:
                peer.send(b"\x01\0\0\0")
            peer.socket.close()

        assert soon(site.is_well)

    def test_thousand_silent_connects_are_bounded_and_pass(self, make_site: MakeSite) -> None:
        with make_site() as site, ExitStack() as stack:
            threads = threading.active_count()
            for _ in range(200):
                stack.enter_context(RawPeer(site.port))
            assert threading.active_count() - threads <= 32
            assert soon(site.is_well)

    def test_what_we_do_not_know_is_answered(self, site: Site) -> None:
        unknown = commands.c_echo_rq(5).replace(b"\0\0\0\x01\x02\0\0\0\x30\0", b"\0\0\0\x01\x02\0\0\0\x60\x01")
        assert unknown != commands.c_echo_rq(5)
        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(data_pdu(pdv(3, 3, unknown)))
            assert peer.status() == 0x0211
            peer.send(data_pdu(pdv(3, 3, commands.c_echo_rq(6))))
            assert peer.status() == 0

    def test_responses_and_cancels_are_passed_over(self, site: Site) -> None:
        with RawPeer(site.port) as peer:
            peer.associate()
            request = commands.decode(1, store_request())
            peer.send(data_pdu(pdv(1, 3, commands.c_store_rsp(request, 0))))
            peer.send(data_pdu(pdv(1, 3, commands.c_cancel_rq(1))))
            peer.send(store())
            assert peer.status() == 0

    def test_release_is_answered(self, site: Site) -> None:
        with RawPeer(site.port) as peer:
            peer.associate()
            peer.send(pdu(RELEASE_RQ, bytes(4)))
            assert peer.read() == (RELEASE_RP, bytes(4))
            assert peer.read() == (0, b"")

    def test_open_associations_are_aborted_when_nothing_is_waited_for(self, make_site: MakeSite) -> None:
        with make_site(limits=Limits(linger_seconds=0.2)) as site:
            peer = RawPeer(site.port)
            peer.associate()
            started = time.monotonic()
        assert time.monotonic() - started < ENOUGH_SECONDS

        with peer:
            assert peer.read()[0] == ABORT
        with pytest.raises(OSError):
            RawPeer(site.port)


class TestTls:
    @pytest.fixture
    def secured(self, make_site: MakeSite, certificates: Certificates) -> Iterator[Site]:
        site = make_site()
        ours = certificates.server
        files = TlsFiles("LOCAL", str(certificates.ca), str(ours.certificate), str(ours.key))
        local = LocalNode("DICOM_ASSETS", "127.0.0.1", site.port, files)
        site.scp = StorageScp(local, "STAGING", limits=QUICK)
        with site:
            yield site

    def context(self, certificates: Certificates, shown: Identity | None) -> ssl.SSLContext:
        return certificates.trusting() if shown is None else certificates.presenting(shown)

    def test_instances_arrive_over_tls(self, secured: Site, certificates: Certificates) -> None:
        content = data_set(size=700_000)
        with RawPeer(secured.port) as peer:
            peer.socket = self.context(certificates, certificates.client).wrap_socket(
                peer.socket, server_hostname="127.0.0.1"
            )
            assert peer.associate()[0] == ASSOCIATE_AC
            first, rest = content[:100_000], content[100_000:]
            pieces = [rest[at : at + 200_000] for at in range(0, len(rest), 200_000)]
            peer.send(data_pdu(pdv(1, 3, store_request()), pdv(1, 0, first)))
            peer.send(*(data_pdu(pdv(1, 0, piece)) for piece in pieces), data_pdu(pdv(1, LAST, b"")))
            assert peer.status() == 0
            peer.send(pdu(RELEASE_RQ, bytes(4)))
            assert peer.read()[0] == RELEASE_RP

        assert secured.files() == {"1.2.3": as_file("1.2.3", content)}

    def test_peer_without_a_certificate_is_sent_away(self, secured: Site, certificates: Certificates) -> None:
        kind = 0
        with RawPeer(secured.port) as peer, suppress(OSError):
            peer.socket = self.context(certificates, None).wrap_socket(peer.socket, server_hostname="127.0.0.1")
            kind, _ = peer.associate()

        assert kind == 0

    def test_peer_that_speaks_plain_dicom_is_sent_away(self, secured: Site) -> None:
        with RawPeer(secured.port) as peer:
            assert peer.associate()[0] not in (ASSOCIATE_AC, ASSOCIATE_RJ)

    def test_silent_peer_is_sent_away(self, secured: Site, certificates: Certificates) -> None:
        with RawPeer(secured.port) as peer:
            peer.socket = self.context(certificates, certificates.client).wrap_socket(
                peer.socket, server_hostname="127.0.0.1"
            )
            peer.associate()
            assert peer.read()[0] in (0, ABORT)
