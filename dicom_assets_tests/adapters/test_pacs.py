"""Our side of associations, against a PACS on loopback."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE, build_context
from pynetdicom.sop_class import CTImageStorage as CTStorageContext  # type: ignore[attr-defined]

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, associate, silence_dicom_libraries
from dicom_assets.adapters.pacs.query import find_study
from dicom_assets.adapters.pacs.retrieve import CGetPacs, CMovePacs
from dicom_assets.adapters.pacs.storage_scp import StorageScp
from dicom_assets.adapters.pacs.store import CStorePacs
from dicom_assets.adapters.pacs.transfer_syntaxes import STORED, one_context_each
from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets.demo.home import fill
from dicom_assets.demo.objects import instance_file
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.demo.studies import demo_studies
from dicom_assets.errors import PacsError
from dicom_assets.study import OutgoingInstance, Retrieval
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.receiving import Received

MIXED = next(study for study in demo_studies() if study.number == 5)
"""CT, MR, SR and a scan, in five transfer syntaxes."""


@pytest.fixture
def local() -> LocalNode:
    silence_dicom_libraries()
    return LocalNode("DICOM_ASSETS", "127.0.0.1", free_port())


@pytest.fixture
def pacs(tmp_path: Path, local: LocalNode) -> Iterator[EmbeddedPacs]:
    folder = tmp_path / "pacs"
    folder.mkdir()
    fill(folder, MIXED)
    with EmbeddedPacs("STAGING", 0, folder, {local.ae_title: (local.host, local.port)}) as running:
        yield running


@pytest.fixture
def node(pacs: EmbeddedPacs) -> PacsNode:
    return PacsNode(pacs.ae_title, pacs.host, pacs.port, "STAGING_PACS")


def originals(study: DemoStudy) -> dict[str, bytes]:
    return {
        uid: instance_file(study, series, index) for series in study.series for index, uid in enumerate(series.sop_uids)
    }


def data_set_of(content: bytes) -> bytes:
    """What follows the file meta information of a Part 10 file."""
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


@pytest.mark.parametrize("protocol", ["c-get", "c-move"])
def test_instances_arrive_byte_for_byte_in_their_own_transfer_syntax(
    local: LocalNode, node: PacsNode, protocol: str
) -> None:
    scp = StorageScp(local, node.ae_title)
    staging = CGetPacs(local, node) if protocol == "c-get" else CMovePacs(local, node, scp)
    arrived = Received()
    expected = staging.find_study(MIXED.study_uid).instances or ()

    staging.retrieve(
        Retrieval(MIXED.study_uid, sop_class_uids=frozenset(ref.sop_class_uid for ref in expected)),
        arrived.receive,
    )

    assert {uid: data_set_of(content) for uid, content in arrived.items()} == {
        uid: data_set_of(content) for uid, content in originals(MIXED).items()
    }


def test_series_and_single_instances_can_be_asked_for(local: LocalNode, node: PacsNode) -> None:
    staging = CGetPacs(local, node)
    series = MIXED.series[0]
    by_series = Received()
    single = Received()

    staging.retrieve(Retrieval(MIXED.study_uid, series.uid), by_series.receive)
    staging.retrieve(Retrieval(MIXED.study_uid, series.uid, (series.sop_uids[0],)), single.receive)

    assert set(by_series) == set(series.sop_uids)
    assert set(single) == {series.sop_uids[0]}


def test_instances_are_found_with_their_series_and_class(local: LocalNode, node: PacsNode) -> None:
    found = {ref.sop_instance_uid: ref for ref in find_study(local, node, MIXED.study_uid).instances or ()}

    for series in MIXED.series:
        for uid in series.sop_uids:
            assert found[uid].series_instance_uid == series.uid
            assert found[uid].sop_class_uid


def test_unknown_study_is_found_to_have_nothing(local: LocalNode, node: PacsNode) -> None:
    assert find_study(local, node, "1.2.3.4.5").total == 0


def test_reactor_stays_parked_between_operations(local: LocalNode, node: PacsNode) -> None:
    with associate(local, node, [build_context("1.2.840.10008.1.1")]) as assoc:
        for _ in range(3):
            assert assoc.send_c_echo().Status == 0x0000
            assert not assoc._reactor_checkpoint.is_set()

    assoc.join(10)
    assert not assoc.is_alive()


def test_many_operations_on_many_associations_lose_no_response(local: LocalNode, node: PacsNode) -> None:
    problems: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(10):
                assert find_study(local, node, MIXED.study_uid).total == MIXED.instances
        except BaseException as error:  # noqa: BLE001  told below, on the test's own thread
            problems.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []


class TestStorageScp:
    def test_instance_of_a_study_that_nobody_waits_for_is_refused(self, local: LocalNode, tmp_path: Path) -> None:
        study = demo_studies()[0]
        scp = StorageScp(local, "STAGING")
        arrived = Received()

        with scp.waiting_for("1.2.3.4", 1, arrived.receive):
            status = self.send(local, "STAGING", instance_file(study, study.series[0], 0), tmp_path)

        assert status == 0x0124
        assert arrived == {}

    def test_caller_that_is_not_the_staging_pacs_is_rejected(self, local: LocalNode, tmp_path: Path) -> None:
        study = demo_studies()[0]
        scp = StorageScp(local, "STAGING")

        with scp.waiting_for(study.study_uid, 1, Received().receive):
            status = self.send(local, "SOMEBODY", instance_file(study, study.series[0], 0), tmp_path)

        assert status is None

    def test_nobody_listens_while_nothing_is_waited_for(self, local: LocalNode, tmp_path: Path) -> None:
        study = demo_studies()[0]
        scp = StorageScp(local, "STAGING")
        with scp.waiting_for(study.study_uid, 1, Received().receive):
            pass

        assert self.send(local, "STAGING", instance_file(study, study.series[0], 0), tmp_path) is None

    @staticmethod
    def send(local: LocalNode, calling_ae_title: str, content: bytes, folder: Path) -> int | None:
        """The C-STORE status of an instance sent to our Storage SCP; None without an association."""
        file = folder / "instance.dcm"
        file.write_bytes(content)
        assoc = AE(calling_ae_title).associate(
            local.host, local.port, contexts=[build_context(CTStorageContext)], ae_title=local.ae_title
        )
        if not assoc.is_established:
            return None
        status = assoc.send_c_store(file).Status
        assoc.release()
        return int(status)


class TestSending:
    def test_syntax_that_the_pacs_does_not_accept_is_named(
        self, local: LocalNode, node: PacsNode, tmp_path: Path
    ) -> None:
        private_class = "1.2.3.4.5.6.7"
        outgoing = OutgoingInstance("1.2.3", private_class, ExplicitVRLittleEndian, tmp_path / "never-read.dcm", "", 0)
        known = self.outgoing(tmp_path, "1.2.4")

        outcomes = {o.sop_instance_uid: o for o in CStorePacs(local, node).store([outgoing, known])}

        assert private_class in outcomes["1.2.3"].problem
        assert outcomes["1.2.4"].problem == ""

    def test_pacs_that_accepts_nothing_of_it_refuses_each_instance(
        self, local: LocalNode, node: PacsNode, tmp_path: Path
    ) -> None:
        outgoing = OutgoingInstance(
            "1.2.3", "1.2.3.4.5.6.7", ExplicitVRLittleEndian, tmp_path / "never-read.dcm", "", 0
        )

        [outcome] = CStorePacs(local, node).store([outgoing])

        assert "1.2.3.4.5.6.7" in outcome.problem
        assert not outcome.retriable

    def test_pacs_that_is_away_says_which_settings_to_look_at(self, local: LocalNode, tmp_path: Path) -> None:
        away = CStorePacs(local, PacsNode("RESEARCH", "127.0.0.1", free_port(), "RESEARCH_PACS"))
        outgoing = self.outgoing(tmp_path, "1.2.3")

        with pytest.raises(PacsError, match="RESEARCH_PACS_HOST and RESEARCH_PACS_PORT"):
            list(away.store([outgoing]))

    @staticmethod
    def outgoing(folder: Path, uid: str) -> OutgoingInstance:
        study = demo_studies()[0]
        file = folder / "outgoing.dcm"
        content = instance_file(study, study.series[0], 0)
        file.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return OutgoingInstance(uid, CTImageStorage, ExplicitVRLittleEndian, file, digest, len(content))


class TestContexts:
    def test_every_pair_of_class_and_syntax_has_a_context_of_its_own(self) -> None:
        contexts = one_context_each([CTImageStorage], room=127)

        assert [list(context.transfer_syntax) for context in contexts] == [[syntax] for syntax in STORED]

    def test_usual_syntaxes_of_all_classes_come_before_rare_ones_when_room_is_short(self) -> None:
        classes = [f"1.2.840.10008.5.1.4.1.1.{n}" for n in range(30)]

        contexts = one_context_each(classes, room=127)

        assert len(contexts) == 127
        offered = {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in contexts}
        assert {(sop_class, JPEG2000Lossless) for sop_class in classes} <= offered
