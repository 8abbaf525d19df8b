"""What Dagster was told by asset checks."""

from __future__ import annotations

from typing import Any

import dagster as dg

from dicom_assets.steps.findings import STAGE_OF, StudyCheck
from dicom_assets.study import StudyKey
from dicom_assets_tests.deployment import Deployment


def evaluations(deployment: Deployment) -> dict[StudyKey, dict[StudyCheck, dg.AssetCheckEvaluation]]:
    """The newest evaluation of each check, by study."""
    found: dict[StudyKey, dict[StudyCheck, dg.AssetCheckEvaluation]] = {}
    with deployment.instance() as instance:
        for check in StudyCheck:
            history = instance.event_log_storage.get_asset_check_execution_history(_key(check), limit=1000)
            for record in reversed(history):
                if record.evaluation is not None:
                    found.setdefault(StudyKey(record.partition or ""), {})[check] = record.evaluation
    return found


def outcomes(deployment: Deployment, study_key: StudyKey) -> dict[StudyCheck, bool]:
    """Whether the checks of a study passed when they were last evaluated."""
    return {check: evaluation.passed for check, evaluation in evaluations(deployment)[study_key].items()}


def newest_states(deployment: Deployment, check: StudyCheck) -> dict[str | None, tuple[str, bool]]:
    """By partition: the state of the newest execution, and whether that is of the newest materialization."""
    with deployment.instance() as instance:
        infos: list[Any] = list(instance.event_log_storage.get_asset_check_partition_info([_key(check)]))
    return {info.partition_key: (info.latest_execution_status.value, info.is_current) for info in infos}


def facts_of(evaluation: dg.AssetCheckEvaluation) -> dict[str, Any]:
    """Its metadata as plain values."""
    return {name: value.value for name, value in evaluation.metadata.items()}


def _key(check: StudyCheck) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(str(STAGE_OF[check])), str(check))
