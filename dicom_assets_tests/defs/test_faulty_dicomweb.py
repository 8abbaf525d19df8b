"""Connections over which DICOMweb is spoken break, stall and crawl: the same must come of it as of DIMSE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicom_assets_tests.fault_actions import Action, cut, drip, hold, truncate
from dicom_assets_tests.fault_places import AfterBytes, AfterText, Place
from dicom_assets_tests.faults import Direction
from dicom_assets_tests.faulty_site import (
    Ends,
    FaultySite,
    assert_recovers,
    assert_suffers,
    copied_site,
    kill_run_at,
    new_site,
    running_ends,
)
from dicom_assets_tests.orthanc import DICOMWEB_PLUGIN, orthanc_binary
from dicom_assets_tests.small_studies import small_study

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed"),
    pytest.mark.skipif(not DICOMWEB_PLUGIN.is_file(), reason="orthanc-dicomweb is not installed"),
]

TO_PACS, TO_US = Direction.TO_TARGET, Direction.TO_CLIENT
STUDY = small_study(95, "goes by DICOMweb over bad connections")
PREFIX = b"DICM"
"""What each instance has behind its preamble, and nothing else in an answer or a request."""


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    with running_ends(tmp_path_factory.mktemp("ends"), STUDY, dicomweb=True) as running:
        yield running


@pytest.fixture(scope="module")
def registered(ends: Ends, tmp_path_factory: pytest.TempPathFactory) -> FaultySite:
    """A site that has yet to publish."""
    folder = tmp_path_factory.mktemp("registered")
    site = new_site(ends, folder, STAGING_PACS_PROTOCOL="dicomweb", RESEARCH_PACS_PROTOCOL="dicomweb")
    assert site.deployment.execute({"publish": False}).success
    return site


@dataclass(frozen=True)
class Case:
    """What happens to every connection of a run with one of the PACSs."""

    name: str
    way: Direction
    place: Place
    action: Action


PULLED = (
    Case("cut as soon as it is open", TO_PACS, AfterBytes(), cut()),
    Case("cut in the list of instances", TO_US, AfterText(b"00080018", 2), cut(reset=False)),
    Case("cut in the first instance", TO_US, AfterText(PREFIX, 1, 2000), cut()),
    Case("cut in the third instance", TO_US, AfterText(PREFIX, 3, 2000), cut(reset=False)),
    Case("truncated in the last instance", TO_US, AfterText(PREFIX, 5, 2000), truncate()),
    Case("held for a while", TO_US, AfterText(PREFIX, 2, 2000), hold(0.5)),
    Case("byte by byte", TO_US, AfterBytes(), drip(5000)),
)
PUBLISHED = (
    Case("cut in the second instance", TO_PACS, AfterText(PREFIX, 2, 2000), cut()),
    Case("truncated in the last instance", TO_PACS, AfterText(PREFIX, 5, 2000), truncate()),
    Case("cut before the answer", TO_US, AfterBytes(), cut()),
    Case("cut in the answer", TO_US, AfterText(b"00081199"), cut(reset=False)),
    Case("cut in the list of what is there", TO_US, AfterText(b"00080018", 2), cut()),
    Case("byte by byte", TO_PACS, AfterBytes(), drip(5000)),
)


@pytest.mark.parametrize("case", PULLED, ids=lambda case: case.name)
def test_study_is_pulled_whole_once_connections_hold(ends: Ends, tmp_path: Path, case: Case) -> None:
    site = new_site(ends, tmp_path, STAGING_PACS_PROTOCOL="dicomweb", RESEARCH_PACS_PROTOCOL="dicomweb")
    fault = ends.to_staging_web.inject(case.way, case.place, case.action, times=None)

    assert_suffers(site, fault)
    assert_recovers(site)


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case.name)
def test_study_is_published_whole_once_connections_hold(
    ends: Ends, registered: FaultySite, tmp_path: Path, case: Case
) -> None:
    site = copied_site(registered, ends, tmp_path)
    fault = ends.to_research_web.inject(case.way, case.place, case.action, times=None)

    assert_suffers(site, fault)
    assert_recovers(site)


@pytest.mark.parametrize("flushed", [True, False], ids=["rest arrives late", "rest is lost"])
def test_kill_while_publishing_publishes_each_once(
    ends: Ends, registered: FaultySite, tmp_path: Path, flushed: bool
) -> None:
    site = copied_site(registered, ends, tmp_path)
    fault = ends.to_research_web.inject(TO_PACS, AfterText(PREFIX, 3, 2000), hold())
    kill_run_at(site, fault)
    if flushed:
        ends.let_go()
    ends.heal()

    assert_recovers(site)
