"""The four stages of a study as partitioned assets, all advanced by one op.

One op rather than four, so that a study flows on without waiting for the others of its run, and so
that each stage of each study becomes its own materialization event the moment it is done.
"""

from collections.abc import Iterator

import dagster as dg

from dicom_assets.defs.checks import check_specs
from dicom_assets.defs.config import RunConfig
from dicom_assets.defs.event_storage import held_open
from dicom_assets.defs.examination import Asked, ExaminationConfig, examine
from dicom_assets.defs.partitions import studies
from dicom_assets.defs.resources import (
    ContactSheetsResource,
    DataDirResource,
    DeidentificationResource,
    IdentityDbResource,
    LocalNodeResource,
    RegistrationResource,
    ResearchPacsResource,
    ReviewDbResource,
    StagingPacsResource,
    TransfersResource,
)
from dicom_assets.defs.run import Run, failure_of
from dicom_assets.defs.surroundings import Resources, open_surroundings
from dicom_assets.errors import DicomAssetsError
from dicom_assets.steps.advance_study import place_of
from dicom_assets.study import STAGES, Stage

GROUP = "study"
MAX_STUDIES_PER_BACKFILL_RUN = 100

_DESCRIPTIONS = {
    Stage.PULLED: "Every instance that the staging PACS has of the study, proven complete. Identified.",
    Stage.DEIDENTIFIED: "The instances that may leave, de-identified by the profile; the rest is quarantined.",
    Stage.REGISTERED: "The study linked with the research database.",
    Stage.PUBLISHED: "The study in the research PACS, seen to have arrived, and marked as published.",
}
_UPSTREAM: dict[Stage, str] = {
    Stage.PULLED: "reviewed",
    Stage.DEIDENTIFIED: Stage.PULLED,
    Stage.REGISTERED: Stage.DEIDENTIFIED,
    Stage.PUBLISHED: Stage.REGISTERED,
}

reviewed = dg.AssetSpec(
    "reviewed",
    group_name=GROUP,
    kinds={"django"},
    description="The studies that people have reviewed: the review database. Changed there, observed here.",
)


@dg.multi_asset(
    name="advance_studies",
    specs=[
        dg.AssetSpec(
            str(stage),
            deps=[str(_UPSTREAM[stage])],
            group_name=GROUP,
            kinds={"dicom"},
            description=_DESCRIPTIONS[stage],
            skippable=True,
        )
        for stage in STAGES
    ],
    check_specs=check_specs(),
    can_subset=True,
    partitions_def=studies,
    backfill_policy=dg.BackfillPolicy.multi_run(MAX_STUDIES_PER_BACKFILL_RUN),
)
def advance_studies(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    local: LocalNodeResource,
    staging_pacs: StagingPacsResource,
    research_pacs: ResearchPacsResource,
    transfers: TransfersResource,
    review_db: ReviewDbResource,
    identity_db: IdentityDbResource,
    registration: RegistrationResource,
    deidentification: DeidentificationResource,
    contact_sheets: ContactSheetsResource,
    data_dir: DataDirResource,
) -> Iterator[None]:
    """Advance the run's studies: those of its partitions, or without any, those of the review queue."""
    resources = Resources(
        local,
        staging_pacs,
        research_pacs,
        transfers,
        review_db,
        identity_db,
        registration,
        deidentification,
        contact_sheets,
        data_dir,
    )
    yield from ()
    if not context.selected_asset_keys:  # of checks alone: the web interface's button that executes all
        asked = Asked(local, staging_pacs, research_pacs, transfers, identity_db, registration, data_dir)
        return examine(context, ExaminationConfig(), asked)
    problem = None
    try:
        with (
            held_open(context.instance, context.run.run_id),
            open_surroundings(resources, config, context.run.run_id) as (around, audit),
        ):
            failures = Run(context, config, around, audit).go()
            if failures:
                problem = failure_of(failures, audit)
    except DicomAssetsError as error:
        problem = dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False)
    except Exception as error:  # noqa: BLE001  the outer edge: its text may quote values, and Dagster keeps texts
        problem = dg.Failure(f"Unexpected {type(error).__name__} at {place_of(error)}.", allow_retries=False)
    if problem is not None:
        raise problem from None
