"""A connection that stays open while nothing comes any more: our time-outs end it, and the next run finishes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicom_assets_tests.fault_actions import hold
from dicom_assets_tests.fault_places import AtCommand, AtPdu, InDataSet, Place
from dicom_assets_tests.faults import Direction
from dicom_assets_tests.faulty_site import (
    Ends,
    assert_recovers,
    assert_suffers,
    new_site,
    running_ends,
)
from dicom_assets_tests.orthanc import orthanc_binary
from dicom_assets_tests.pdu_stream import Command, PduType
from dicom_assets_tests.small_studies import small_study

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed"),
    # pynetdicom leaves sockets open that the other end reset.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TO_PACS, TO_US = Direction.TO_TARGET, Direction.TO_CLIENT
STORE, STORED = Command.C_STORE_RQ, Command.C_STORE_RSP
STUDY = small_study(97, "waits for who is silent")
SHORT_SECONDS = 1


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    with running_ends(tmp_path_factory.mktemp("ends"), STUDY) as running:
        yield running


@dataclass(frozen=True)
class Case:
    """Where every connection of a run with one of the PACSs falls silent."""

    name: str
    pacs: str
    way: Direction
    place: Place
    protocol: str = "c-get"


CASES = (
    Case("no answer to an association", "staging", TO_US, AtPdu(PduType.ASSOCIATE_AC)),
    Case("nothing more in a C-GET's instance", "staging", TO_US, InDataSet(STORE, 3, 2000)),
    Case("no end of a C-MOVE", "staging", TO_US, AtCommand(Command.C_MOVE_RSP), "c-move"),
    Case("no answer to an instance", "research", TO_US, AtCommand(STORED, 3)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_run_ends_and_the_next_one_finishes(ends: Ends, tmp_path: Path, case: Case) -> None:
    site = new_site(ends, tmp_path, STAGING_PACS_PROTOCOL=case.protocol)
    proxy = ends.to_staging if case.pacs == "staging" else ends.to_research
    fault = proxy.inject(case.way, case.place, hold(), times=None)

    site.deployment.set(STAGING_PACS_TIMEOUT_SECONDS=SHORT_SECONDS, RESEARCH_PACS_TIMEOUT_SECONDS=SHORT_SECONDS)

    assert_suffers(site, fault)
    site.deployment.set(STAGING_PACS_TIMEOUT_SECONDS=300, RESEARCH_PACS_TIMEOUT_SECONDS=300)
    assert_recovers(site)
