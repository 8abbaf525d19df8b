"""Connections with the staging PACS break, stall and crawl: nothing is lost, nothing doubled, nothing goes astray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicom_assets_tests.fault_actions import Action, cut, drip, hold, truncate
from dicom_assets_tests.fault_places import AfterBytes, AtCommand, AtPdu, InDataSet, Place
from dicom_assets_tests.faults import Direction
from dicom_assets_tests.faulty_site import (
    Ends,
    assert_failed_in_passing,
    assert_recovers,
    assert_suffers,
    kill_run_at,
    killed_at,
    load,
    new_site,
    running_ends,
)
from dicom_assets_tests.orthanc import orthanc_binary, running_orthanc
from dicom_assets_tests.pdu_stream import Command, PduType
from dicom_assets_tests.small_studies import INSTANCES, small_study

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed"),
    # pynetdicom leaves sockets open that the other end reset.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TO_CALLED, TO_CALLER = Direction.TO_TARGET, Direction.TO_CLIENT
STUDY = small_study(81, "pulled over bad connections")


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    with running_ends(tmp_path_factory.mktemp("ends"), STUDY) as running:
        yield running


@dataclass(frozen=True)
class Case:
    """What happens to every connection of a run with the staging PACS, or with our Storage SCP."""

    name: str
    way: Direction
    place: Place
    action: Action
    on_our_scp: bool = False


STORE, STORED = Command.C_STORE_RQ, Command.C_STORE_RSP
BY_C_GET = (
    Case("cut before the association is accepted", TO_CALLER, AtPdu(PduType.ASSOCIATE_AC), cut()),
    Case("cut in the list of instances", TO_CALLER, InDataSet(Command.C_FIND_RSP, 2, 20), cut(reset=False)),
    Case("cut in the first instance", TO_CALLER, InDataSet(STORE, 1, 2000), cut()),
    Case("cut in the third instance", TO_CALLER, InDataSet(STORE, 3, 2000), cut(reset=False)),
    Case("truncated in the second instance", TO_CALLER, InDataSet(STORE, 2, 2000), truncate()),
    Case("cut before the answer to the last", TO_CALLED, AtCommand(STORED, INSTANCES), cut()),
    Case("cut before the end of the C-GET", TO_CALLER, AtCommand(Command.C_GET_RSP), cut()),
    Case("byte by byte", TO_CALLER, AfterBytes(), drip(5000)),
)
BY_C_MOVE = (
    Case("cut before the PACS says how it went", TO_CALLER, AtCommand(Command.C_MOVE_RSP), cut()),
    Case("cut before we accept the association", TO_CALLER, AtPdu(PduType.ASSOCIATE_AC), cut(), on_our_scp=True),
    Case("cut in the first instance", TO_CALLED, InDataSet(STORE, 1, 2000), cut(), on_our_scp=True),
    Case("truncated in the third instance", TO_CALLED, InDataSet(STORE, 3, 2000), truncate(), on_our_scp=True),
    Case("cut before our answer to the last", TO_CALLER, AtCommand(STORED, INSTANCES), cut(), on_our_scp=True),
    Case("held for a while", TO_CALLED, InDataSet(STORE, 2, 2000), hold(0.5), on_our_scp=True),
)


@pytest.mark.parametrize(
    ("protocol", "case"),
    [
        pytest.param(protocol, case, id=f"{protocol}, {case.name}")
        for protocol, cases in (("c-get", BY_C_GET), ("c-move", BY_C_MOVE))
        for case in cases
    ],
)
def test_study_arrives_whole_once_connections_hold(ends: Ends, tmp_path: Path, protocol: str, case: Case) -> None:
    site = new_site(ends, tmp_path, STAGING_PACS_PROTOCOL=protocol)
    proxy = ends.to_us if case.on_our_scp else ends.to_staging
    fault = proxy.inject(case.way, case.place, case.action, times=None)

    assert_suffers(site, fault)
    assert_recovers(site)


@pytest.mark.parametrize(
    ("protocol", "flushed"), [("c-get", False), ("c-move", True)], ids=["c-get", "c-move whose rest arrives late"]
)
def test_kill_in_the_middle_of_an_instance_loses_nothing(
    ends: Ends, tmp_path: Path, protocol: str, flushed: bool
) -> None:
    site = new_site(ends, tmp_path, STAGING_PACS_PROTOCOL=protocol)
    if protocol == "c-get":
        fault = ends.to_staging.inject(TO_CALLER, InDataSet(STORE, 3, 2000), hold())
    else:
        fault = ends.to_us.inject(TO_CALLED, InDataSet(STORE, 3, 2000), hold())
    kill_run_at(site, fault)
    if flushed:
        ends.let_go()
    ends.heal()

    assert_recovers(site)


def test_staging_pacs_that_dies_in_the_middle_of_an_instance_is_asked_again(ends: Ends, tmp_path: Path) -> None:
    site = new_site(ends, tmp_path)
    fault = ends.to_staging.inject(TO_CALLER, InDataSet(STORE, 3, 2000), hold())
    with ExitStack() as life:
        mortal = life.enter_context(running_orthanc("STAGING", tmp_path / "mortal", {}))
        load(mortal, STUDY, tmp_path)
        ends.to_staging.target_port = mortal.dicom_port

        def kill() -> None:
            life.close()
            ends.to_staging.clear()

        with killed_at(fault, kill):
            result = site.deployment.execute()
    assert_failed_in_passing(site, result)
    with running_orthanc("STAGING", tmp_path / "mortal", {}) as again:
        ends.to_staging.target_port = again.dicom_port

        assert_recovers(site)
