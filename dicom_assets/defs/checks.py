"""The asset checks: what the steps found of a study, as Dagster displays it.

They decide nothing. A check of a study is one event with the study's partition, in runs over one partition, over a
range and over the queue alike, which is why they are logged and not yielded: Dagster gives those no partition.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (  # has no public name
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from dicom_assets.defs.metadata import metadata_of
from dicom_assets.defs.partitions import studies
from dicom_assets.steps.findings import STAGE_OF, Finding, StudyCheck
from dicom_assets.study import Stage, StudyKey

_DESCRIPTIONS: Mapping[StudyCheck, str] = {
    StudyCheck.COMPLETE_AGAINST_PACS: "Everything that the staging PACS lists of the study is here, as it came.",
    StudyCheck.ALL_INSTANCES_ACCOUNTED_FOR: "Each pulled instance was either de-identified or quarantined.",
    StudyCheck.NO_RESIDUAL_IDENTIFIERS: "No original identifier was found in what may leave.",
    StudyCheck.UIDS_CONSISTENT: "One new UID stands for one original, and studies and series are what they were.",
    StudyCheck.IOD_VALID: "What may leave has all that its IOD asks for and the original had; of samples.",
    StudyCheck.REGISTERED_ROW_AGREES: "The research database says of the study what was registered.",
    StudyCheck.PRESENT_IN_RESEARCH_PACS: "The research PACS shows every instance of the study, and no other.",
}


def check_specs() -> list[dg.AssetCheckSpec]:
    """All checks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # that checks may have partitions
        return [
            dg.AssetCheckSpec(
                str(check), asset=str(stage), description=_DESCRIPTIONS[check], partitions_def=studies, blocking=False
            )
            for check, stage in STAGE_OF.items()
        ]


class CheckLog:
    """Tells Dagster of findings, from within an op."""

    def __init__(self, context: dg.OpExecutionContext | dg.AssetExecutionContext) -> None:
        self._context = context

    def tell(self, study_key: StudyKey, *findings: Finding) -> None:
        """One event for each finding; about the newest materialization, if there is one."""
        targets: dict[Stage, Target | None] = {}
        for finding in findings:
            stage = STAGE_OF[finding.check]
            if stage not in targets:
                targets[stage] = self._newest_materialization(stage, study_key)
            event = evaluation_of(study_key, finding, targets[stage])
            self._context.log_event(event)  # type: ignore[arg-type]  # it is taken, and not declared

    def has_told(self, study_key: StudyKey, *findings: Finding) -> bool:
        """Whether each is told of the newest materialization: a run may be killed after that, and before its checks."""
        keys = [dg.AssetCheckKey(dg.AssetKey(str(STAGE_OF[one.check])), str(one.check)) for one in findings]
        storage = self._context.instance.event_log_storage
        told = storage.get_asset_check_partition_info(keys, partition_keys=[study_key]) if keys else []
        return sum(bool(one.is_current) for one in told) == len(keys)

    def _newest_materialization(self, stage: Stage, study_key: StudyKey) -> Target | None:
        """Of which materialization it is told: Dagster takes a check of an older one for none."""
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(str(stage)), asset_partitions=[study_key])
        for record in self._context.instance.fetch_materializations(wanted, limit=1).records:
            return Target(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)
        return None


def evaluation_of(study_key: StudyKey, finding: Finding, target: Target | None) -> dg.AssetCheckEvaluation:
    """A finding as Dagster's event."""
    severity = dg.AssetCheckSeverity.WARN if finding.warns else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(str(STAGE_OF[finding.check])),
        check_name=str(finding.check),
        passed=finding.passed,
        metadata=metadata_of(finding.facts),
        target_materialization_data=target,
        severity=severity,
        description=finding.said or None,
        partition=study_key,
    )
