"""One dynamic partition per study, keyed by the study key."""

from collections.abc import Sequence

import dagster as dg

from dicom_assets.study import StudyKey

STUDIES = "studies"

studies = dg.DynamicPartitionsDefinition(name=STUDIES)


def partition_keys(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> Sequence[StudyKey] | None:
    """The study keys that the run was launched for; None for a run that takes the queue."""
    tags = context.run.tags
    if "dagster/partition" in tags or "dagster/asset_partition_range_start" in tags:
        return [StudyKey(key) for key in context.partition_keys]
    return None
