"""How associations of the data plane send, end and wait, as their raw peer sees it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.faults import AssociationLostError, PeerAbortedError
from dicom_assets.adapters.pacs.plane.wire import Wire
from dicom_assets_tests.plane_peers import QUICK, RawPeer, data_pdu, data_set, pdu, pdv, store_request
from dicom_assets_tests.plane_serving import AGREEMENT

RELEASE_RQ, RELEASE_RP = pdu(5, bytes(4)), pdu(6, bytes(4))
Make = Callable[..., Association]


class Peer(RawPeer):
    """The other end of our association."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.settimeout(30)


@pytest.fixture
def ends() -> Iterator[tuple[Make, Peer]]:
    """Makes our association, as its requestor or acceptor; and its peer."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as theirs,
    ):
        ours, _ = server.accept()

        def make(*, is_requestor: bool = True, max_pdu: int = 16_384) -> Association:
            agreement = replace(AGREEMENT, max_pdu=max_pdu)
            return Association(Wire(ours, QUICK), agreement, QUICK, is_requestor=is_requestor)

        with ours, Peer(theirs) as peer:
            yield make, peer


def in_background(do: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=do)
    thread.start()
    return thread


@pytest.mark.parametrize("max_pdu", [0, 7, 20, 4096, 16_384, 1_000_000])
def test_messages_keep_to_the_peers_pdu_length(ends: tuple[Make, Peer], max_pdu: int) -> None:
    make, peer = ends
    association = make(max_pdu=max_pdu)
    content, request = data_set(size=3000 if 0 < max_pdu < 100 else 3_000_000), store_request()
    sending = in_background(lambda: association.send(1, request, memoryview(content)))

    parts: dict[int, bytes] = {0: b"", 1: b""}
    while True:
        kind, body = peer.read()
        assert (kind, body[4]) == (4, 1)
        assert not max_pdu or len(body) <= max(max_pdu, 8)
        assert int.from_bytes(body[:4], "big") == len(body) - 4
        parts[body[5] & 1] += body[6:]
        if body[5] == 2:
            break
    sending.join()

    assert parts == {1: request, 0: content}


def test_what_the_caller_does_not_read_of_a_data_set_is_skipped(ends: tuple[Make, Peer]) -> None:
    make, peer = ends
    association = make()
    peer.send(data_pdu(pdv(1, 3, store_request("1.2.1"))), data_pdu(pdv(1, 0, b"ab"), pdv(1, 2, b"cd")))
    peer.send(data_pdu(pdv(1, 3, store_request("1.2.2"))), data_pdu(pdv(1, 0, b"ef")), data_pdu(pdv(1, 2, b"gh")))

    first = association.receive()
    second = association.receive()

    assert first is not None
    assert second is not None
    assert (first.sop_instance_uid, second.sop_instance_uid) == ("1.2.1", "1.2.2")
    assert b"".join(map(bytes, association.pieces())) == b"efgh"


def test_release_is_awaited_and_late_data_is_skipped(ends: tuple[Make, Peer]) -> None:
    make, peer = ends
    association = make()
    peer.send(data_pdu(pdv(1, 3, store_request())), RELEASE_RP)

    association.release()

    assert peer.read() == (5, bytes(4))
    assert association.is_over
    with pytest.raises(AssociationLostError, match="over"):
        association.send(1, commands.c_echo_rq(1))


def test_requestor_answers_first_when_both_release(ends: tuple[Make, Peer]) -> None:
    make, peer = ends
    association = make(is_requestor=True)
    peer.send(RELEASE_RQ)
    releasing = in_background(association.release)

    assert peer.read()[0] == 5
    assert peer.read()[0] == 6
    peer.send(RELEASE_RP)
    releasing.join()
    assert peer.read() == (0, b"")


def test_acceptor_answers_last_when_both_release(ends: tuple[Make, Peer]) -> None:
    make, peer = ends
    association = make(is_requestor=False)
    peer.send(RELEASE_RQ)
    releasing = in_background(association.release)

    assert peer.read()[0] == 5
    peer.send(RELEASE_RP)
    assert peer.read()[0] == 6
    releasing.join()


@pytest.mark.parametrize("answer", [b"", pdu(7, bytes(4)), pdu(2, bytes(68)), pdu(4, b"", 0xFFFFFFFF)])
def test_release_that_is_not_answered_ends_all_the_same(ends: tuple[Make, Peer], answer: bytes) -> None:
    make, peer = ends
    association = make()
    peer.send(answer)

    with pytest.raises(AssociationLostError):
        association.release()

    assert association.is_over


def test_peers_abort_is_told_with_its_reason(ends: tuple[Make, Peer]) -> None:
    make, peer = ends
    association = make()
    peer.send(pdu(7, bytes((0, 0, 2, 6))))

    with pytest.raises(PeerAbortedError) as caught:
        association.receive()

    assert (caught.value.source, caught.value.reason) == (2, 6)


def test_abort_is_sent_once(ends: tuple[Make, Peer]) -> None:
    make, peer = ends
    association = make()

    association.abort()
    association.abort()

    assert peer.read() == (7, bytes(4))
    assert peer.read() == (0, b"")


def test_another_thread_may_interrupt(ends: tuple[Make, Peer]) -> None:
    make, _ = ends
    association = make()
    ended: list[BaseException] = []

    def receive() -> None:
        try:
            association.receive(seconds=60)
        except AssociationLostError as error:
            ended.append(error)

    waiting = in_background(receive)
    association.interrupt()
    waiting.join(10)

    assert len(ended) == 1


def test_readiness_is_told_without_taking_anything(ends: tuple[Make, Peer]) -> None:
    make, peer = ends
    association = make()
    assert not association.is_ready(0.01)
    peer.send(data_pdu(pdv(3, 3, commands.c_echo_rq(1)), pdv(3, 3, commands.c_echo_rq(2))))

    assert association.is_ready(10)
    assert association.receive() is not None
    assert association.is_ready(0)
    assert association.receive() is not None
    assert not association.is_ready(0)
