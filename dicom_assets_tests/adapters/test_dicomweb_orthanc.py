"""DICOMweb with a real Orthanc: plain, and over HTTPS with a password and a private authority."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_assets.adapters.dicomweb import DicomwebNode, DicomwebResearchPacs, DicomwebStagingPacs
from dicom_assets.adapters.pacs.tls import TlsFiles
from dicom_assets.demo.studies import demo_studies
from dicom_assets.errors import PacsError
from dicom_assets.study import Retrieval
from dicom_assets_tests.adapters.dicomweb_peers import files_of, outgoing
from dicom_assets_tests.certificates import Certificates
from dicom_assets_tests.orthanc import Orthanc, running_orthanc
from dicom_assets_tests.receiving import Received
from dicom_assets_tests.test_certificates import needs_dicomweb, needs_orthanc

MIXED = next(study for study in demo_studies() if study.number == 5)
"""CT, MR, SR and a scan, in five transfer syntaxes."""
FILES = files_of(MIXED)

pytestmark = [needs_orthanc, needs_dicomweb]

Web = tuple[Orthanc, DicomwebNode]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """An Orthanc that holds the study and asks for nothing."""
    with running_orthanc("STAGING", tmp_path_factory.mktemp("plain"), {}, dicomweb=True) as orthanc:
        for content in FILES.values():
            orthanc.load(content)
        yield orthanc, DicomwebNode.of("STAGING_PACS", orthanc.dicomweb_url, TlsFiles("STAGING_PACS"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Web]:
    """An empty one, over HTTPS, that asks for a password and a certificate of ours."""
    folder = tmp_path_factory.mktemp("secured")
    https = certificates.https(client_needed=True)
    (folder / "password").write_text(https.password + "\n")
    files = TlsFiles("RESEARCH_PACS", str(certificates.ca), str(certificates.client.both))
    with running_orthanc("RESEARCH", folder / "orthanc", {}, dicomweb=True, https=https) as orthanc:
        yield (
            orthanc,
            DicomwebNode.of(
                "RESEARCH_PACS",
                orthanc.dicomweb_url,
                files,
                user=https.user,
                password_file=str(folder / "password"),
            ),
        )


def test_study_is_listed_with_series_and_classes(plain: Web) -> None:
    with DicomwebStagingPacs(plain[1]) as pacs:
        listing = pacs.find_study(MIXED.study_uid)

    assert {ref.sop_instance_uid for ref in listing.instances or ()} == FILES.keys()
    for ref in listing.instances or ():
        ds = dcmread(BytesIO(FILES[ref.sop_instance_uid]), stop_before_pixels=True)
        assert (ref.series_instance_uid, ref.sop_class_uid) == (ds.SeriesInstanceUID, ds.SOPClassUID)


def test_unknown_study_is_an_empty_listing(plain: Web) -> None:
    with DicomwebStagingPacs(plain[1]) as pacs:
        assert pacs.find_study("1.2.3").instances == ()
        arrived = Received()
        pacs.retrieve(Retrieval("1.2.3"), arrived.receive)

    assert arrived == {}


def test_listing_is_whole_though_orthanc_gives_few_results_at_once(plain: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_assets.adapters.dicomweb.query.PAGE", 3)
    with DicomwebStagingPacs(plain[1]) as pacs:
        assert pacs.find_study(MIXED.study_uid).total == len(FILES)


@pytest.mark.parametrize("by", ["study", "series", "instances"])
def test_instances_arrive_as_they_are_stored_in_every_transfer_syntax(plain: Web, by: str) -> None:
    orthanc, node = plain
    stored = dict(orthanc.instances())
    arrived = Received()
    with DicomwebStagingPacs(node) as pacs:
        for series in MIXED.series:
            uids = tuple(series.sop_uids) if by == "instances" else ()
            retrieval = Retrieval(MIXED.study_uid, None if by == "study" else series.uid, uids)
            pacs.retrieve(retrieval, arrived.receive)

    assert arrived == stored == FILES
    syntaxes = {dcmread(BytesIO(content)).file_meta.TransferSyntaxUID for content in arrived.values()}
    assert len(syntaxes) > 3


def test_wrong_path_names_the_url(plain: Web) -> None:
    wrong = replace(plain[1], url=f"{plain[0].url}/elsewhere")
    with DicomwebStagingPacs(wrong) as pacs, pytest.raises(PacsError, match="STAGING_PACS_DICOMWEB_URL"):
        pacs.find_study(MIXED.study_uid)


def test_instances_are_stored_over_https_byte_for_byte(secured: Web, tmp_path: Path) -> None:
    orthanc, node = secured
    with DicomwebResearchPacs(node) as pacs:
        outcomes = list(pacs.store(outgoing(tmp_path, FILES)))
        again = list(pacs.store(outgoing(tmp_path, FILES)))
        listing = pacs.find_study(MIXED.study_uid)

    assert {outcome.sop_instance_uid for outcome in outcomes} == FILES.keys()
    assert not any(outcome.problem for outcome in outcomes + again)
    assert dict(orthanc.instances()) == FILES
    assert {ref.sop_instance_uid for ref in listing.instances or ()} == FILES.keys()


def test_garbage_between_instances_is_refused_and_the_others_stored(secured: Web, tmp_path: Path) -> None:
    files = {**FILES, "1.2.3": b"This is not DICOM." * 20}
    with DicomwebResearchPacs(secured[1]) as pacs:
        problems = {one.sop_instance_uid for one in pacs.store(outgoing(tmp_path, files)) if one.problem}

    assert problems == {"1.2.3"}


def test_instances_are_retrieved_over_https(secured: Web) -> None:
    orthanc, node = secured
    for content in FILES.values():
        orthanc.load(content)
    arrived = Received()
    with DicomwebStagingPacs(node) as pacs:
        pacs.retrieve(Retrieval(MIXED.study_uid), arrived.receive)

    assert arrived == FILES


def test_wrong_password_names_the_settings(secured: Web, tmp_path: Path) -> None:
    orthanc, node = secured
    (tmp_path / "password").write_text("sentinel-wrong")
    assert orthanc.https is not None
    wrong = DicomwebNode.of(
        "RESEARCH_PACS", node.url, node.tls, user=orthanc.https.user, password_file=str(tmp_path / "password")
    )
    with DicomwebResearchPacs(wrong) as pacs, pytest.raises(PacsError, match="HTTP status 401") as raised:
        pacs.find_study(MIXED.study_uid)

    assert "RESEARCH_PACS_DICOMWEB_USER" in str(raised.value)
    assert "sentinel" not in str(raised.value)


def test_unknown_authority_names_the_setting(secured: Web, certificates: Certificates) -> None:
    foreign = TlsFiles("RESEARCH_PACS", str(certificates.foreign_ca), str(certificates.client.both))
    pacs = DicomwebResearchPacs(replace(secured[1], tls=foreign))
    with pacs, pytest.raises(PacsError, match="RESEARCH_PACS_TLS_CA_FILE"):
        pacs.find_study(MIXED.study_uid)


@pytest.mark.parametrize("name", ["foreign", None])
def test_certificate_of_ours_that_is_missing_or_not_accepted_keeps_us_out(
    secured: Web, certificates: Certificates, name: str | None
) -> None:
    shown = str(getattr(certificates, name).both) if name else ""
    pacs = DicomwebResearchPacs(replace(secured[1], tls=TlsFiles("RESEARCH_PACS", str(certificates.ca), shown)))
    # With TLS 1.3 the refusal comes after the handshake, and may be lost with the connection.
    with pacs, pytest.raises(PacsError, match=r"RESEARCH_PACS_TLS_CERT_FILE|broke off QIDO-RS"):
        pacs.find_study(MIXED.study_uid)


def test_https_to_a_server_without_it_names_the_url(plain: Web) -> None:
    node = replace(plain[1], url=plain[1].url.replace("http:", "https:"))
    with DicomwebStagingPacs(node) as pacs, pytest.raises(PacsError, match="STAGING_PACS_DICOMWEB_URL"):
        pacs.find_study(MIXED.study_uid)
