"""Connections with the staging PACS break, stall and crawl: nothing is lost, nothing doubled, nothing goes astray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicom_assets_tests.fault_actions import Action, cut, delay, drip, hold, truncate
from dicom_assets_tests.fault_places import AfterBytes, AtCommand, AtPdu, InDataSet, Place
from dicom_assets_tests.faults import Direction
from dicom_assets_tests.faulty_site import (
    Ends,
    assert_failed_in_passing,
    assert_published_whole,
    new_site,
    running_ends,
)
from dicom_assets_tests.orthanc import orthanc_binary
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
    """What happens to every connection of a run; `way` is the direction, `on_our_scp` who is called."""

    name: str
    way: Direction
    place: Place
    action: Action
    protocol: str = "c-get"
    on_our_scp: bool = False


STORE, STORED = Command.C_STORE_RQ, Command.C_STORE_RSP
CASES = (
    Case("cut as soon as it is open", TO_CALLED, AfterBytes(), cut()),
    Case("cut before the association is accepted", TO_CALLER, AtPdu(PduType.ASSOCIATE_AC), cut()),
    Case("cut in the list of instances", TO_CALLER, InDataSet(Command.C_FIND_RSP, 2, 20), cut(reset=False)),
    Case("cut in the first instance", TO_CALLER, InDataSet(STORE, 1, 2000), cut()),
    Case("cut in the third instance", TO_CALLER, InDataSet(STORE, 3, 2000), cut(reset=False)),
    Case("truncated in the second instance", TO_CALLER, InDataSet(STORE, 2, 2000), truncate()),
    Case("cut before the answer to the last", TO_CALLED, AtCommand(STORED, INSTANCES), cut()),
    Case("cut before the end of the C-GET", TO_CALLER, AtCommand(Command.C_GET_RSP), cut()),
    Case("held for a while", TO_CALLER, InDataSet(STORE, 2, 2000), hold(0.5)),
    Case("slow", TO_CALLER, AfterBytes(), delay(0.02)),
    Case("byte by byte", TO_CALLER, AfterBytes(), drip(5000)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_study_arrives_whole_once_connections_hold(ends: Ends, tmp_path: Path, case: Case) -> None:
    site = new_site(ends, tmp_path, STAGING_PACS_PROTOCOL=case.protocol)
    proxy = ends.to_us if case.on_our_scp else ends.to_staging
    fault = proxy.inject(case.way, case.place, case.action, times=None)

    result = site.deployment.execute()

    assert fault.fired
    assert_failed_in_passing(site, result)
    ends.heal()
    assert site.deployment.execute().success
    assert_published_whole(site)
