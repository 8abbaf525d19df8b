"""Whether a study has nothing left to do but to be published."""

from __future__ import annotations

from dicom_assets.errors import DicomAssetsError
from dicom_assets.steps.advance_study import Surroundings
from dicom_assets.steps.deidentify_study import standing_deidentification
from dicom_assets.steps.pull_study import standing_pull
from dicom_assets.steps.register_study import standing_registration
from dicom_assets.steps.select_studies import SelectedStudy
from dicom_assets.study import Stage


def stands_registered(study: SelectedStudy, around: Surroundings) -> bool:
    """Whether the study is registered, and a run would make each of its stages as they are.

    Where that can't be told it is not: the study is taken up, and fails on its own with what is wrong.
    """
    store, key = around.store, study.study_key
    if store.finished(key, Stage.REGISTERED) is None:
        return False
    try:
        pulled = standing_pull(store, key, study.reviewed, around.staging_pacs)
        deidentified = pulled and standing_deidentification(
            store,
            key,
            pulled,
            settings=around.settings,
            identity_db=around.identity_db,
            registration=around.registration,
        )
        if not (pulled and deidentified):
            return False
        return standing_registration(store, key, pulled, deidentified, around.registration) is not None
    except DicomAssetsError:
        return False
