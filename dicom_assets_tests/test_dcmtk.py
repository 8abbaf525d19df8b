"""DCMTK's servers as the tests use them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_assets_tests.dcmtk import DcmtkPacs, dcmsend, has_dcmtk, run_dcmtk, running_dcmqrscp, running_storescp
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.fault_actions import cut
from dicom_assets_tests.fault_places import InDataSet
from dicom_assets_tests.faults import Direction, running_proxy
from dicom_assets_tests.pdu_stream import Command
from dicom_assets_tests.small_studies import INSTANCES, small_study, sop_uids, write_files
from dicom_assets_tests.waiting import wait_until

pytestmark = pytest.mark.skipif(not has_dcmtk(), reason="DCMTK is not installed")

STUDY = small_study(61, "kept by DCMTK")
QUERY = ("--study", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY.study_uid}")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The study's instances."""
    return write_files(STUDY, tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def destination() -> int:
    """The port to which the PACS sends what is to be moved to HERE."""
    return free_port()


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory, files: list[Path], destination: int) -> Iterator[DcmtkPacs]:
    """A PACS with the study."""
    folder = tmp_path_factory.mktemp("dcmqrscp")
    with running_dcmqrscp("STAGING", folder, {"HERE": ("127.0.0.1", destination)}) as running:
        dcmsend("STAGING", running.port, files)
        yield running


class TestDcmqrscp:
    """A PACS that is asked for what it holds."""

    def test_keeps_what_is_sent(self, pacs: DcmtkPacs) -> None:
        assert pacs.count() == INSTANCES
        assert pacs.instances().keys() == set(sop_uids(STUDY))

    def test_tells_each_instance(self, pacs: DcmtkPacs) -> None:
        series = STUDY.series[0]
        keys = ("QueryRetrieveLevel=IMAGE", f"StudyInstanceUID={STUDY.study_uid}", f"SeriesInstanceUID={series.uid}")
        query = [part for key in (*keys, "SOPInstanceUID") for part in ("-k", key)]

        said = run_dcmtk("findscu", "--study", *query, "--call", "STAGING", "127.0.0.1", pacs.port)

        assert all(uid in said for uid in series.sop_uids)

    def test_hands_over_by_c_get(self, pacs: DcmtkPacs, tmp_path: Path) -> None:
        run_dcmtk("getscu", *QUERY, "-od", tmp_path, "--call", "STAGING", "127.0.0.1", pacs.port)

        assert len(list(tmp_path.iterdir())) == INSTANCES

    def test_sends_by_c_move_to_a_destination_that_it_knows(
        self, pacs: DcmtkPacs, destination: int, tmp_path: Path
    ) -> None:
        ours = ("--aetitle", "HERE", "--move", "HERE", "--port", destination, "-od", tmp_path)

        run_dcmtk("movescu", *QUERY, *ours, "--call", "STAGING", "127.0.0.1", pacs.port)

        assert len(list(tmp_path.iterdir())) == INSTANCES

    def test_does_not_send_by_c_move_to_anybody_else(self, pacs: DcmtkPacs) -> None:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            run_dcmtk(
                "movescu", *QUERY, "--aetitle", "THERE", "--move", "THERE", "--call", "STAGING", "127.0.0.1", pacs.port
            )

        assert "MoveDestinationUnknown" in caught.value.stdout

    def test_lives_on_after_an_association_that_breaks(self, pacs: DcmtkPacs, tmp_path: Path) -> None:
        with running_proxy(pacs.port) as proxy:
            fault = proxy.inject(Direction.TO_CLIENT, InDataSet(Command.C_STORE_RQ, 2, 1000), cut())
            with pytest.raises(subprocess.CalledProcessError):
                run_dcmtk("getscu", *QUERY, "-od", tmp_path, "--call", "STAGING", "127.0.0.1", proxy.port)
            assert fault.fired == 1
            run_dcmtk("getscu", *QUERY, "-od", tmp_path, "--call", "STAGING", "127.0.0.1", proxy.port)

        assert len(list(tmp_path.iterdir())) == INSTANCES


class TestStorescp:
    """A receiver that can fail on purpose."""

    def test_keeps_what_is_sent_as_it_is(self, tmp_path: Path, files: list[Path]) -> None:
        with running_storescp("RESEARCH", tmp_path / "storescp") as pacs:
            dcmsend("RESEARCH", pacs.port, files)

            assert pacs.count() == INSTANCES
            assert pacs.instances().keys() == set(sop_uids(STUDY))

    @pytest.mark.parametrize(
        ("option", "said"),
        [
            ("--refuse", "Refusing Association"),
            ("--abort-after", "ABORT initiated"),
            ("--abort-during", "ABORT initiated"),
            ("--ignore", "Received Store Request"),
        ],
    )
    def test_fails_as_it_is_told_to(self, tmp_path: Path, files: list[Path], option: str, said: str) -> None:
        with running_storescp("RESEARCH", tmp_path / "storescp", option) as pacs:
            if option == "--ignore":
                dcmsend("RESEARCH", pacs.port, files)
            else:
                with pytest.raises(subprocess.CalledProcessError):
                    dcmsend("RESEARCH", pacs.port, files)

            wait_until(lambda: said in pacs.log.read_text(), "what it was told to do")
            assert pacs.files() == []

    def test_forked_children_end_with_the_block(self, tmp_path: Path, files: list[Path]) -> None:
        with running_storescp("RESEARCH", tmp_path / "storescp", "--sleep-after", "600") as pacs:
            sender = subprocess.Popen(
                ["storescu", "-aec", "RESEARCH", "127.0.0.1", str(pacs.port), str(files[0])],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            wait_until(pacs.count, "the first instance")
            assert sender.poll() is None
        assert sender.wait(60) != 0
