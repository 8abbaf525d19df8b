"""The jobs that the terminal, the sensor and the UI launch."""

import dagster as dg

from dicom_assets.defs.assets import advance_studies
from dicom_assets.defs.production import copy_published_studies

publish_reviewed_studies = dg.define_asset_job(
    "publish_reviewed_studies",
    # Checks of studies are told of as they are answered; what `not_withdrawn` looks at, runs do not change.
    selection=dg.AssetSelection.assets(advance_studies).without_checks(),
    executor_def=dg.in_process_executor,
    description=(
        "Pull, de-identify, register and publish reviewed studies. Without a partition it takes the review queue, "
        "oldest approval first, up to `limit`."
    ),
)


@dg.job(
    executor_def=dg.in_process_executor,
    description=(
        "Copy the rows of all published studies to the research database's production tables; those that are there "
        "already stay as they are. Single studies: materialize partitions of `copy_to_production`."
    ),
)
def copy_published_studies_to_production() -> None:
    """Show researchers what was published."""
    copy_published_studies()
