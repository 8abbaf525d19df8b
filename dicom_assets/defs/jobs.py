"""The job that the terminal, the sensor and the UI launch."""

import dagster as dg

from dicom_assets.defs.assets import advance_studies
from dicom_assets.defs.withdrawals import not_withdrawn

publish_reviewed_studies = dg.define_asset_job(
    "publish_reviewed_studies",
    # What the check looks at, runs do not change: it would only cost each of them a step.
    selection=dg.AssetSelection.assets(advance_studies) - dg.AssetSelection.checks(not_withdrawn),
    executor_def=dg.in_process_executor,
    description=(
        "Pull, de-identify, register and publish reviewed studies. Without a partition it takes the review queue, "
        "oldest approval first, up to `limit`."
    ),
)
