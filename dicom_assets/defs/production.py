"""The asset that shows published studies to researchers in the research database; run when somebody wants it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import dagster as dg
from pydantic import Field

from dicom_assets.adapters.audit_trail import RunFolder
from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.defs.assets import GROUP, MAX_STUDIES_PER_BACKFILL_RUN
from dicom_assets.defs.metadata import metadata_of
from dicom_assets.defs.partitions import STUDIES, studies
from dicom_assets.defs.resources import DataDirResource, IdentityDbResource, RegistrationResource, ReviewDbResource
from dicom_assets.defs.run import failure_of
from dicom_assets.defs.run_end import telling_why_it_stops
from dicom_assets.errors import DicomAssetsError
from dicom_assets.steps.advance_study import place_of
from dicom_assets.steps.copy_to_production import Copied, CopySurroundings, copy_studies, published_studies
from dicom_assets.study import Stage, StudyKey

ASSET = "copy_to_production"
Context = dg.AssetExecutionContext | dg.OpExecutionContext


class CopyConfig(dg.Config):
    """What one run that copies does."""

    dry_run: bool = Field(default=False, description="Write nothing; report what would be copied.")


@dg.multi_asset(
    name=ASSET,
    specs=[
        dg.AssetSpec(
            ASSET,
            deps=[str(Stage.PUBLISHED)],
            group_name=GROUP,
            kinds={"sql"},
            description=(
                "The rows of the study, its patient and its encounter in the research database's production tables, "
                "and what there is of the patient recalculated."
            ),
            skippable=True,
        )
    ],
    partitions_def=studies,
    backfill_policy=dg.BackfillPolicy.multi_run(MAX_STUDIES_PER_BACKFILL_RUN),
)
def copy_to_production(
    context: dg.AssetExecutionContext,
    config: CopyConfig,
    review_db: ReviewDbResource,
    identity_db: IdentityDbResource,
    registration: RegistrationResource,
    data_dir: DataDirResource,
) -> Iterator[None]:
    """Copy the studies of the run's partitions."""
    yield from ()
    keys = [StudyKey(key) for key in context.partition_keys]
    _copy(context, config, _Places(review_db, identity_db, registration, data_dir), keys)


@dg.op
def copy_published_studies(
    context: dg.OpExecutionContext,
    config: CopyConfig,
    review_db: ReviewDbResource,
    identity_db: IdentityDbResource,
    registration: RegistrationResource,
    data_dir: DataDirResource,
) -> None:
    """Copy all published studies, each as a partition of the asset: Dagster runs no asset without naming partitions."""
    _copy(context, config, _Places(review_db, identity_db, registration, data_dir), None)


class _Places(NamedTuple):
    """The resources that are needed."""

    review_db: ReviewDbResource
    identity_db: IdentityDbResource
    registration: RegistrationResource
    data_dir: DataDirResource


def _copy(context: Context, config: CopyConfig, places: _Places, keys: Sequence[StudyKey] | None) -> None:
    problem = None
    try:
        folder = places.data_dir.folder()
        with ExitStack() as stack:
            production = stack.enter_context(places.registration.open_production(read_only=config.dry_run))
            reviews = stack.enter_context(places.review_db.open(read_only=True))
            identities = stack.enter_context(places.identity_db.open(dry_run=True))
            told = {"job": context.job_name, "dry_run": "yes" if config.dry_run else "no"}
            audit = RunFolder(folder, context.run.run_id, told)
            store = FolderStudyStore(folder / "studies")
            around = CopySurroundings(reviews, identities, FolderWithdrawals(folder), production, store, audit)
            failures = _Copying(context, config, around, audit).go(keys)
        if failures:
            problem = failure_of(failures, audit)
    except DicomAssetsError as error:
        problem = dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False)
    except Exception as error:  # noqa: BLE001  the outer edge: its text may quote values, and Dagster keeps texts
        problem = dg.Failure(f"Unexpected {type(error).__name__} at {place_of(error)}.", allow_retries=False)
    if problem is not None:
        raise problem from None


class _Copying:
    """One execution of the op."""

    def __init__(self, context: Context, config: CopyConfig, around: CopySurroundings, audit: RunFolder) -> None:
        self._context = context
        self._config = config
        self._around = around
        self._audit = audit

    def go(self, keys: Sequence[StudyKey] | None) -> dict[StudyKey, str]:
        """Copy these studies, or all that are published; returns why studies were not copied."""
        failures: dict[StudyKey, str] = {}
        with telling_why_it_stops(self._audit):
            for outcome in copy_studies(self._published() if keys is None else keys, self._around):
                if isinstance(outcome, Copied):
                    self._report(outcome)
                elif outcome.busy:
                    self._context.log.info(outcome.reason)
                else:
                    self._context.log.error("%s %s", outcome.study_key, outcome.reason)
                    failures[outcome.study_key] = outcome.reason
                    if outcome.trace:
                        self._audit.trace(outcome.study_key, outcome.trace)
            self._audit.finish()
        return failures

    def _published(self) -> Sequence[StudyKey]:
        known = sorted(map(StudyKey, self._context.instance.get_dynamic_partitions(STUDIES)))
        published, left_out = published_studies(known, self._around)
        for study_key, reason in left_out.items():
            self._audit.event("study_left_out", study_key, {"reason": reason})
            self._context.log.warning("%s left out: published, and: %s", study_key, reason)
        self._context.log.info("%d published studies.", len(published))
        return published

    def _report(self, copied: Copied) -> None:
        key, facts = copied.study_key, copied.facts
        self._context.log.info("%s: %s rows written in %s s", key, facts["rows_written"], facts["seconds"])
        if self._config.dry_run or (not copied.is_changed and self._is_materialized(key)):
            return
        self._context.log_event(dg.AssetMaterialization(ASSET, partition=key, metadata=metadata_of(facts)))

    def _is_materialized(self, key: StudyKey) -> bool:
        """Whether Dagster knows of it: a run may be killed between copying and saying so."""
        records = dg.AssetRecordsFilter(asset_key=dg.AssetKey(ASSET), asset_partitions=[key])
        return bool(self._context.instance.fetch_materializations(records, limit=1).records)
