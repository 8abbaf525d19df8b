"""Studies that a legacy identity.db knows keep their UIDs; after a rotation of the secret, too."""

from __future__ import annotations

import hashlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.adapters.identity_db.governing import rotate_secret
from dicom_assets.adapters.identity_db.legacy import import_legacy
from dicom_assets.adapters.identity_db.schema import open_upgraded
from dicom_assets.adapters.registration import NoRegistration
from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.deidentification import read_identity
from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.profile import parse_profile
from dicom_assets.steps.deidentify_batch import DeidentificationSettings
from dicom_assets.steps.deidentify_study import deidentify_study
from dicom_assets.steps.manifests import commit
from dicom_assets.steps.ports import StageFolder
from dicom_assets.study import Stage
from dicom_assets_tests.deidentification.builders import SECRET, an_image, as_file
from dicom_assets_tests.legacy_identity import OldProgram

STUDY = "1.2.840.99999.3"
NEW_SECRET = b"a new secret of more than sixteen bytes"
PROFILE = parse_profile(f"name: moved\nversion: '1'\noptions: [{Option.RETAIN_MODIFIED_DATES}]\n", "p.yaml")


def instances(study_uid: str = STUDY) -> list[Dataset]:
    """Two series of two instances each, every one of which refers to the first."""
    made = []
    for number in range(4):
        series_uid = f"{study_uid}.{1 + number // 2}"
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
            "1.2.840.10008.5.1.4.1.1.2",
            f"{study_uid}.1.1",
        )
        uids = {"SeriesInstanceUID": series_uid, "SOPInstanceUID": f"{series_uid}.{1 + number % 2}"}
        made.append(
            an_image(
                StudyInstanceUID=study_uid,
                FrameOfReferenceUID=f"{study_uid}.9",
                StudyDate="20200229",
                ReferencedImageSequence=[reference],
                **uids,
            )
        )
    return made


def deidentified(folder: Path, url: str, study: list[Dataset], secret: bytes = SECRET) -> list[Dataset]:
    """The instances as the stage writes them, in order."""
    store = FolderStudyStore(folder)
    with closing(IdentityDatabase.open(url, secret)) as identity_db, ThreadPoolExecutor(1) as executor:
        key = identity_db.study_key(str(study[0].StudyInstanceUID))
        draft, entries = store.draft(key, Stage.PULLED), []
        for number, ds in enumerate(study):
            content = as_file(ds)
            draft.write(f"{number}.dcm", content)
            identity = asdict(read_identity(BytesIO(content)))
            sha256 = hashlib.sha256(content).hexdigest()
            entries.append({"file": f"{number}.dcm", "sha256": sha256, "identity": identity})
        outcome = deidentify_study(
            key,
            commit(draft, key, Stage.PULLED, inputs={}, facts={}, content={"instances": entries}),
            settings=DeidentificationSettings(PROFILE, secret, "2.25", frozenset({"CT"})),
            identity_db=identity_db,
            registration=NoRegistration(),
            store=store,
            executor=executor,
            refresh=True,
            progress=lambda _done, _total: None,
        )
        names = [entry["file"] for entry in outcome.folder.manifest()["instances"]]
        assert names == [f"{number}.dcm" for number in range(len(study))]
        return [read(outcome.folder, name) for name in names]


def read(folder: StageFolder, name: str) -> Dataset:
    with closing(folder.open(name)) as file:
        return pydicom.dcmread(BytesIO(file.read()))


def uids_of(ds: Dataset) -> dict[str, str]:
    return {name: str(ds[name].value) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'identity.db'}"


@pytest.mark.filterwarnings(
    "ignore:Invalid value for VR UI"
)  # 5.555.5, the old program's default root, is no valid one
def test_a_study_of_a_legacy_file_gets_the_uids_that_it_had(tmp_path: Path, url: str) -> None:
    program = OldProgram(tmp_path / "legacy.db")
    given = [program.anonymize(ds) for ds in instances()]
    with closing(open_upgraded(url, SECRET)) as ledger:
        import_legacy(ledger, program.close())
    done = deidentified(tmp_path, url, instances())
    for ds, old in zip(done, given, strict=True):
        assert uids_of(ds) == {name: old[name] for name in uids_of(ds)}
        assert ds.file_meta.MediaStorageSOPInstanceUID == old["SOPInstanceUID"]
        assert ds.PatientID != old["PatientID"]
    references = {
        ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID for ds in done if "ReferencedImageSequence" in ds
    }
    assert references == {given[0]["SOPInstanceUID"]}
    assert len({ds.PatientID for ds in done}) == 1


def test_it_is_recorded_what_each_uid_names(tmp_path: Path, url: str) -> None:
    deidentified(tmp_path, url, instances())
    with closing(sqlite3.connect(tmp_path / "identity.db")) as connection:
        levels = dict(connection.execute("SELECT original, level FROM identity_uid"))
    assert levels == {
        STUDY: "study",
        **{f"{STUDY}.{series}": "series" for series in (1, 2)},
        **{f"{STUDY}.{series}.{number}": "instance" for series in (1, 2) for number in (1, 2)},
        f"{STUDY}.9": None,
    }


def test_after_a_rotation_a_known_study_comes_out_the_same_and_a_new_one_otherwise(tmp_path: Path, url: str) -> None:
    before = deidentified(tmp_path / "before", url, instances())
    with closing(open_upgraded(url, SECRET)) as ledger:
        rotate_secret(ledger, NEW_SECRET)
    after = deidentified(tmp_path / "after", url, instances(), NEW_SECRET)
    assert after == before
    fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
    later = deidentified(tmp_path / "later", url, instances("1.2.840.99999.4"), NEW_SECRET)
    anew = deidentified(tmp_path / "anew", fresh, instances("1.2.840.99999.4"), NEW_SECRET)
    assert [uids_of(ds) for ds in later] == [uids_of(ds) for ds in anew]
    # ... but the patient is known, and keeps pseudonym and date offset.
    assert {(ds.PatientID, ds.StudyDate) for ds in later} == {(ds.PatientID, ds.StudyDate) for ds in before}
    assert later[0].StudyDate != anew[0].StudyDate
