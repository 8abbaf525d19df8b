"""A study that was published to one research PACS and then to another, which is where the settings point now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_assets.study import Stage
from dicom_assets_tests.orthanc import Orthanc, running_orthanc
from dicom_assets_tests.test_certificates import needs_orthanc
from dicom_assets_tests.withdrawing import GOES, Published, published_to_orthanc

pytestmark = needs_orthanc


def pointing_to(pacs: Orthanc) -> dict[str, str]:
    return {"RESEARCH_PACS_PORT": str(pacs.dicom_port), "RESEARCH_PACS_REST_URL": pacs.url}


@pytest.fixture
def earlier(tmp_path: Path) -> Iterator[Published]:
    with published_to_orthanc(tmp_path / "site") as site:
        yield site


@pytest.fixture
def later(earlier: Published, tmp_path: Path) -> Iterator[Orthanc]:
    local = ("127.0.0.1", int(earlier.deployment.environment["LOCAL_PORT"]))
    with running_orthanc("RESEARCH", tmp_path / "later", {"DICOM_ASSETS": local}) as pacs:
        earlier.deployment.set(**pointing_to(pacs))
        assert earlier.deployment.execute(partition=earlier.key).success
        assert earlier.study_uid in pacs.studies()
        yield pacs


def test_it_is_withdrawn_when_it_is_gone_from_both(earlier: Published, later: Orthanc) -> None:
    assert earlier.orthanc is not None
    first_name = f"RESEARCH@127.0.0.1:{earlier.orthanc.dicom_port}"

    half = earlier.withdraw("--yes")
    half_known = earlier.record()
    in_first = earlier.in_research_pacs()
    whole = earlier.withdraw("--yes", **pointing_to(earlier.orthanc))

    assert half.exit_code == 3
    assert f"With settings that name {first_name}" in half.stderr
    assert "Remove from the research PACS" not in half.stderr
    assert half_known.state == "awaiting-removal"
    assert later.studies() == {}
    assert earlier.study_uid in in_first
    assert whole.exit_code == 0, whole.output
    assert earlier.record().state == "withdrawn"
    assert earlier.study_uid not in earlier.in_research_pacs()
    assert earlier.deployment.study_row(GOES.study_uid)["image_published"] == 0


def test_what_the_first_one_has_is_known_there_again(earlier: Published, later: Orthanc) -> None:
    assert earlier.orthanc is not None
    earlier.deployment.set(**pointing_to(earlier.orthanc))

    back = earlier.deployment.execute(partition=earlier.key)

    assert back.success
    facts = earlier.manifest(Stage.PUBLISHED)["facts"]
    assert (facts["sent"], facts["already_there"]) == (0, facts["instances"])
    assert len(earlier.manifest(Stage.PUBLISHED)["elsewhere"]) == 1
