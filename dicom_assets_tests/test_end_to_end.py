"""Real studies from one Orthanc to another, compared instance by instance."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.uid import UID_dictionary

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.study import STAGES
from dicom_assets_tests.corpus import CorpusFile, corpus_files
from dicom_assets_tests.deployment import SECRET, Deployment, deploy, files_holding
from dicom_assets_tests.orthanc import Orthanc, orthanc_binary, running_orthanc, storescu

PROPOSAL_OF = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-x=",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}
"""storescu's option for each transfer syntax it knows."""

CLI = "from dicom_assets.cli import main; main()"
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
PIXEL_DATA = b"\xe0\x7f\x10\x00"
MINIMUM_NEEDLE_LENGTH = 6
"""Shorter names and ids, and those of one character repeated, occur anywhere in pixels and numbers."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed"),
    pytest.mark.skipif(shutil.which("storescu") is None, reason="DCMTK is not installed"),
    pytest.mark.skipif(not corpus_files(), reason="the corpus of real files is not here"),
    # pydicom warns of odd values in the corpus; this test only compares what went in with what came out.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@dataclass
class Journey:
    """What went in, what came out, and the deployment between."""

    deployment: Deployment
    job: subprocess.CompletedProcess[str]
    research: Orthanc
    originals: Mapping[str, bytes]
    published: Mapping[str, bytes]
    staging_studies: Mapping[str, Mapping[str, int]]

    def replacements(self) -> dict[str, str]:
        """Original UID to replacement, as recorded."""
        database = IdentityDatabase.open_for_dry_run(self.deployment.environment["IDENTITY_DB_URL"], SECRET.encode())
        try:
            uids = {uid for content in self.originals.values() for uid in _uids(_read(content))}
            return dict(database.replacements(uids))
        finally:
            database.close()

    def quarantined(self) -> dict[str, Counter[str]]:
        """Study key to why instances were kept back."""
        return {
            event["study"]: Counter(event["quarantined_by_reason"])
            for event in self.deployment.events()
            if event["event"] == "stage_finished" and event["stage"] == "deidentified"
        }


@pytest.fixture(scope="module", params=["c-get", "c-move", "dicomweb"])
def journey(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """The corpus through the whole job, by `dagster job execute`."""
    folder = tmp_path_factory.mktemp("journey")
    deployment = deploy(folder / "site", [], REGISTRATION_HOOK="none", STAGING_PACS_PROTOCOL=request.param)
    local = ("127.0.0.1", int(deployment.environment["LOCAL_PORT"]))
    with (
        running_orthanc("STAGING", folder / "staging", {"DICOM_ASSETS": local}, dicomweb=True) as staging,
        running_orthanc("RESEARCH", folder / "research", {"DICOM_ASSETS": local}, dicomweb=True) as research,
    ):
        _load(staging)
        originals = dict(staging.instances())
        studies = staging.studies()
        deployment.approve(studies)
        deployment.set(STAGING_PACS_PORT=staging.dicom_port, RESEARCH_PACS_PORT=research.dicom_port)
        if request.param == "dicomweb":
            deployment.set(
                STAGING_PACS_DICOMWEB_URL=staging.dicomweb_url,
                RESEARCH_PACS_DICOMWEB_URL=research.dicomweb_url,
                RESEARCH_PACS_PROTOCOL="dicomweb",
            )
        if request.param == "c-move":
            sent = deployment.run([sys.executable, "-c", CLI, "canary", "send", "--yes"])
            deployment.set(STAGING_PACS_CANARY_UID=sent.stdout.strip().rpartition("=")[2])
        modalities = sorted({str(_read(content).get("Modality", "")) for content in originals.values()} - {""})
        job = deployment.run(deployment.job_command({"limit": 1000, "modalities": modalities}))
        yield Journey(deployment, job, research, originals, dict(research.instances()), studies)


def _load(staging: Orthanc) -> None:
    by_proposal: dict[str, list[CorpusFile]] = {}
    for file in corpus_files():
        proposal = PROPOSAL_OF.get(file.transfer_syntax)
        if proposal and file.study_uid and file.series_uid and file.sop_uid:
            by_proposal.setdefault(proposal, []).append(file)
    for proposal, files in by_proposal.items():
        for file in files:
            try:
                storescu(staging, proposal, [file.path])
            except subprocess.CalledProcessError:
                continue  # some corpus files are too odd for DCMTK or Orthanc; what arrived is what counts
    assert staging.count() > 150


def _read(content: bytes) -> Dataset:
    return dcmread(BytesIO(content), force=True)


def _elements(ds: Dataset) -> Iterator[tuple[DataElement | RawDataElement, str]]:
    for tag in ds.keys():  # noqa: SIM118  a Dataset iterates over elements
        try:
            element = ds[tag]
        except Exception:  # noqa: BLE001  values that pydicom can't read can't hold what is looked for
            continue
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)
        else:
            yield element, element.VR


def _uids(ds: Dataset) -> set[str]:
    """Every UID of a data set that names a thing of its own, and not a class or a syntax."""
    found: set[str] = set()
    for element, vr in _elements(ds):
        names_a_class = keyword_for_tag(element.tag).endswith(("ClassUID", "SyntaxUID"))
        if vr == "UI" and element.value and not names_a_class:
            values = element.value if isinstance(element.value, (list, tuple)) else [element.value]
            found.update(str(value) for value in values)
    return {uid for uid in found if uid and uid not in UID_dictionary}


def test_every_study_is_published_or_says_why_not(journey: Journey) -> None:
    overview = journey.deployment.overview()
    published = journey.deployment.materialized()["published"]
    events = journey.deployment.events()
    failed = {event["study"]: event["reason"] for event in events if event["event"] == "study_failed"}

    nonsense = [uid for uid in journey.staging_studies if not re.fullmatch(r"[0-9.]{1,64}", uid)]

    assert len(published) + len(failed) + len(nonsense) == len(journey.staging_studies)
    assert journey.job.returncode == (1 if failed else 0)
    for key, reason in failed.items():
        assert "Unexpected" not in reason, reason
        assert key in overview
    assert len(published) > 0.6 * len(journey.staging_studies), failed


def test_research_pacs_commits_itself_where_it_can_be_asked(journey: Journey) -> None:
    said = {
        event["storage_commitment"]
        for event in journey.deployment.events()
        if event["event"] == "stage_finished" and event["stage"] == "published"
    }

    over_dicomweb = journey.deployment.environment["RESEARCH_PACS_PROTOCOL"] == "dicomweb"
    assert said == {"not offered" if over_dicomweb else "committed"}


def test_counts_per_study_and_series_agree(journey: Journey) -> None:
    replaced = journey.replacements()
    arrived = journey.research.studies()
    published = journey.deployment.materialized()["published"]
    quarantined = journey.quarantined()

    for study_uid, series in journey.staging_studies.items():
        key = journey.deployment.study_key(study_uid)
        if key not in published:
            assert replaced.get(study_uid) not in arrived
            continue
        there = arrived[replaced[study_uid]]
        assert sum(there.values()) == sum(series.values()) - quarantined[key].total()
        for series_uid, count in series.items():
            if not quarantined[key]:
                assert there[replaced[series_uid]] == count


def test_pixel_bytes_and_transfer_syntax_are_identical(journey: Journey) -> None:
    replaced = journey.replacements()
    compared = 0
    for uid, content in journey.originals.items():
        if replaced.get(uid) not in journey.published:
            continue
        before, after = _read(content), _read(journey.published[replaced[uid]])
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
        for keyword in PIXELS:
            assert (keyword in after) == (keyword in before)
            if keyword in before:
                assert after.get_item(keyword).value == before.get_item(keyword).value
                compared += 1
    assert compared > 100


def test_references_between_instances_stay_intact(journey: Journey) -> None:
    replaced = journey.replacements()
    original_of = {new: old for old, new in replaced.items()}
    references = 0
    for uid, content in journey.originals.items():
        if replaced.get(uid) not in journey.published:
            continue
        before, after = _uids(_read(content)), _uids(_read(journey.published[replaced[uid]]))
        for new in after:
            assert original_of.get(new) in before or new not in replaced.values()
        kept = {original_of[new] for new in after if new in original_of}
        references += len(kept & journey.originals.keys() - {uid})
        assert not after & before, "an original UID survived"
    assert references > 20


def test_no_original_identifier_is_anywhere_it_should_not_be(journey: Journey) -> None:
    needles = _needles(journey.originals)
    site = journey.deployment.folder
    (site / "job.log").write_text(journey.job.stdout + journey.job.stderr)
    identified = [site / name for name in ("identity.db", "review.db", "research.db", "secret")]

    def is_identified(path: Path) -> bool:
        parts = path.relative_to(site).parts
        own = any(str(path).startswith(str(place)) for place in identified)
        return own or "identified" in parts or "pulled" in parts or ".pulled.draft" in parts

    assert files_holding(site, needles, is_identified) == []
    assert files_holding(journey.research.folder, needles, lambda path: path.name == "orthanc.log") == []


def _needles(originals: Mapping[str, bytes]) -> dict[str, bytes]:
    """Names, ids and UIDs of the originals as bytes, each under a name that gives nothing away.

    What the pixels of an original hold by chance, as 123456 in compressed ones, would be found there whatever is done.
    """
    values: set[tuple[str, str]] = set()
    for content in originals.values():
        ds = _read(content)
        for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID", "SOPInstanceUID"):
            values.add((keyword, str(ds.get(keyword, "") or "")))
    telling = sorted(pair for pair in values if len(pair[1]) >= MINIMUM_NEEDLE_LENGTH and len(set(pair[1])) > 1)
    pixels = [content.partition(PIXEL_DATA)[2] for content in originals.values()]
    needles = {
        f"{keyword} {number}": value.encode()
        for number, (keyword, value) in enumerate(telling)
        if not any(value.encode() in one for one in pixels)
    }
    assert len(telling) - len(needles) < 5
    return needles


def test_dagster_stores_one_materialization_a_study_and_stage(journey: Journey) -> None:
    materialized = journey.deployment.materialized()
    published = len(materialized["published"])
    events = [line for line in journey.job.stderr.splitlines() if "ASSET_MATERIALIZATION" in line]

    assert len(events) == sum(len(materialized[str(stage)]) for stage in STAGES)
    assert published
