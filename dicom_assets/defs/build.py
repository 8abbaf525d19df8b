"""All definitions, joined to the resources they are given; tests join them to others."""

from collections.abc import Mapping

import dagster as dg

from dicom_assets.defs.assets import advance_studies, reviewed
from dicom_assets.defs.examination import examination
from dicom_assets.defs.jobs import copy_published_studies_to_production, publish_reviewed_studies
from dicom_assets.defs.notifications import failed_runs, notifications_sensor
from dicom_assets.defs.production import copy_to_production
from dicom_assets.defs.resources import Settings
from dicom_assets.defs.sensors import reviewed_study_sensor
from dicom_assets.defs.withdrawals import not_withdrawn, withdrawn_reviews


def build_definitions(resources: Mapping[str, Settings]) -> dg.Definitions:
    """The code location."""
    return dg.Definitions(
        assets=[reviewed, advance_studies, copy_to_production],
        jobs=[publish_reviewed_studies, examination, copy_published_studies_to_production],
        sensors=[reviewed_study_sensor, withdrawn_reviews, failed_runs, notifications_sensor],
        asset_checks=[not_withdrawn],
        resources=dict(resources),
        executor=dg.in_process_executor,
    )
