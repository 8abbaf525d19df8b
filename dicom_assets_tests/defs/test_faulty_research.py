"""Connections with the research PACS break, stall and crawl: every instance gets there once, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dicom_assets_tests.fault_actions import Action, cut, delay, drip, hold, truncate
from dicom_assets_tests.fault_places import AfterBytes, AtCommand, AtPdu, InDataSet, Place
from dicom_assets_tests.faults import Direction
from dicom_assets_tests.faulty_site import (
    Ends,
    FaultySite,
    assert_failed_in_passing,
    assert_published_whole,
    assert_recovers,
    assert_suffers,
    copied_site,
    kill_run_at,
    killed_at,
    new_site,
    running_ends,
)
from dicom_assets_tests.orthanc import orthanc_binary, running_orthanc
from dicom_assets_tests.pdu_stream import Command, PduType
from dicom_assets_tests.scripted_pacs import WAIT_SECONDS
from dicom_assets_tests.small_studies import INSTANCES, small_study
from dicom_assets_tests.waiting import has_happened, killed_job, wait_until, write_lock

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed"),
    # pynetdicom leaves sockets open that the other end reset.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TO_CALLED, TO_CALLER = Direction.TO_TARGET, Direction.TO_CLIENT
STORE, STORED = Command.C_STORE_RQ, Command.C_STORE_RSP
STUDY = small_study(91, "published over bad connections")


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    with running_ends(tmp_path_factory.mktemp("ends"), STUDY) as running:
        yield running


@pytest.fixture(scope="module")
def registered(ends: Ends, tmp_path_factory: pytest.TempPathFactory) -> FaultySite:
    """A site that has yet to publish."""
    site = new_site(ends, tmp_path_factory.mktemp("registered"))
    assert site.deployment.execute({"publish": False}).success
    assert ends.research.count() == 0
    return site


@dataclass(frozen=True)
class Case:
    """What happens to every connection of a run with the research PACS."""

    name: str
    way: Direction
    place: Place
    action: Action


CASES = (
    Case("cut before the association is accepted", TO_CALLER, AtPdu(PduType.ASSOCIATE_AC), cut()),
    Case("cut in the third instance", TO_CALLED, InDataSet(STORE, 3, 2000), cut(reset=False)),
    Case("truncated in the second instance", TO_CALLED, InDataSet(STORE, 2, 2000), truncate()),
    Case("cut before the answer to the last", TO_CALLER, AtCommand(STORED, INSTANCES), cut()),
    Case("cut in the answer to the second", TO_CALLER, AtCommand(STORED, 2, 20), cut(reset=False)),
    Case("cut in the list of what is there", TO_CALLER, InDataSet(Command.C_FIND_RSP, 1, 10), cut()),
    Case("held for a while", TO_CALLED, InDataSet(STORE, 2, 2000), hold(0.5)),
    Case("slow answers", TO_CALLER, AfterBytes(), delay(0.02)),
    Case("byte by byte", TO_CALLED, AfterBytes(), drip(5000)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_study_arrives_whole_once_connections_hold(
    ends: Ends, registered: FaultySite, tmp_path: Path, case: Case
) -> None:
    site = copied_site(registered, ends, tmp_path)
    fault = ends.to_research.inject(case.way, case.place, case.action, times=None)

    assert_suffers(site, fault)
    assert_recovers(site)


def test_kill_in_the_middle_of_an_instance_whose_rest_arrives_late_publishes_each_once(
    ends: Ends, registered: FaultySite, tmp_path: Path
) -> None:
    site = copied_site(registered, ends, tmp_path)
    fault = ends.to_research.inject(TO_CALLED, InDataSet(STORE, 3, 2000), hold())
    kill_run_at(site, fault)
    ends.let_go()

    assert_recovers(site)


def test_kill_before_an_answer_publishes_each_once(ends: Ends, registered: FaultySite, tmp_path: Path) -> None:
    site = copied_site(registered, ends, tmp_path)
    fault = ends.to_research.inject(TO_CALLER, AtCommand(STORED, 3), hold())
    kill_run_at(site, fault)
    ends.heal()
    assert ends.research.count() == 3

    assert_recovers(site)


@pytest.mark.parametrize(("database", "stage"), [("identity", "deidentified"), ("research", "registered")])
def test_kill_between_the_pacss_publishes_each_once(ends: Ends, tmp_path: Path, database: str, stage: str) -> None:
    site = new_site(ends, tmp_path)
    pulling = ends.to_staging.inject(TO_CALLER, InDataSet(STORE, INSTANCES, 2000), hold())
    with killed_job(site.deployment):
        pulling.wait_until_fired(WAIT_SECONDS)
        with write_lock(site.deployment.folder / f"{database}.db"):
            ends.to_staging.clear()
            wait_until(lambda: has_happened(site.deployment, event="stage_started", stage=stage), stage)
    ends.heal()
    assert ends.research.count() == 0

    assert_recovers(site)


def test_research_pacs_that_dies_in_the_middle_of_an_instance_gets_what_it_lacks(
    ends: Ends, registered: FaultySite, tmp_path: Path
) -> None:
    site = copied_site(registered, ends, tmp_path)
    fault = ends.to_research.inject(TO_CALLED, InDataSet(STORE, 3, 2000), hold())
    with ExitStack() as life:
        mortal = life.enter_context(running_orthanc("RESEARCH", tmp_path / "mortal", {}))
        ends.to_research.target_port = mortal.dicom_port

        def kill() -> None:
            life.close()
            ends.to_research.clear()

        with killed_at(fault, kill):
            result = site.deployment.execute()
    assert_failed_in_passing(site, result)
    assert not result.success
    with running_orthanc("RESEARCH", tmp_path / "mortal", {}) as again:
        ends.to_research.target_port = again.dicom_port

        assert site.deployment.execute().success

        assert_published_whole(replace(site, ends=replace(ends, research=again)))
