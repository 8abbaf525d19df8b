"""Studies of five small instances in two series, for tests where what happens matters more than what it happens to."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread

from dicom_assets.demo.objects import instance_file
from dicom_assets.demo.people import patient
from dicom_assets.demo.plan import DemoReview, DemoStudy, Kind, Outcome, a_study, with_series
from dicom_assets.study import Stage
from dicom_assets_tests.conftest import Site
from dicom_assets_tests.leaks import DeployedSite

INSTANCES = 5


def small_study(number: int, purpose: str, **more: Any) -> DemoStudy:
    """An approved study of a patient of its own; numbers order the approvals and must not be those of the demo."""
    study = a_study(number, purpose, Outcome.PUBLISHED, "CT CHEST", patient(number), reviews=(DemoReview(),))
    return replace(with_series(study, (Kind.CT, "Thorax", 3), (Kind.MR_T1, "Heart", 2)), **more)


def sop_uids(study: DemoStudy) -> list[str]:
    """The study's original SOP Instance UIDs, those of the first series first."""
    return [uid for series in study.series for uid in series.sop_uids]


def write_files(study: DemoStudy, folder: Path) -> list[Path]:
    """The study's instances as files, named by their order."""
    files = []
    for series in study.series:
        for place in range(len(series.sop_uids)):
            files.append(folder / f"{study.number}-{len(files):04d}.dcm")
            files[-1].write_bytes(instance_file(study, series, place))
    return files


def instance_with(study: DemoStudy, **values: object) -> bytes:
    """The study's first instance as a file, with other values."""
    ds: Dataset = dcmread(BytesIO(instance_file(study, study.series[0], 0)))
    for keyword, value in values.items():
        setattr(ds, keyword, value)
        if keyword == "SOPInstanceUID":
            ds.file_meta.MediaStorageSOPInstanceUID = value
    content = BytesIO()
    ds.save_as(content)
    return content.getvalue()


def manifest(site: DeployedSite, study: DemoStudy, stage: Stage) -> Any:
    """What a finished stage of the study wrote down."""
    folder = site.deployment.data / "studies" / site.deployment.study_key(study.study_uid) / stage
    return json.loads((folder / "manifest.json").read_text())


def clear_errors(site: Site) -> None:
    """What a person does in the review application once the causes are gone."""
    site.deployment.sql("review", "UPDATE staging_radiologystudy SET processing_error = 0, processing_error_msg = NULL")
