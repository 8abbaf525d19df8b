"""What the tests of broken connections would notice: each thing that must not happen is made to happen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_assets.study import Stage
from dicom_assets_tests.faulty_site import (
    Ends,
    FaultySite,
    assert_published_whole,
    copied_site,
    new_site,
    running_ends,
    stage_files,
)
from dicom_assets_tests.orthanc import orthanc_binary
from dicom_assets_tests.small_studies import instance_with, small_study

pytestmark = pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed")

STUDY = small_study(98, "is published without any trouble")


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    with running_ends(tmp_path_factory.mktemp("ends"), STUDY) as running:
        yield running


@pytest.fixture(scope="module")
def published(ends: Ends, tmp_path_factory: pytest.TempPathFactory) -> FaultySite:
    site = new_site(ends, tmp_path_factory.mktemp("published"))
    assert site.deployment.execute().success
    assert_published_whole(site)
    return site


@pytest.fixture
def site(published: FaultySite, ends: Ends, tmp_path: Path) -> FaultySite:
    """A copy of the published site; the research PACS holds what was de-identified."""
    copied = copied_site(published, ends, tmp_path)
    for content in stage_files(copied, Stage.DEIDENTIFIED).values():
        ends.research.load(content)
    return copied


def lose_one(site: FaultySite) -> None:
    site.ends.research.empty()
    for content in list(stage_files(site, Stage.DEIDENTIFIED).values())[1:]:
        site.ends.research.load(content)


def publish_another(site: FaultySite) -> None:
    site.ends.research.load(instance_with(STUDY, SOPInstanceUID="2.25.4712"))


def publish_other_pixels(site: FaultySite) -> None:
    contents = list(stage_files(site, Stage.DEIDENTIFIED).values())
    site.ends.research.empty()
    for content in [contents[0][:-1] + bytes([contents[0][-1] ^ 1]), *contents[1:]]:
        site.ends.research.load(content)


def leave_an_original(site: FaultySite) -> None:
    (site.deployment.folder / "left-over").write_bytes(instance_with(STUDY))


def change_a_file(site: FaultySite) -> None:
    file = next((site.folder / "deidentified" / "instances").iterdir())
    file.write_bytes(file.read_bytes()[:-2])


def test_what_is_as_it_should_be_passes(site: FaultySite) -> None:
    assert_published_whole(site)


@pytest.mark.parametrize("tamper", [lose_one, publish_another, publish_other_pixels, leave_an_original, change_a_file])
def test_what_is_not_as_it_should_be_is_noticed(site: FaultySite, tamper: object) -> None:
    assert callable(tamper)
    tamper(site)

    with pytest.raises(AssertionError):
        assert_published_whole(site)
