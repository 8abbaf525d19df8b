"""The job that the terminal, the sensor and the UI launch."""

import dagster as dg

from dicom_assets.defs.assets import advance_studies

publish_reviewed_studies = dg.define_asset_job(
    "publish_reviewed_studies",
    selection=dg.AssetSelection.assets(advance_studies).without_checks(),  # they are told of as they are answered
    executor_def=dg.in_process_executor,
    description=(
        "Pull, de-identify, register and publish reviewed studies. Without a partition it takes the review queue, "
        "oldest approval first, up to `limit`."
    ),
)
