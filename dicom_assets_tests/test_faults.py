"""The proxy that tests break connections with does what it says: to bytes, to HTTP and to real associations."""

from __future__ import annotations

import errno
import http.client
import http.server
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from dicom_assets.demo.embedded_pacs import EmbeddedPacs, silence_dicom_loggers
from dicom_assets.demo.objects import instance_file
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.fault_actions import (
    Action,
    corrupt,
    cut,
    delay,
    drip,
    duplicate,
    hold,
    reorder,
    swallow,
    truncate,
)
from dicom_assets_tests.fault_places import AfterBytes, AfterDataSet, AfterText, AtCommand, AtPdu, InDataSet, Place
from dicom_assets_tests.faults import Direction, FaultProxy, running_proxy
from dicom_assets_tests.pdu_stream import Command, PduSplitter, PduType, command_field
from dicom_assets_tests.small_studies import small_study
from dicom_assets_tests.waiting import wait_until

SENT = bytes(range(100))
TIMEOUT_SECONDS = 10.0


class _Echo(socketserver.BaseRequestHandler):
    """Sends back what comes, until the connection ends."""

    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except OSError:
            return


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(TIMEOUT_SECONDS)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """A proxy before a server that sends everything back."""
    with serving(_Server(("127.0.0.1", 0), _Echo)) as port, running_proxy(port) as running:
        yield running


@contextmanager
def connected(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_SECONDS) as client:
        yield client


def echo(proxy: FaultProxy, data: bytes = SENT) -> bytes:
    """What comes back of what is sent, up to the end of the connection."""
    with connected(proxy) as client:
        client.sendall(data)
        try:
            client.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            raise ConnectionResetError from error  # which was here before: what is closed in order can be shut down
        received = b""
        while piece := client.recv(65536):
            received += piece
        return received


