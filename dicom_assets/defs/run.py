"""One execution of the op: which studies, what Dagster and the audit trail are told of them."""

from collections.abc import Mapping
from contextlib import closing

import dagster as dg

from dicom_assets.adapters.audit_trail import PAGE, RunFolder
from dicom_assets.defs.checks import CheckLog
from dicom_assets.defs.config import RunConfig
from dicom_assets.defs.metadata import metadata_of, picture_of
from dicom_assets.defs.partitions import STUDIES, partition_keys
from dicom_assets.defs.run_end import overview_metadata, telling_why_it_stops
from dicom_assets.errors import StorageError
from dicom_assets.steps.advance_study import Failure, Surroundings, Waiting, Wanted
from dicom_assets.steps.contact_sheets import CONTACT_SHEET
from dicom_assets.steps.findings import findings_of
from dicom_assets.steps.manifests import StageOutcome
from dicom_assets.steps.run_studies import run_studies
from dicom_assets.steps.select_studies import Selection, select_by_key, select_from_queue
from dicom_assets.steps.stands_registered import stands_registered
from dicom_assets.study import STAGES, Stage, StudyKey


class Run:
    """One execution of the op."""

    def __init__(
        self, context: dg.AssetExecutionContext, config: RunConfig, around: Surroundings, audit: RunFolder
    ) -> None:
        self._context = context
        self._config = config
        self._around = around
        self._audit = audit
        self._checks = CheckLog(context)

    def go(self) -> dict[StudyKey, str]:
        """Select, advance, report; returns why studies failed."""
        with telling_why_it_stops(self._audit):
            selection = self._select()
            self._report_selection(selection)
            if partition_keys(self._context) is None and not self._config.dry_run:
                self._report_what_no_run_reported({study.study_key for study in selection.studies})
            failures = dict(selection.refused)
            self._advance(selection, failures)
        try:
            self._finish()
        except StorageError as error:
            if not failures:
                raise
            self._context.log.error(str(error))
        return failures

    def _advance(self, selection: Selection, failures: dict[StudyKey, str]) -> None:
        with closing(run_studies(selection.studies, self._around, self._wanted(), self._config.workers)) as all_news:
            for news in all_news:
                if isinstance(news, StageOutcome):
                    self._report_stage(news)
                elif isinstance(news, Waiting):
                    self._context.log.warning(
                        "%s %s: waits %s s: %s", news.study_key, news.stage, news.seconds, news.reason
                    )
                else:
                    self._report_failure(news, failures)

    def _finish(self) -> None:
        counts = self._audit.finish()
        said = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())
        self._context.log.info("Done: %s. Overview: %s", said, self._audit.path / PAGE)
        if not self._config.dry_run:
            numbers = {name: dg.MetadataValue.int(count) for name, count in counts.items()}
            self._context.log_event(
                dg.AssetObservation("reviewed", metadata={**overview_metadata(self._audit), **numbers})
            )

    def _select(self) -> Selection:
        keys = partition_keys(self._context)
        around, config = self._around, self._config
        if keys is not None:
            return select_by_key(around.review_db, around.identity_db, around.withdrawals, keys)
        ends_registered = not config.publish and not config.refresh
        return select_from_queue(
            around.review_db,
            around.identity_db,
            around.withdrawals,
            limit=config.limit,
            is_done=lambda study: ends_registered and stands_registered(study, around),
            put_off=around.store.those_put_off(),
        )

    def _wanted(self) -> Wanted:
        selected = {key.to_user_string() for key in self._context.selected_asset_keys}
        publish = self._config.publish and not self._config.dry_run
        stages = [s for s in STAGES if s in selected and (publish or s is not Stage.PUBLISHED)]
        return Wanted(stages=stages, refresh=self._config.refresh, dry_run=self._config.dry_run)

    def _report_selection(self, selection: Selection) -> None:
        keys = [study.study_key for study in selection.studies]
        if not self._config.dry_run:
            self._context.instance.add_dynamic_partitions(STUDIES, keys)
            self._context.log_event(dg.AssetObservation("reviewed", metadata=_selection_metadata(selection)))
        self._audit.selected([(study.study_key, study.reviewed) for study in selection.studies])
        conflicts = [
            (one.study_key, f"reviews {', '.join(map(str, one.review_ids))}: {', '.join(one.reasons)}")
            for one in selection.conflicts
        ]
        self._audit.left_out(selection.standing_counts, conflicts, selection.waiting)
        for study_key, reason in selection.refused.items():
            self._audit.event("study_refused", study_key, {"reason": reason})
        self._context.log.info("%d studies to work on, %d more waiting.", len(keys), selection.waiting)
        for study_key, why in conflicts:
            self._context.log.warning("%s left out, %s", study_key, why)
        self._report_withdrawals()

    def _report_withdrawals(self) -> None:
        """Remind of studies that researchers still see and should not."""
        try:
            withdrawals = self._around.withdrawals.all()
        except StorageError as error:
            self._context.log.error(str(error))
            return
        for one in withdrawals:
            if one.is_open:
                self._audit.event("withdrawal_stands", one.study_key, {"state": one.state, "reason": one.said()})
                self._context.log.error("%s %s", one.study_key, one.said())

    def _report_stage(self, outcome: StageOutcome) -> None:
        stage, key, facts = outcome.stage, outcome.study_key, outcome.facts
        if not outcome.redone:
            self._context.log.info("%s %s: stood already, nothing to do", key, stage)
        else:
            self._context.log.info("%s %s: %s instances in %s s", key, stage, facts["instances"], facts["seconds"])
        if self._config.dry_run:
            return
        is_new = outcome.redone or not self._is_told(outcome)
        if is_new:
            metadata = self._metadata(outcome)
            self._context.log_event(dg.AssetMaterialization(str(stage), partition=key, metadata=metadata))
        findings = findings_of(stage, facts)
        is_planned = bool(self._context.selected_asset_check_keys)  # where it did, Dagster expects an answer
        if is_new or is_planned or not self._checks.has_told(key, *findings):
            self._checks.tell(key, *findings)

    def _metadata(self, outcome: StageOutcome) -> dict[str, dg.MetadataValue]:
        metadata = metadata_of(outcome.facts)
        sheet = outcome.folder.attachment(CONTACT_SHEET) if self._around.sheets is not None else None
        if sheet is not None:
            metadata["contact_sheet_of"] = metadata["contact_sheet"]
            metadata["contact_sheet"] = picture_of(sheet)
        return metadata

    def _report_what_no_run_reported(self, selected: set[StudyKey]) -> None:
        """Tell Dagster of studies whose run was killed before it could; published ones come in no queue again."""
        instance = self._context.instance
        told = instance.get_materialized_partitions(dg.AssetKey(str(Stage.PUBLISHED)))
        for key in sorted({StudyKey(key) for key in instance.get_dynamic_partitions(STUDIES)} - told - selected):
            if self._around.store.finished(key, Stage.PUBLISHED) is None:
                continue
            for stage in self._wanted().stages:
                folder = self._around.store.finished(key, stage)
                outcome = None if folder is None else StageOutcome(key, stage, folder, redone=False)
                if outcome is not None and not self._is_told(outcome):
                    self._audit.event("stage_found", key, {"stage": stage, **outcome.facts})
                    self._report_stage(outcome)

    def _report_failure(self, failure: Failure, failures: dict[StudyKey, str]) -> None:
        if failure.trace:
            try:
                self._audit.trace(failure.study_key, failure.trace)
            except StorageError as error:  # the other studies go on
                self._context.log.error(str(error))
        if failure.busy:
            self._context.log.info(failure.reason)
            return
        said = f"at {failure.stage}: {failure.said}" if failure.stage else failure.said
        self._context.log.error("%s %s", failure.study_key, said)
        if failure.finding is not None and not self._config.dry_run:
            self._checks.tell(failure.study_key, failure.finding)
        failures[failure.study_key] = said
        if failure.kept_under and not self._config.dry_run:
            self._context.log_event(
                dg.AssetObservation(
                    str(failure.stage),
                    partition=failure.study_key,
                    metadata={"kept_under": failure.kept_under, "reason": failure.reason},
                )
            )

    def _is_told(self, outcome: StageOutcome) -> bool:
        """Whether Dagster knows the stage as it is: a run may be killed before it says so, a command may change it."""
        key = dg.AssetKey(str(outcome.stage))
        wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[outcome.study_key])
        records = self._context.instance.fetch_materializations(wanted, limit=1).records
        told = records[0].asset_materialization if records else None
        facts = {name: value for name, value in metadata_of(outcome.facts).items() if name != "contact_sheet"}
        return told is not None and facts.items() <= dict(told.metadata).items()


def _selection_metadata(selection: Selection) -> dict[str, dg.MetadataValue]:
    """The review queue as the run found it; for runs over partitions, what of them may be worked on."""
    counts = {
        "selected": len(selection.studies),
        "waiting": selection.waiting,
        "in_conflict": len(selection.conflicts),
        "refused": len(selection.refused),
    }
    metadata = {name: dg.MetadataValue.int(count) for name, count in counts.items()}
    left_out = {reason: count for reason, count in selection.standing_counts.items() if count}
    return {**metadata, "left_out": dg.MetadataValue.json(left_out)}


def failure_of(failures: Mapping[StudyKey, str], audit: RunFolder) -> dg.Failure:
    lines = [f"{study_key} {reason}" for study_key, reason in sorted(failures.items())]
    return dg.Failure(
        f"{len(lines)} studies did not get through (all others did):\n" + "\n".join(lines),
        metadata={"failed": dg.MetadataValue.int(len(lines)), **overview_metadata(audit)},
        allow_retries=False,
    )
