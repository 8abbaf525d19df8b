"""De-identified studies: dates counted from an epoch, and what the manifest may tell."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from dicom_assets.adapters.identity_db import DryRunIdentityDatabase, IdentityDatabase
from dicom_assets.adapters.registration import NoRegistration
from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.deidentification import read_identity
from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.profile import Profile, parse_profile
from dicom_assets.errors import StudyError
from dicom_assets.steps.deidentify_batch import DeidentificationSettings
from dicom_assets.steps.deidentify_study import deidentify_study
from dicom_assets.steps.manifests import StageOutcome, commit
from dicom_assets.steps.ports import StageFolder
from dicom_assets.study import Stage
from dicom_assets_tests.deidentification.builders import SECRET, an_instance

COUNTED = parse_profile(
    f"name: counted\nversion: '1'\noptions: [{Option.RETAIN_MODIFIED_DATES}]\ndates:\n  epoch: 1970-01-01\n", "p.yaml"
)
PLAIN = parse_profile(f"name: plain\nversion: '1'\noptions: [{Option.RETAIN_MODIFIED_DATES}]\n", "p.yaml")


class Bench:
    """De-identifies studies of one patient, given by the study dates of their instances."""

    def __init__(self, folder: Path, identity_db: IdentityDatabase | DryRunIdentityDatabase) -> None:
        self.identity_db = identity_db
        self._store = FolderStudyStore(folder)
        self._studies = 0

    def study_dates(self, *dates: str, profile: Profile = COUNTED, noted: bool = True) -> list[str]:
        """What became of the study dates of a new study; `noted` as pulling does today."""
        folder = self.deidentify(*dates, profile=profile, noted=noted).folder
        return [_study_date(folder, instance["file"]) for instance in folder.manifest()["instances"]]

    def deidentify(self, *dates: str, profile: Profile, noted: bool = True) -> StageOutcome:
        self._studies += 1
        study_uid = f"1.2.{self._studies}"
        key = self.identity_db.study_key(study_uid)
        draft = self._store.draft(key, Stage.PULLED)
        entries = []
        for number, day in enumerate(dates):
            content = an_instance(StudyInstanceUID=study_uid, SOPInstanceUID=f"{study_uid}.{number}", StudyDate=day)
            name = f"{number}.dcm"
            identity = asdict(read_identity(BytesIO(content)))
            if not noted:
                del identity["earliest_date"]
            draft.write(name, content)
            entries.append({"file": name, "sha256": hashlib.sha256(content).hexdigest(), "identity": identity})
        pulled = commit(draft, key, Stage.PULLED, inputs={}, facts={}, content={"instances": entries})
        settings = DeidentificationSettings(profile, SECRET, "2.25", frozenset({"CT"}))
        with ThreadPoolExecutor(1) as executor:
            return deidentify_study(
                key,
                pulled,
                settings=settings,
                identity_db=self.identity_db,
                registration=NoRegistration(),
                store=self._store,
                executor=executor,
                refresh=False,
                progress=lambda _done, _total: None,
            )


def _study_date(folder: StageFolder, name: str) -> str:
    with closing(folder.open(name)) as file:
        return str(pydicom.dcmread(file).StudyDate)


@pytest.fixture(params=[False, True], ids=["for good", "dry run"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A bench whose identity database knows no patient."""
    url = f"sqlite:///{tmp_path / 'identity.db'}"
    opened = IdentityDatabase.open_for_dry_run if request.param else IdentityDatabase.open
    with closing(opened(url, SECRET)) as identity_db:
        yield Bench(tmp_path / "studies", identity_db)


def test_the_first_studys_earliest_date_becomes_the_epoch_and_intervals_are_kept(bench: Bench) -> None:
    assert bench.study_dates("20240302", "20240301") == ["19700102", "19700101"]
    assert bench.study_dates("20240401") == ["19700201"]
    assert bench.study_dates("20240229") == ["19691231"]


def test_a_patient_known_before_keeps_the_recorded_offset(bench: Bench) -> None:
    derived = bench.study_dates("20240301", profile=PLAIN)
    assert derived != ["19700101"]
    assert bench.study_dates("20240301") == derived


def test_a_new_patient_without_a_noted_date_is_refused_and_a_known_one_is_not(bench: Bench) -> None:
    with pytest.raises(StudyError, match="`refresh: true`"):
        bench.study_dates("20240301", noted=False)
    with pytest.raises(StudyError, match="no plausible date"):
        bench.study_dates("some day")
    assert bench.study_dates("20240301") == ["19700101"]
    assert bench.study_dates("20240302", noted=False) == ["19700102"]


def test_without_an_epoch_no_date_is_needed(bench: Bench) -> None:
    assert bench.study_dates("some day", profile=PLAIN, noted=False) == [""]


def test_facts_show_no_original_uid_though_uids_are_retained(bench: Bench) -> None:
    retaining = parse_profile(f"name: uids\nversion: '1'\noptions: [{Option.RETAIN_UIDS}]\n", "p.yaml")
    new = bench.deidentify("20240301", profile=PLAIN)
    retained = bench.deidentify("20240301", profile=retaining)
    assert str(new.facts["study_instance_uid"]).startswith("2.25.")
    assert retained.facts["study_instance_uid"] == ""
    assert retained.folder.manifest()["instances"][0]["study_instance_uid"] == "1.2.2"