class TestBytes:
    """Against a server that sends everything back."""

    @pytest.mark.parametrize("size", [0, 1, 100, 3_000_000])
    def test_without_faults_everything_passes_unchanged(self, proxy: FaultProxy, size: int) -> None:
        data = bytes(size % 251 for size in range(size))

        assert echo(proxy, data) == data
        assert proxy.bytes_passed == {Direction.TO_TARGET: size, Direction.TO_CLIENT: size}
        assert proxy.connections == 1

    @pytest.mark.parametrize("direction", Direction)
    @pytest.mark.parametrize(
        ("action", "received"),
        [
            (corrupt(2), SENT[:10] + b"\xf5\xf4" + SENT[12:]),
            (corrupt(1000, mask=0), SENT),
            (swallow(20), SENT[:10] + SENT[30:]),
            (swallow(1000), SENT[:10]),
            (reorder(5), SENT[:10] + SENT[15:20] + SENT[10:15] + SENT[20:]),
            (duplicate(5), SENT[:15] + SENT[10:]),
            (drip(50), SENT),
            (drip(1000), SENT),
            (delay(0.05), SENT),
            (truncate(), SENT[:10]),
            (hold(0.05), SENT),
        ],
        ids=[
            "corrupt", "corrupt nothing", "swallow", "swallow the rest", "reorder", "duplicate", "drip", "drip all",
            "delay", "truncate", "hold",
        ],
    )  # fmt: skip
    def test_fault_happens_where_it_is_told_to(
        self, proxy: FaultProxy, direction: Direction, action: Action, received: bytes
    ) -> None:
        fault = proxy.inject(direction, AfterBytes(10), action)

        assert echo(proxy) == received
        assert fault.fired == 1
        assert echo(proxy) == SENT, "it was to happen once"

    def test_cut_by_fin_ends_both_directions_in_order(self, proxy: FaultProxy) -> None:
        fault = proxy.inject(Direction.TO_CLIENT, AfterBytes(10), cut(reset=False))

        assert echo(proxy) == SENT[:10]
        assert fault.fired == 1

    @pytest.mark.parametrize("place", [AfterBytes(0), AfterBytes(10), AfterBytes(100), AfterText(b"\x05\x06")])
    def test_cut_resets_the_connection(self, proxy: FaultProxy, place: Place) -> None:
        fault = proxy.inject(Direction.TO_TARGET, place, cut())

        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            echo(proxy)

        assert fault.fired == 1
        assert proxy.bytes_passed[Direction.TO_TARGET] <= len(SENT)

    def test_text_is_found_where_two_pieces_meet(self, proxy: FaultProxy) -> None:
        proxy.inject(Direction.TO_CLIENT, AfterBytes(0), drip(len(SENT)))
        fault = proxy.inject(Direction.TO_CLIENT, AfterText(bytes([7, 8, 9]), offset=2), corrupt(1))

        assert echo(proxy) == SENT[:12] + b"\xf3" + SENT[13:]
        assert fault.fired == 1

    def test_fault_may_be_for_one_connection_alone(self, proxy: FaultProxy) -> None:
        echo(proxy)
        proxy.inject(Direction.TO_TARGET, AfterBytes(0), swallow(1), connection=2, times=None)

        assert [echo(proxy)[0] for _ in range(3)] == [0, 1, 0]

    def test_fault_may_happen_again_until_it_is_taken_away(self, proxy: FaultProxy) -> None:
        fault = proxy.inject(Direction.TO_TARGET, AfterBytes(0), swallow(1), times=None)
        assert [echo(proxy)[0] for _ in range(3)] == [1, 1, 1]

        proxy.clear()

        assert echo(proxy) == SENT
        assert fault.fired == 3

    def test_later_fault_takes_over_from_an_earlier_one(self, proxy: FaultProxy) -> None:
        proxy.inject(Direction.TO_TARGET, AfterBytes(10), delay(0.0))
        proxy.inject(Direction.TO_TARGET, AfterBytes(50), truncate())

        assert echo(proxy) == SENT[:50]

    def test_what_is_held_stays_until_it_is_let_go(self, proxy: FaultProxy) -> None:
        fault = proxy.inject(Direction.TO_CLIENT, AfterBytes(10), hold())
        with connected(proxy) as client:
            client.sendall(SENT)
            fault.wait_until_fired(TIMEOUT_SECONDS)
            assert client.recv(1000) == SENT[:10]
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.recv(1000)
            client.settimeout(TIMEOUT_SECONDS)

            proxy.clear()

            assert client.recv(1000) == SENT[10:]

    def test_connections_are_refused_until_they_are_accepted_again(self, proxy: FaultProxy) -> None:
        with connected(proxy) as there:
            wait_until(proxy.open_connections, "the connection")
            proxy.refuse()
            with pytest.raises(ConnectionRefusedError):
                echo(proxy)
            there.sendall(b"still there")
            assert there.recv(1000) == b"still there"

        proxy.accept()

        assert echo(proxy) == SENT

    def test_client_sees_a_reset_when_nobody_listens_at_the_target(self) -> None:
        with running_proxy(free_port()) as proxy:
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                echo(proxy)
            assert proxy.unreachable == 1

    def test_end_of_the_block_ends_what_is_held(self) -> None:
        with serving(_Server(("127.0.0.1", 0), _Echo)) as port:
            began = time.monotonic()
            with running_proxy(port) as proxy:
                fault = proxy.inject(Direction.TO_TARGET, AfterBytes(0), hold())
                with connected(proxy) as client:
                    client.sendall(SENT)
                    fault.wait_until_fired(TIMEOUT_SECONDS)
                    assert proxy.open_connections() == 1
            assert proxy.open_connections() == 0
            assert time.monotonic() - began < TIMEOUT_SECONDS


class _Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(SENT)))
        self.end_headers()
        self.wfile.write(SENT)

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


def test_http_response_can_be_cut_in_its_body() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    with serving(server) as port, running_proxy(port) as proxy:
        assert _fetched(proxy) == SENT
        fault = proxy.inject(Direction.TO_CLIENT, AfterText(b"\r\n\r\n", offset=40), cut(reset=False))
        with pytest.raises(http.client.IncompleteRead) as caught:
            _fetched(proxy)

    assert caught.value.partial == SENT[:40]
    assert fault.fired == 1


def _fetched(proxy: FaultProxy) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


STUDY = small_study(51, "sent through the proxy")
FILES = [instance_file(STUDY, series, number) for series in STUDY.series for number in range(len(series.sop_uids))]
SUCCESS = 0x0000
SHORT_TIMEOUT_SECONDS = 1
OPENED: list[socket.socket] = []
"""Our ends of associations: pynetdicom leaves those open that the other end reset."""


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[EmbeddedPacs]:
    """A PACS that a proxy is put before."""
    with EmbeddedPacs("RESEARCH", 0, tmp_path, {}) as running:
        yield running


