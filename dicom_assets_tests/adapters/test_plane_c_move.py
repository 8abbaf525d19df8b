"""C-MOVE to our Storage SCP, from PACSs that are slow, silent or broken, on real sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, silence_dicom_libraries
from dicom_assets.adapters.pacs.inbox import DiskFloor
from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.requestor import requested
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.retrieve import STUDY_ROOT_MOVE, CMovePacs, StrayedError
from dicom_assets.adapters.pacs.storage_scp import StorageScp
from dicom_assets.errors import PacsAwayError, PacsStatusError, StorageError
from dicom_assets.study import Retrieval
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.plane_peers import (
    QUICK,
    STUDY_UID,
    WAIT_SECONDS,
    FolderReceive,
    counted_response,
    data_set,
    scripted_pacs,
)

OFFERED = [build_context(STUDY_ROOT_MOVE, ImplicitVRLittleEndian)]
PENDING, SUCCESS = 0xFF00, 0x0000


class Site:
    """We, and a folder to receive to."""

    def __init__(self, folder: Path) -> None:
        self.arrived = FolderReceive(folder)
        self.local = LocalNode("DICOM_ASSETS", "127.0.0.1", free_port())

    def move(self, script: Callable[[Association], None], disk: DiskFloor | None = None, times: int = 1) -> None:
        """Have the study moved, so many times at once."""
        scp = StorageScp(self.local, "STAGING", host="127.0.0.1", limits=QUICK, disk=disk)
        with scripted_pacs(script, OFFERED, Limits()) as port, ThreadPoolExecutor(times) as pool:
            pacs = CMovePacs(self.local, PacsNode("STAGING", "127.0.0.1", port, "STAGING_PACS"), scp, QUICK)
            moves = [pool.submit(pacs.retrieve, Retrieval(STUDY_UID), self.arrived.receive) for _ in range(times)]
            for move in moves:
                move.result()

    def deliver(
        self, message_id: int | None, uids: Sequence[str], pause: float = 0, study_uid: str = STUDY_UID
    ) -> Iterator[int | None]:
        """Be the PACS: send instances one after the other, and yield what is answered to each."""
        contexts = [build_context(CTImageStorage, ExplicitVRLittleEndian)]
        with requested(("127.0.0.1", self.local.port), "STAGING", "DICOM_ASSETS", contexts) as association:
            for uid in uids:
                threading.Event().wait(pause)
                request = commands.c_store_rq(
                    1, CTImageStorage, uid, originator_ae_title="DICOM_ASSETS", originator_message_id=message_id
                )
                association.send(1, request, data_set(study_uid))
                answer = association.receive()
                assert answer is not None
                yield answer.status


@pytest.fixture
def site(tmp_path: Path) -> Site:
    silence_dicom_libraries()
    folder = tmp_path / "arrived"
    folder.mkdir()
    return Site(folder)


def asked(association: Association) -> commands.Command:
    """The C-MOVE that comes."""
    request = association.receive()
    assert request is not None
    assert request.field == commands.C_MOVE_RQ
    assert STUDY_UID.encode() in b"".join(map(bytes, association.pieces()))
    return request


def answer(association: Association, request: commands.Command, status: int) -> None:
    association.send(request.context_id, commands.response(request, status))


def test_instances_arrive_beside_the_responses(site: Site) -> None:
    def script(association: Association) -> None:
        request = asked(association)
        for status in site.deliver(request.message_id, ["1.2.1", "1.2.2"]):
            assert status == 0
            answer(association, request, PENDING)
        answer(association, request, SUCCESS)

    site.move(script)

    assert set(site.arrived.files()) == {"1.2.1", "1.2.2"}


def test_pacs_that_says_nothing_until_the_end_is_not_away(site: Site) -> None:
    """It takes longer than our patience, but instances arrive all the while."""

    def script(association: Association) -> None:
        request = asked(association)
        assert list(site.deliver(request.message_id, [f"1.2.{n}" for n in range(8)], pause=0.3)) == [0] * 8
        answer(association, request, SUCCESS)

    site.move(script)

    assert len(site.arrived.files()) == 8


def test_instances_that_follow_the_end_are_taken(site: Site) -> None:
    late: list[threading.Thread] = []

    def script(association: Association) -> None:
        request = asked(association)
        late.append(
            threading.Thread(target=lambda: list(site.deliver(request.message_id, ["1.2.1", "1.2.2"], pause=0.2)))
        )
        late[0].start()
        answer(association, request, SUCCESS)

    site.move(script)
    late[0].join()

    assert set(site.arrived.files()) == {"1.2.1", "1.2.2"}


def test_pacs_that_goes_silent_is_away_and_what_came_stays(site: Site) -> None:
    def script(association: Association) -> None:
        request = asked(association)
        assert list(site.deliver(request.message_id, ["1.2.1"])) == [0]

    with pytest.raises(PacsAwayError, match="silent"):
        site.move(script)

    assert set(site.arrived.files()) == {"1.2.1"}


@pytest.mark.parametrize("has_delivered", [False, True])
def test_association_that_is_lost_is_told_and_what_came_stays(site: Site, has_delivered: bool) -> None:
    def script(association: Association) -> None:
        request = asked(association)
        if has_delivered:
            assert list(site.deliver(request.message_id, ["1.2.1"])) == [0]
        association.abort()

    with pytest.raises(PacsAwayError):
        site.move(script)

    assert set(site.arrived.files()) == ({"1.2.1"} if has_delivered else set())


def test_full_disk_ends_the_move(site: Site, tmp_path: Path) -> None:
    seen: list[object] = []

    def script(association: Association) -> None:
        request = asked(association)
        seen.extend(site.deliver(request.message_id, ["1.2.1"]))
        command = association.receive()
        seen.append(command and command.field)

    with pytest.raises(StorageError, match="MIN_FREE_DISK_MEGABYTES"):
        site.move(script, DiskFloor(tmp_path, 2**62))

    assert seen == [0xA700, commands.C_CANCEL_RQ]
    assert site.arrived.files() == {}


def test_instances_that_do_not_say_which_move_they_are_of_have_not_gone_astray(site: Site) -> None:
    """Two moves of one study: the first to wait is given all that comes, which may be what the other one brings."""
    both = threading.Barrier(2)

    def script(association: Association) -> None:
        request = asked(association)
        if both.wait(WAIT_SECONDS) == 0:
            assert list(site.deliver(None, ["1.2.1", "1.2.2"])) == [0, 0]
        both.wait(WAIT_SECONDS)
        association.send(request.context_id, counted_response(request, SUCCESS, completed=1))

    site.move(script, times=2)

    assert set(site.arrived.files()) == {"1.2.1", "1.2.2"}


def test_refused_instances_of_another_study_have_not_gone_astray(site: Site) -> None:
    """Whatever the PACS makes of our answer to them."""

    def script(association: Association) -> None:
        request = asked(association)
        assert list(site.deliver(request.message_id, ["1.2.1"], study_uid="1.2.99")) == [0x0124]
        association.send(request.context_id, counted_response(request, SUCCESS, completed=1))

    site.move(script)

    assert site.arrived.files() == {}


@pytest.mark.parametrize("status", [SUCCESS, 0xB000, 0xA702])
def test_instances_that_were_sent_and_did_not_arrive_have_gone_astray(site: Site, status: int) -> None:
    def script(association: Association) -> None:
        request = asked(association)
        association.send(request.context_id, counted_response(request, status, completed=2, failed=1))

    with pytest.raises(StrayedError, match="none arrived here: register the move destination"):
        site.move(script)


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (0xA801, PacsStatusError, "does not know where to send"),
        (0xA702, PacsStatusError, "register the move destination"),
        (0xC000, PacsStatusError, "LOCAL_PORT"),
        (0xA701, PacsAwayError, "0xA701"),
    ],
)
def test_failure_is_told(site: Site, status: int, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        site.move(lambda association: answer(association, asked(association), status))
