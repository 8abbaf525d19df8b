"""All definitions, joined to the resources they are given; tests join them to others."""

from collections.abc import Mapping

import dagster as dg

from dicom_assets.defs.assets import advance_studies, reviewed
from dicom_assets.defs.examination import examination
from dicom_assets.defs.jobs import publish_reviewed_studies
from dicom_assets.defs.resources import Settings
from dicom_assets.defs.sensors import reviewed_study_sensor


def build_definitions(resources: Mapping[str, Settings]) -> dg.Definitions:
    """The code location."""
    return dg.Definitions(
        assets=[reviewed, advance_studies],
        jobs=[publish_reviewed_studies, examination],
        sensors=[reviewed_study_sensor],
        resources=dict(resources),
        executor=dg.in_process_executor,
    )