@pytest.fixture
def before_pacs(pacs: EmbeddedPacs) -> Iterator[FaultProxy]:
    with running_proxy(pacs.port) as running:
        yield running
    for opened in OPENED:
        opened.close()
    OPENED.clear()


def associate(proxy: FaultProxy) -> Association:
    """An association with the PACS behind the proxy, if it comes to one."""
    silence_dicom_loggers()
    ae = AE("TESTS")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = SHORT_TIMEOUT_SECONDS
    kinds = sorted(
        {(ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in map(parsed, FILES)}
    )
    contexts = [build_context(Verification), *(build_context(*kind) for kind in kinds)]
    return ae.associate(
        "127.0.0.1", proxy.port, contexts, ae_title="RESEARCH", evt_handlers=[(evt.EVT_CONN_OPEN, remember)]
    )


def remember(event: evt.Event) -> None:
    OPENED.append(event.assoc.dul.socket.socket)


def parsed(content: bytes) -> Dataset:
    return dcmread(BytesIO(content))


def store_all(proxy: FaultProxy) -> list[int]:
    """The status of each instance for which one came back over one association."""
    assoc = associate(proxy)
    statuses: list[int] = []
    for content in FILES:
        if not assoc.is_established:
            break
        status = assoc.send_c_store(parsed(content)).get("Status")
        statuses += [] if status is None else [int(status)]
    if assoc.is_established:
        assoc.release()
    return statuses


class TestAssociations:
    """Real associations with a real PACS."""

    def test_echo_and_instances_pass(self, pacs: EmbeddedPacs, before_pacs: FaultProxy) -> None:
        assoc = associate(before_pacs)
        assert assoc.send_c_echo().Status == SUCCESS
        assoc.release()

        assert store_all(before_pacs) == [SUCCESS] * len(FILES)
        assert pacs.count() == len(FILES)
        assert before_pacs.bytes_passed[Direction.TO_TARGET] > 0.9 * sum(map(len, FILES))

    @pytest.mark.parametrize(
        ("direction", "place", "reset"),
        [
            (Direction.TO_TARGET, AtPdu(PduType.ASSOCIATE_RQ, offset=-1), True),
            (Direction.TO_CLIENT, AtPdu(PduType.ASSOCIATE_AC), True),
            (Direction.TO_CLIENT, AtPdu(PduType.ASSOCIATE_AC, offset=10), False),
        ],
    )
    def test_association_that_is_cut_while_it_is_made_is_not_made(
        self, before_pacs: FaultProxy, direction: Direction, place: Place, reset: bool
    ) -> None:
        fault = before_pacs.inject(direction, place, cut(reset=reset))

        assert not associate(before_pacs).is_established
        assert fault.fired == 1

    @pytest.mark.parametrize(
        ("direction", "place", "acknowledged", "kept"),
        [
            (Direction.TO_TARGET, AtCommand(Command.C_STORE_RQ), 0, 0),
            (Direction.TO_TARGET, InDataSet(Command.C_STORE_RQ), 0, 0),
            (Direction.TO_TARGET, InDataSet(Command.C_STORE_RQ, offset=1000), 0, 0),
            (Direction.TO_TARGET, InDataSet(Command.C_STORE_RQ, 3, offset=1000), 2, 2),
            (Direction.TO_CLIENT, AtCommand(Command.C_STORE_RSP, 3), 2, 3),
            (Direction.TO_CLIENT, AtCommand(Command.C_STORE_RSP, 3, offset=20), 2, 3),
            (Direction.TO_TARGET, AtPdu(PduType.RELEASE_RQ), len(FILES), len(FILES)),
        ],
        ids=[
            "before the first instance", "before its data set", "in its data set", "in the third data set",
            "before the third response", "in the third response", "before the release",
        ],
    )  # fmt: skip
    def test_cut_comes_exactly_where_it_is_told_to(
        self,
        pacs: EmbeddedPacs,
        before_pacs: FaultProxy,
        direction: Direction,
        place: Place,
        acknowledged: int,
        kept: int,
    ) -> None:
        fault = before_pacs.inject(direction, place, cut())

        assert store_all(before_pacs) == [SUCCESS] * acknowledged
        assert fault.fired == 1
        wait_until(lambda: not before_pacs.open_connections(), "the connection's end")
        assert pacs.count() == kept

    def test_data_set_can_be_held_after_its_last_byte(self, pacs: EmbeddedPacs, before_pacs: FaultProxy) -> None:
        held = before_pacs.inject(Direction.TO_TARGET, AfterDataSet(Command.C_STORE_RQ, 2), hold(0.2))

        assert store_all(before_pacs) == [SUCCESS] * len(FILES)
        assert held.fired == 1
        assert pacs.count() == len(FILES)

    def test_response_that_is_held_too_long_ends_the_wait(self, pacs: EmbeddedPacs, before_pacs: FaultProxy) -> None:
        held = before_pacs.inject(Direction.TO_CLIENT, AtCommand(Command.C_STORE_RSP, 2), hold())

        assert store_all(before_pacs) == [SUCCESS]
        assert held.fired == 1
        assert pacs.count() == 2

    def test_slow_and_cut_up_bytes_change_nothing(self, pacs: EmbeddedPacs, before_pacs: FaultProxy) -> None:
        for direction in Direction:
            before_pacs.inject(direction, AfterBytes(0), drip(2000))

        assert store_all(before_pacs) == [SUCCESS] * len(FILES)
        assert pacs.count() == len(FILES)


@pytest.fixture(scope="module")
def conversation() -> bytes:
    """One direction of a real association: what its SCU sends."""
    taken: list[bytes] = []

    class Tap(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as target:
                back = threading.Thread(target=relay, args=(target, self.request, lambda _data: None), daemon=True)
                back.start()
                relay(self.request, target, taken.append)
                back.join(TIMEOUT_SECONDS)

    with TemporaryDirectory() as folder, EmbeddedPacs("RESEARCH", 0, Path(folder), {}) as pacs:
        port = pacs.port
        with serving(_Server(("127.0.0.1", 0), Tap)) as tap, running_proxy(tap) as proxy:
            assert store_all(proxy) == [SUCCESS] * len(FILES)
            wait_until(lambda: not proxy.open_connections(), "the connection's end")
    return b"".join(taken)


def relay(source: socket.socket, sink: socket.socket, tell: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            tell(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def pieces(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    places = sorted({place % (len(data) + 1) for place in cuts} | {0, len(data)})
    return (data[begin:end] for begin, end in pairwise(places))


class TestPdus:
    """PDUs and messages are found however the bytes come."""

    @given(cuts=st.lists(st.integers(min_value=0), max_size=20))
    def test_pdus_of_a_conversation_are_those_that_it_has(self, conversation: bytes, cuts: list[int]) -> None:
        splitter = PduSplitter()
        units = [unit for piece in pieces(conversation, cuts) for unit in splitter.feed(piece)]

        assert splitter.rest() == b""
        assert b"".join(unit.content for unit in units) == conversation
        kinds = [PduType(unit.pdu or 0) for unit in units]
        assert kinds[0] is PduType.ASSOCIATE_RQ
        assert kinds[-1] is PduType.RELEASE_RQ
        assert set(kinds[1:-1]) == {PduType.P_DATA_TF}
        fragments = [fragment for unit in units for fragment in unit.fragments]
        assert {fragment.command for fragment in fragments} == {Command.C_STORE_RQ}
        for is_command in (True, False):
            assert sum(f.is_first for f in fragments if f.is_command is is_command) == len(FILES)
            assert sum(f.is_last for f in fragments if f.is_command is is_command) == len(FILES)

    @given(data=st.binary(max_size=200), cuts=st.lists(st.integers(min_value=0), max_size=5))
    def test_whatever_comes_nothing_is_lost_or_moved(self, data: bytes, cuts: list[int]) -> None:
        splitter = PduSplitter()
        units = [unit for piece in pieces(data, cuts) for unit in splitter.feed(piece)]

        assert b"".join(unit.content for unit in units) + splitter.rest() == data
        assert [unit.start for unit in units] == [sum(len(u.content) for u in units[:n]) for n in range(len(units))]

    def test_command_is_found_behind_other_elements(self) -> None:
        first = struct.pack("<HHL", 0, 2, 4) + b"1.2\0"

        assert command_field(first + struct.pack("<HHLH", 0, 0x100, 2, 0x8021)) == Command.C_MOVE_RSP
        assert command_field(first) is None
