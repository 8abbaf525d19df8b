"""C-STORE to a PACS by pynetdicom: what it gets, on how many associations, and what is told of it."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage
from pynetdicom import build_context, evt
from pynetdicom.presentation import AllStoragePresentationContexts

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, silence_dicom_libraries
from dicom_assets.adapters.pacs.plane.acceptor import accepted
from dicom_assets.adapters.pacs.plane.commands import c_store_rsp
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.store import CStorePacs
from dicom_assets.adapters.pacs.tls import TlsFiles, server_context
from dicom_assets.adapters.pacs.transfer_syntaxes import STORED
from dicom_assets.errors import ChangedContentError, PacsAwayError, PacsError, StudyError
from dicom_assets.study import OutgoingInstance, StoreOutcome, stamp_of
from dicom_assets_tests.certificates import Certificates
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.fault_actions import Action, cut, truncate
from dicom_assets_tests.fault_places import AtCommand, AtPdu, InDataSet, Place
from dicom_assets_tests.faults import Direction, running_proxy
from dicom_assets_tests.orthanc import orthanc_binary, running_orthanc
from dicom_assets_tests.outgoing import data_set_of_file, outgoing_data_set, small_ones
from dicom_assets_tests.pdu_stream import Command as Dimse
from dicom_assets_tests.pdu_stream import PduType
from dicom_assets_tests.plane_peers import VERIFICATION
from dicom_assets_tests.scripted_pacs import WAIT_SECONDS, Gate
from dicom_assets_tests.storing_pacs import StoringPacs, storing_pacs

IMPATIENT = Limits(acse_seconds=0.5, idle_seconds=0.5, pdu_seconds=0.5)


@pytest.fixture
def local() -> LocalNode:
    silence_dicom_libraries()
    return LocalNode("DICOM_ASSETS", "127.0.0.1", free_port())


@pytest.fixture
def pacs() -> Iterator[StoringPacs]:
    with storing_pacs() as running:
        yield running


def sending(
    local: LocalNode, port: int, *, associations: int = 1, limits: Limits | None = None, tls: TlsFiles | None = None
) -> CStorePacs:
    node = PacsNode("RESEARCH", "127.0.0.1", port, "RESEARCH_PACS", tls, associations)
    return CStorePacs(local, node, limits=limits or Limits())


def until_it_ends(
    pacs: CStorePacs, instances: Sequence[OutgoingInstance]
) -> tuple[list[StoreOutcome], Exception | None]:
    """The outcomes, and what was raised after them."""
    outcomes: list[StoreOutcome] = []
    try:
        outcomes.extend(pacs.store(instances))  # keeps what came before an exception
    except PacsError as error:
        return outcomes, error
    return outcomes, None


def uids(of: Sequence[OutgoingInstance | StoreOutcome]) -> set[str]:
    return {one.sop_instance_uid for one in of}


class TestContent:
    def test_pacs_gets_the_bytes_of_each_data_set_in_its_own_syntax(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        noise = random.Random(4)
        instances = [
            outgoing_data_set(
                tmp_path, noise.randbytes(2 * noise.randrange(1, 9000)), number=number, transfer_syntax_uid=syntax
            )
            for number, syntax in enumerate(STORED)
        ]

        outcomes = list(sending(local, pacs.port, associations=3).store(instances))

        assert {outcome.problem for outcome in outcomes} == {""}
        assert pacs.received == {
            item.sop_instance_uid: (item.transfer_syntax_uid, data_set_of_file(item.path)) for item in instances
        }

    @pytest.mark.parametrize("max_pdu", [0, 9, 128, 4096, 4097, 16_383, 131_072, 5_000_001])
    def test_no_fragment_is_longer_than_the_pacs_takes(self, local: LocalNode, tmp_path: Path, max_pdu: int) -> None:
        size = 3_000 if max_pdu == 9 else 700_002
        instance = outgoing_data_set(tmp_path, random.Random(max_pdu).randbytes(size))

        with storing_pacs(max_pdu=max_pdu) as pacs:
            [outcome] = sending(local, pacs.port).store([instance])

        assert outcome.problem == ""
        assert pacs.received[instance.sop_instance_uid][1] == data_set_of_file(instance.path)
        assert pacs.longest_pdu <= max_pdu or max_pdu == 0

    def test_only_pairs_that_are_needed_are_proposed_each_in_a_context_of_its_own(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        pairs = [
            (CTImageStorage, ExplicitVRLittleEndian),
            (CTImageStorage, JPEG2000Lossless),
            (MRImageStorage, ExplicitVRLittleEndian),
        ]
        instances = [
            outgoing_data_set(tmp_path, b"any", number=n, sop_class_uid=sop_class, transfer_syntax_uid=syntax)
            for n, (sop_class, syntax) in enumerate(pairs * 2)
        ]

        list(sending(local, pacs.port).store(instances))

        assert pacs.proposals == [[(sop_class, (syntax,)) for sop_class, syntax in pairs]]

    def test_more_pairs_than_one_association_has_contexts_take_several(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts][:130]
        instances = [
            outgoing_data_set(tmp_path, b"any", number=n, sop_class_uid=sop_class)
            for n, sop_class in enumerate(classes)
        ]

        outcomes = list(sending(local, pacs.port).store(instances))

        assert {outcome.problem for outcome in outcomes} == {""}
        assert [len(proposal) for proposal in pacs.proposals] == [128, 2]

    def test_content_comes_over_tls_as_it_is(
        self, local: LocalNode, tmp_path: Path, certificates: Certificates
    ) -> None:
        instance = outgoing_data_set(tmp_path, random.Random(5).randbytes(6_000_000))
        client = certificates.client
        ours = TlsFiles("RESEARCH_PACS", str(certificates.ca), str(client.certificate), str(client.key))
        server = certificates.server
        theirs = TlsFiles("LOCAL", str(certificates.ca), str(server.certificate), str(server.key))

        with storing_pacs(context=server_context(theirs)) as pacs:
            [outcome] = sending(local, pacs.port, tls=ours).store([instance])

        assert outcome.problem == ""
        assert pacs.received[instance.sop_instance_uid][1] == data_set_of_file(instance.path)


class TestFiles:
    def test_changed_file_stops_the_sending_and_nothing_of_it_leaves(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        instances = small_ones(tmp_path, 3)
        instances[1].path.write_bytes(instances[1].path.read_bytes() + b"more")

        with pytest.raises(ChangedContentError):
            list(sending(local, pacs.port).store(instances))

        assert instances[1].sop_instance_uid not in pacs.offered

    def test_file_in_another_syntax_than_recorded_is_not_sent(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        instance = replace(outgoing_data_set(tmp_path, b"any"), transfer_syntax_uid=JPEG2000Lossless)

        with pytest.raises(StudyError, match="another transfer syntax than recorded"):
            list(sending(local, pacs.port).store([instance]))

        assert pacs.offered == []

    @pytest.mark.parametrize("content", [b"x", bytes(200), bytes(128) + b"DICM\2\0\0"], ids=["tiny", "zeros", "cut"])
    def test_file_without_legible_meta_information_is_not_sent(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path, content: bytes
    ) -> None:
        path = tmp_path / "odd.dcm"
        path.write_bytes(content)
        instance = OutgoingInstance("1.2.3", CTImageStorage, ExplicitVRLittleEndian, path, "", 0)
        with path.open("rb") as file:
            seen = replace(instance, stamp=stamp_of(file))

        with pytest.raises(StudyError, match="no legible file meta information"):
            list(sending(local, pacs.port).store([seen]))

        assert pacs.offered == []


class TestAssociations:
    def test_instances_are_spread_over_as_many_as_are_allowed(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        all_are_there = threading.Barrier(3)

        def judge(_uid: str, _event: evt.Event) -> int:
            all_are_there.wait(WAIT_SECONDS)
            return 0x0000

        pacs.judge = judge
        instances = small_ones(tmp_path, 30)

        outcomes = list(sending(local, pacs.port, associations=3).store(instances))

        assert uids(outcomes) == uids(instances)
        assert pacs.most_at_once == 3
        assert pacs.associations == 3

    def test_few_small_instances_take_one(self, local: LocalNode, pacs: StoringPacs, tmp_path: Path) -> None:
        list(sending(local, pacs.port, associations=4).store(small_ones(tmp_path, 5)))

        assert pacs.associations == 1

    def test_studies_that_are_sent_at_once_share_the_limit(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        target = sending(local, pacs.port, associations=2)
        instances = small_ones(tmp_path, 60)
        found: dict[int, set[str]] = {}
        threads = [
            threading.Thread(target=lambda n=n: found.update({n: uids(list(target.store(instances[n::3])))}))
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)

        assert found == {n: uids(instances[n::3]) for n in range(3)}
        assert pacs.most_at_once <= 2

    def test_pacs_that_allows_fewer_than_we_may_open_gets_all_on_those(self, local: LocalNode, tmp_path: Path) -> None:
        instances = small_ones(tmp_path, 40)

        with storing_pacs(most_associations=1) as pacs:
            outcomes = list(sending(local, pacs.port, associations=4).store(instances))

        assert uids(outcomes) == uids(instances)
        assert set(pacs.received) == uids(instances)


class TestAnswers:
    def test_instance_that_is_refused_for_now_is_told_apart_and_the_others_are_stored(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        instances = small_ones(tmp_path, 5)
        statuses = {instances[1].sop_instance_uid: 0xA700, instances[2].sop_instance_uid: 0xB000}
        statuses[instances[3].sop_instance_uid] = 0xC123
        pacs.judge = lambda uid, _event: statuses.get(uid, 0x0000)

        outcomes = {o.sop_instance_uid: o for o in sending(local, pacs.port).store(instances)}

        told = [outcomes[item.sop_instance_uid] for item in instances]
        assert [outcome.problem[:27] for outcome in told] == [
            "",
            "refused with status 0xA700 ",
            "",
            "refused with status 0xC123 ",
            "",
        ]
        assert [outcome.retriable for outcome in told] == [False, True, False, False, False]

    def test_class_that_is_not_accepted_is_told_and_the_others_are_stored(
        self, local: LocalNode, tmp_path: Path
    ) -> None:
        instances = [
            outgoing_data_set(tmp_path, b"any", number=n, sop_class_uid=sop_class)
            for n, sop_class in enumerate([CTImageStorage, MRImageStorage])
        ]

        with storing_pacs(classes=[MRImageStorage]) as pacs:
            outcomes = {o.sop_instance_uid: o for o in sending(local, pacs.port).store(instances)}

        assert "not accepted: SOP Class CT Image Storage" in outcomes[instances[0].sop_instance_uid].problem
        assert outcomes[instances[1].sop_instance_uid].problem == ""

    def test_pacs_that_accepts_nothing_refuses_each(self, local: LocalNode, tmp_path: Path) -> None:
        instances = small_ones(tmp_path, 3)

        with storing_pacs(classes=[CTImageStorage]) as pacs:
            outcomes = list(sending(local, pacs.port).store(instances))

        assert uids(outcomes) == uids(instances)
        assert all("not accepted: SOP Class Secondary Capture" in outcome.problem for outcome in outcomes)

    @pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed")
    def test_orthanc_that_does_not_let_us_store_says_so_in_words(self, local: LocalNode, tmp_path: Path) -> None:
        with running_orthanc("RESEARCH", tmp_path / "orthanc", {}, DicomAlwaysAllowStore=False) as orthanc:
            outcomes, error = until_it_ends(sending(local, orthanc.dicom_port), small_ones(tmp_path, 2))

        assert outcomes == []
        assert isinstance(error, PacsAwayError)
        assert "it may not let DICOM_ASSETS do this: see its own log" in str(error)

    def test_pacs_that_takes_no_images_at_all_is_no_fault_of_these(self, local: LocalNode, tmp_path: Path) -> None:
        with storing_pacs(classes=[VERIFICATION]) as pacs:
            outcomes, error = until_it_ends(sending(local, pacs.port), small_ones(tmp_path, 2))

        assert outcomes == []
        assert isinstance(error, PacsError)
        assert not isinstance(error, PacsAwayError)
        assert "takes no images from DICOM_ASSETS at all" in str(error)

    def test_outcomes_come_while_others_are_still_sent(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        first, second = small_ones(tmp_path, 2)
        gate = Gate()

        def judge(uid: str, _event: evt.Event) -> int:
            if uid == second.sop_instance_uid:
                gate.stop()
            return 0x0000

        pacs.judge = judge
        with closing(sending(local, pacs.port).store([first, second])) as outcomes:
            assert next(outcomes).sop_instance_uid == first.sop_instance_uid
            gate.open()
            assert next(outcomes).sop_instance_uid == second.sop_instance_uid


class TestTrouble:
    def test_abort_in_the_middle_is_raised_after_what_was_answered(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        instances = small_ones(tmp_path, 6)

        def judge(uid: str, event: evt.Event) -> int:
            if uid == instances[4].sop_instance_uid:
                event.assoc.abort()
            return 0x0000

        pacs.judge = judge

        outcomes, error = until_it_ends(sending(local, pacs.port), instances)

        assert uids(outcomes) == uids(instances[:4])
        assert isinstance(error, PacsAwayError)
        assert "aborted" in str(error)

    def test_loss_of_one_association_leaves_the_others_at_work(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        instances = small_ones(tmp_path, 40)

        def judge(uid: str, event: evt.Event) -> int:
            if uid == instances[3].sop_instance_uid:
                event.assoc.abort()
            return 0x0000

        pacs.judge = judge

        outcomes, error = until_it_ends(sending(local, pacs.port, associations=2), instances)

        assert uids(outcomes) == uids(instances) - {instances[3].sop_instance_uid}
        assert isinstance(error, PacsAwayError)

    @pytest.mark.parametrize(
        ("way", "place", "action", "answered"),
        [
            (Direction.TO_CLIENT, AtPdu(PduType.ASSOCIATE_AC), cut(), 0),
            (Direction.TO_TARGET, InDataSet(Dimse.C_STORE_RQ, 3, 100), cut(reset=False), 2),
            (Direction.TO_TARGET, InDataSet(Dimse.C_STORE_RQ, 3, 100), truncate(), 2),
            (Direction.TO_CLIENT, AtCommand(Dimse.C_STORE_RSP, 3), cut(), 2),
            (Direction.TO_CLIENT, AtCommand(Dimse.C_STORE_RSP, 3, 20), cut(reset=False), 2),
        ],
        ids=["before acceptance", "in the data", "data truncated", "before the answer", "in the answer"],
    )
    def test_connection_that_breaks_is_raised_after_what_was_answered(
        self,
        local: LocalNode,
        pacs: StoringPacs,
        tmp_path: Path,
        way: Direction,
        place: Place,
        action: Action,
        answered: int,
    ) -> None:
        instances = small_ones(tmp_path, 5)

        with running_proxy(pacs.port) as proxy:
            proxy.inject(way, place, action)
            outcomes, error = until_it_ends(sending(local, proxy.port), instances)

        assert uids(outcomes) == uids(instances[:answered])
        assert isinstance(error, PacsAwayError)

    def test_pacs_that_never_answers_is_given_up(self, local: LocalNode, pacs: StoringPacs, tmp_path: Path) -> None:
        gate = Gate()

        def judge(_uid: str, _event: evt.Event) -> int:
            gate.stop()
            return 0x0000

        pacs.judge = judge

        outcomes, error = until_it_ends(sending(local, pacs.port, limits=IMPATIENT), small_ones(tmp_path, 2))
        gate.open()

        assert outcomes == []
        assert isinstance(error, PacsAwayError)
        assert "silent" in str(error)

    def test_pacs_that_does_not_read_is_given_up(self, local: LocalNode, tmp_path: Path) -> None:
        instance = outgoing_data_set(tmp_path, bytes(40_000_000))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            answering = threading.Thread(target=accept_and_stall, args=(listener,))
            answering.start()
            outcomes, error = until_it_ends(
                sending(local, int(listener.getsockname()[1]), limits=IMPATIENT), [instance]
            )
            answering.join(WAIT_SECONDS)

        assert outcomes == []
        assert isinstance(error, PacsAwayError)

    def test_answer_to_another_message_is_not_taken_for_ours(self, local: LocalNode, tmp_path: Path) -> None:
        [instance] = small_ones(tmp_path, 1, sop_class_uid=CTImageStorage)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            answering = threading.Thread(target=answer_another_message, args=(listener,))
            answering.start()
            outcomes, error = until_it_ends(sending(local, int(listener.getsockname()[1])), [instance])
            answering.join(WAIT_SECONDS)

        assert outcomes == []
        assert "something else than a C-STORE" in str(error)

    def test_caller_that_goes_away_early_cuts_short_what_is_under_way(
        self, local: LocalNode, pacs: StoringPacs, tmp_path: Path
    ) -> None:
        instances = small_ones(tmp_path, 50)
        gate = Gate()

        def judge(uid: str, _event: evt.Event) -> int:
            if uid != instances[0].sop_instance_uid:
                gate.stop()
            return 0x0000

        pacs.judge = judge
        outcomes = sending(local, pacs.port, associations=2).store(instances)
        next(outcomes)

        outcomes.close()
        gate.open()

        assert len(pacs.offered) <= 3

    @pytest.mark.parametrize("content", [b"", b"no DICOM at all\r\n" * 10], ids=["nothing", "garbage"])
    def test_peer_that_is_no_pacs_is_away(self, local: LocalNode, tmp_path: Path, content: bytes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            answering = threading.Thread(target=say_and_close, args=(listener, content))
            answering.start()
            outcomes, error = until_it_ends(
                sending(local, int(listener.getsockname()[1]), limits=IMPATIENT), small_ones(tmp_path, 1)
            )
            listener.shutdown(socket.SHUT_RDWR)
            answering.join(WAIT_SECONDS)

        assert outcomes == []
        assert isinstance(error, PacsAwayError)


def accept_and_stall(listener: socket.socket) -> None:
    """Accept an association and read nothing until the caller closes."""
    connection, _ = listener.accept()
    with connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        accepted(connection, [build_context(CTImageStorage)], lambda _request: None, Limits())
        threading.Event().wait(1.5)


def answer_another_message(listener: socket.socket) -> None:
    """Take one C-STORE and answer with a message id that it does not have."""
    connection, _ = listener.accept()
    with connection:
        association = accepted(connection, [build_context(CTImageStorage)], lambda _request: None, Limits())
        command = association.receive()
        assert command is not None
        for _ in association.pieces():
            pass
        command.message_id += 1
        association.send(command.context_id, c_store_rsp(command, 0x0000))
        with pytest.raises(PacsAwayError):
            association.receive()


def say_and_close(listener: socket.socket, content: bytes) -> None:
    """Give this answer on each connection, for as long as the listener is open."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, suppress(ConnectionError):
            connection.recv(65536)
            connection.sendall(content)
