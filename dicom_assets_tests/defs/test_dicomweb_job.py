"""The whole job over DICOMweb at both ends, between two real Orthancs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicom_assets.demo.plan import DemoStudy
from dicom_assets.demo.studies import demo_studies
from dicom_assets.study import Stage
from dicom_assets_tests.adapters.dicomweb_peers import files_of
from dicom_assets_tests.certificates import Certificates
from dicom_assets_tests.deployment import Deployment, deploy, free_port
from dicom_assets_tests.fault_actions import cut
from dicom_assets_tests.fault_places import AfterBytes
from dicom_assets_tests.faults import Direction, FaultProxy, running_proxy
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.orthanc import Orthanc, running_orthanc
from dicom_assets_tests.small_studies import manifest
from dicom_assets_tests.test_certificates import needs_dicomweb, needs_orthanc

pytestmark = [pytest.mark.long, needs_orthanc, needs_dicomweb]

MIXED = next(study for study in demo_studies() if study.number == 5)
"""CT, MR, SR and a scan, in five transfer syntaxes."""
FILES = files_of(MIXED)


@dataclass
class WebSite:
    """A deployment between two Orthancs; the staging PACS is reached through a proxy that can break connections."""

    deployment: Deployment
    staging: Orthanc
    research: Orthanc
    to_staging: FaultProxy

    @property
    def studies(self) -> list[DemoStudy]:
        return [MIXED]

    def files(self, stage: Stage) -> dict[str, bytes]:
        """File name to content."""
        key = self.deployment.study_key(MIXED.study_uid)
        folder = self.deployment.data / "studies" / key / stage / "instances"
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    def assert_published_whole(self) -> None:
        """What was pulled, and what was published, is what the other side holds, to the byte."""
        deidentified = self.files(Stage.DEIDENTIFIED)
        assert sorted(self.files(Stage.PULLED).values()) == sorted(FILES.values())
        assert len(deidentified) == MIXED.publishable
        assert sorted(content for _, content in self.research.instances()) == sorted(deidentified.values())
        assert self.deployment.study_row(MIXED.study_uid)["image_published"]
        assert leaks(self) == []


@pytest.fixture(scope="module")
def orthancs(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[tuple[Orthanc, Orthanc, FaultProxy]]:
    """Staging over plain HTTP, research over HTTPS with a password and our certificate."""
    folder = tmp_path_factory.mktemp("web")
    https = certificates.https(client_needed=True)
    with (
        running_orthanc("STAGING", folder / "staging", {}, dicomweb=True) as staging,
        running_orthanc("RESEARCH", folder / "research", {}, dicomweb=True, https=https) as research,
        running_proxy(staging.http_port) as to_staging,
    ):
        for content in FILES.values():
            staging.load(content)
        yield staging, research, to_staging


@pytest.fixture
def site(
    orthancs: tuple[Orthanc, Orthanc, FaultProxy], tmp_path: Path, certificates: Certificates
) -> Iterator[WebSite]:
    staging, research, to_staging = orthancs
    research.empty()
    assert research.https is not None
    (tmp_path / "password").write_text(research.https.password)
    deployment = deploy(
        tmp_path / "site",
        [MIXED],
        STAGING_PACS_PROTOCOL="dicomweb",
        STAGING_PACS_PORT=free_port(),
        STAGING_PACS_DICOMWEB_URL=f"http://127.0.0.1:{to_staging.port}/dicom-web/",
        RESEARCH_PACS_PROTOCOL="dicomweb",
        RESEARCH_PACS_PORT=free_port(),
        RESEARCH_PACS_DICOMWEB_URL=research.dicomweb_url,
        RESEARCH_PACS_DICOMWEB_USER=research.https.user,
        RESEARCH_PACS_DICOMWEB_PASSWORD_FILE=tmp_path / "password",
        RESEARCH_PACS_TLS_CA_FILE=certificates.ca,
        RESEARCH_PACS_TLS_CERT_FILE=certificates.client.certificate,
        RESEARCH_PACS_TLS_KEY_FILE=certificates.client.key,
        PACS_RETRY_SECONDS=10,
    )
    yield WebSite(deployment, staging, research, to_staging)
    to_staging.clear()


def test_study_goes_all_the_way_byte_for_byte(site: WebSite) -> None:
    result = site.deployment.execute()

    assert result.success
    site.assert_published_whole()
    assert manifest(site, MIXED, Stage.PULLED)["inputs"]["staging_pacs"] == (
        f"http://127.0.0.1:{site.to_staging.port}/dicom-web"
    )
    assert manifest(site, MIXED, Stage.PUBLISHED)["inputs"]["research_pacs"] == site.research.dicomweb_url


def test_research_instance_that_was_removed_is_the_only_one_sent_again(site: WebSite) -> None:
    site.deployment.execute()
    key = site.deployment.study_key(MIXED.study_uid)
    first = site.research.get("/instances")[0]
    site.research._request("DELETE", f"/instances/{first}")

    result = site.deployment.execute(partition=key)

    assert result.success
    site.assert_published_whole()
    assert manifest(site, MIXED, Stage.PUBLISHED)["facts"]["sent"] == 1


@pytest.mark.parametrize("after", [100, sum(map(len, FILES.values())) // 2], ids=["listing", "instances"])
def test_transfer_that_is_cut_off_goes_on_with_what_is_missing(site: WebSite, after: int) -> None:
    fault = site.to_staging.inject(Direction.TO_CLIENT, AfterBytes(after), cut())

    result = site.deployment.execute()

    assert fault.fired
    assert result.success
    site.assert_published_whole()


def test_automatic_choice_is_dicomweb_where_it_answers(site: WebSite) -> None:
    site.deployment.set(STAGING_PACS_PROTOCOL="auto")

    result = site.deployment.execute()

    assert result.success
    site.assert_published_whole()
    [started] = [event for event in site.deployment.events() if event["event"] == "run_started"]
    assert started["staging_protocol"] == "dicomweb (it answers QIDO-RS)"
    assert "staging_protocol dicomweb" in site.deployment.overview()


def test_automatic_choice_is_c_get_where_dicomweb_does_not_answer(site: WebSite) -> None:
    site.deployment.set(
        STAGING_PACS_PROTOCOL="auto",
        STAGING_PACS_DICOMWEB_URL=f"http://127.0.0.1:{free_port()}/dicom-web",
        STAGING_PACS_PORT=site.staging.dicom_port,
    )

    result = site.deployment.execute()

    assert result.success
    [started] = [event for event in site.deployment.events() if event["event"] == "run_started"]
    assert started["staging_protocol"].startswith("c-get (it accepts C-GET; Nothing answers at http://127.0.0.1:")
    staging_pacs = f"STAGING@127.0.0.1:{site.staging.dicom_port}"
    assert manifest(site, MIXED, Stage.PULLED)["inputs"]["staging_pacs"] == staging_pacs
