"""A research PACS is told to delete a study, and only a de-identified one of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from dicom_assets.adapters.dicomweb import DicomwebNode
from dicom_assets.adapters.pacs.tls import TlsFiles
from dicom_assets.adapters.removal import DicomwebRemover, OrthancRemover
from dicom_assets.errors import PacsAwayError, PacsError, PacsStatusError, RemovalNotOfferedError
from dicom_assets.steps.ports import StudyRemover
from dicom_assets_tests.certificates import Certificates
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.orthanc import Orthanc, running_orthanc
from dicom_assets_tests.scripted_pacs import CANARY
from dicom_assets_tests.test_certificates import needs_dicomweb, needs_orthanc
from dicom_assets_tests.web_server import Answer, Asked, WebServer, attributes, dicom_json, web_server

FILES = TlsFiles("RESEARCH_PACS")
STUDY, OTHER = "2.25.1000", "2.25.2000"


def an_instance(number: int, *, study_uid: str = STUDY, removed: str | None = "YES", patient: str = "A1") -> bytes:
    """A Part 10 file of a study with two series."""
    ds: Dataset = dcmread(BytesIO(CANARY.content))
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study_uid, f"{study_uid}.{number % 2}"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = sop_uid(number, study_uid)
    ds.PatientID = patient
    if removed is not None:
        ds.PatientIdentityRemoved = removed
    content = BytesIO()
    ds.save_as(content)
    return content.getvalue()


def sop_uid(number: int, study_uid: str = STUDY) -> str:
    return f"{study_uid}.9.{number}"


OURS = [sop_uid(number) for number in range(4)]


def rest(url: str, **options: Any) -> OrthancRemover:
    return OrthancRemover(DicomwebNode.of("RESEARCH_PACS", url, FILES, service="REST", **options))


def web(url: str) -> DicomwebRemover:
    return DicomwebRemover(DicomwebNode.of("RESEARCH_PACS", url, FILES, timeout_seconds=10))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc("RESEARCH", tmp_path_factory.mktemp("removal"), {}, dicomweb=True) as orthanc:
        yield orthanc


@pytest.fixture
def orthanc(running: Orthanc) -> Orthanc:
    """One that holds the study, and another one that has to stay."""
    running.empty()
    for number in range(4):
        running.load(an_instance(number))
    running.load(an_instance(0, study_uid=OTHER))
    return running


@needs_orthanc
class TestOrthanc:
    def test_the_study_goes_whole_and_no_other(self, orthanc: Orthanc) -> None:
        remover: StudyRemover = rest(orthanc.url)

        assert remover.remove(STUDY, OURS) == 4
        assert orthanc.studies().keys() == {OTHER}

    def test_a_study_that_is_not_there_is_nothing_to_do(self, orthanc: Orthanc) -> None:
        remover = rest(orthanc.url)
        remover.remove(STUDY, OURS)

        assert remover.remove(STUDY, OURS) == 0

    def test_objects_that_others_added_go_with_it(self, orthanc: Orthanc) -> None:
        orthanc.load(an_instance(77, removed=None))

        assert rest(orthanc.url).remove(STUDY, OURS) == 5
        assert orthanc.studies().keys() == {OTHER}

    def test_a_study_that_is_filed_under_two_patients_goes_from_both(self, orthanc: Orthanc) -> None:
        orthanc.load(an_instance(8, patient="A2"))

        assert rest(orthanc.url).remove(STUDY, [*OURS, sop_uid(8)]) == 5
        assert orthanc.studies().keys() == {OTHER}

    def test_nothing_goes_where_one_of_two_patients_is_none_of_ours(self, orthanc: Orthanc) -> None:
        orthanc.load(an_instance(8, patient="A2"))

        with pytest.raises(RemovalNotOfferedError):
            rest(orthanc.url).remove(STUDY, OURS)

        assert orthanc.count() == 6

    @pytest.mark.parametrize("removed", ["NO", None])
    def test_an_identified_study_under_that_uid_stays(self, running: Orthanc, removed: str | None) -> None:
        running.empty()
        running.load(an_instance(0, removed=removed))

        with pytest.raises(RemovalNotOfferedError, match="RESEARCH_PACS_REST_URL"):
            rest(running.url).remove(STUDY, OURS)

        assert running.count() == 1

    def test_a_study_of_which_nothing_was_published_by_us_stays(self, orthanc: Orthanc) -> None:
        with pytest.raises(RemovalNotOfferedError, match="none of ours"):
            rest(orthanc.url).remove(STUDY, ["2.25.7"])

        assert orthanc.count() == 5

    @needs_dicomweb
    def test_its_dicomweb_does_not_take_delete_and_says_so(self, orthanc: Orthanc) -> None:
        with pytest.raises(RemovalNotOfferedError, match="405"):
            web(orthanc.dicomweb_url).remove(STUDY, OURS)

        assert orthanc.count() == 5

    @needs_dicomweb
    def test_another_address_of_it_is_not_its_rest_interface(self, orthanc: Orthanc) -> None:
        with pytest.raises(RemovalNotOfferedError, match="RESEARCH_PACS_REST_URL"):
            rest(orthanc.dicomweb_url).remove(STUDY, OURS)

    def test_it_is_asked_with_a_password_over_tls(self, tmp_path: Path, certificates: Certificates) -> None:
        https = certificates.https(client_needed=True)
        (tmp_path / "password").write_text(https.password)
        (tmp_path / "wrong").write_text("wrong")
        files = TlsFiles("RESEARCH_PACS", str(certificates.ca), str(certificates.client.both))
        with running_orthanc("RESEARCH", tmp_path / "orthanc", {}, https=https) as orthanc:
            orthanc.load(an_instance(0))

            def remover(password: str) -> OrthancRemover:
                login = {"user": https.user, "password_file": str(tmp_path / password)}
                return OrthancRemover(DicomwebNode.of("RESEARCH_PACS", orthanc.url, files, service="REST", **login))

            with pytest.raises(RemovalNotOfferedError, match="401"):
                remover("wrong").remove(STUDY, OURS)
            assert remover("password").remove(STUDY, OURS) == 1
            assert orthanc.count() == 0


def test_a_pacs_that_is_away_may_be_asked_later() -> None:
    with pytest.raises(PacsAwayError):
        rest(f"http://127.0.0.1:{free_port()}").remove(STUDY, OURS)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b'["x"]', b'[{"Type": "Study", "ID": "../instances"}]', b'[{"Type": "Study"}]'],
)
def test_an_answer_that_is_not_orthancs_deletes_nothing(body: bytes) -> None:
    with web_server(lambda _asked: Answer(200, [body])) as server:
        with pytest.raises(PacsStatusError, match="RESEARCH_PACS_REST_URL"):
            rest(server.url).remove(STUDY, OURS)
        assert not [asked for asked in server.asked if asked.method == "DELETE"]


def test_an_orthanc_that_looks_up_another_study_deletes_nothing() -> None:
    identifier = "-".join(["0123abcd"] * 5)

    def respond(asked: Asked) -> Answer:
        if asked.path == "/tools/lookup":
            return Answer(200, [json.dumps([{"Type": "Study", "ID": identifier}]).encode()])
        return Answer(200, [json.dumps({"MainDicomTags": {"StudyInstanceUID": OTHER}}).encode()])

    with web_server(respond) as server:
        with pytest.raises(PacsStatusError):
            rest(server.url).remove(STUDY, OURS)
        assert not [asked for asked in server.asked if asked.method == "DELETE"]


class Archive:
    """A server that answers QIDO-RS and metadata of one study, and DELETE as it is told to."""

    def __init__(self, removed: str = "YES", status: int = 204) -> None:
        self.removed = removed
        self.status = status
        self.is_there = True

    def __call__(self, asked: Asked) -> Answer:
        if asked.method == "DELETE":
            self.is_there = self.is_there and self.status >= 300
            return Answer(self.status)
        if asked.path.endswith("/metadata"):
            found = {"00120062": {"vr": "CS", "Value": [self.removed]}} if self.removed else {}
            return dicom_json(found)
        if not self.is_there or asked.query.get("offset", ["0"]) != ["0"]:
            return dicom_json()
        return dicom_json(attributes(x00080018=OURS[0], x0020000D=STUDY, x0020000E=f"{STUDY}.0", x00201208=1))


def deletes(server: WebServer) -> list[str]:
    return [asked.path for asked in server.asked if asked.method == "DELETE"]


@pytest.mark.parametrize("status", [200, 202, 204])
def test_delete_over_dicomweb_goes_to_the_study_alone(status: int) -> None:
    archive = Archive(status=status)
    with web_server(archive) as server:
        remover: StudyRemover = web(server.url)
        assert remover.remove(STUDY, OURS) == 1
        assert remover.remove(STUDY, OURS) == 0
        assert deletes(server) == [f"/studies/{STUDY}"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 501])
def test_a_server_that_does_not_take_delete_is_left_to_a_person(status: int) -> None:
    with web_server(Archive(status=status)) as server, pytest.raises(RemovalNotOfferedError, match=str(status)):
        web(server.url).remove(STUDY, OURS)


@pytest.mark.parametrize(("status", "error"), [(503, PacsAwayError), (500, PacsError), (409, PacsError)])
def test_a_failure_of_the_server_is_told_with_its_status(status: int, error: type[PacsError]) -> None:
    with web_server(Archive(status=status)) as server, pytest.raises(error, match=str(status)):
        web(server.url).remove(STUDY, OURS)


@pytest.mark.parametrize("removed", ["NO", ""])
def test_delete_is_not_asked_for_an_identified_study(removed: str) -> None:
    with web_server(Archive(removed=removed)) as server:
        with pytest.raises(RemovalNotOfferedError, match="0012,0062"):
            web(server.url).remove(STUDY, OURS)
        assert deletes(server) == []


def test_messages_hold_no_uid() -> None:
    with web_server(Archive(status=405)) as server, pytest.raises(RemovalNotOfferedError) as error:
        web(server.url).remove(STUDY, OURS)

    assert STUDY not in str(error.value)
