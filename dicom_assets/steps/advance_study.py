"""One study's way through its stages, as far as the run wants it; its failure is its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from dicom_assets.errors import DicomAssetsError, StageNotReadyError, StudyBusyError, StudyError, StudyNotApprovedError
from dicom_assets.steps.deidentify_batch import DeidentificationSettings
from dicom_assets.steps.deidentify_study import deidentify_study
from dicom_assets.steps.manifests import StageOutcome
from dicom_assets.steps.ports import (
    AuditTrail,
    Fact,
    IdentityDb,
    Progress,
    Registration,
    ResearchPacs,
    ReviewDb,
    StageFolder,
    StagingPacs,
    StudyStore,
)
from dicom_assets.steps.publish_study import publish_study
from dicom_assets.steps.pull_study import pull_study
from dicom_assets.steps.register_study import register_study
from dicom_assets.steps.select_studies import SelectedStudy
from dicom_assets.study import STAGES, Stage, StudyKey


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything a study meets on its way."""

    staging_pacs: StagingPacs
    research_pacs: ResearchPacs
    review_db: ReviewDb
    identity_db: IdentityDb
    registration: Registration
    store: StudyStore
    audit: AuditTrail
    executor: Executor
    settings: DeidentificationSettings


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run wants done: which stages, whether again, whether only for practice."""

    stages: Collection[Stage] = STAGES
    refresh: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a study did not get further.

    `reason` is value-free; `trace` (*identified*) is for the run's locked folder alone.
    """

    study_key: StudyKey
    stage: Stage | None
    reason: str
    marks_review: bool
    busy: bool = False
    trace: str = field(default="", repr=False)


OnStage = Callable[[StageOutcome], None]


def advance_study(study: SelectedStudy, around: Surroundings, wanted: Wanted, on_stage: OnStage) -> Failure | None:
    """Take a study through the wanted stages; tell each one as it is done. Never raises for the study's sake."""
    journey = _Journey(study, around, wanted, on_stage)
    failure = journey.travel()
    if failure is None:
        return None
    reasons = [failure.reason]
    try:
        around.audit.event(
            "study_busy" if failure.busy else "study_failed",
            study.study_key,
            {"stage": failure.stage or "", "reason": failure.reason},
        )
    except DicomAssetsError as error:
        reasons.append(f"This is not in the run's folder: {error}")
    if failure.marks_review and not wanted.dry_run:
        try:
            around.review_db.mark_error(study.reviewed.study_uid, failure.reason)
        except DicomAssetsError as error:
            reasons.append(f"This is not marked in the review database: {error}")
    return replace(failure, reason=" ".join(reasons))


class _Journey:
    def __init__(self, study: SelectedStudy, around: Surroundings, wanted: Wanted, on_stage: OnStage) -> None:
        self._study = study
        self._around = around
        self._wanted = wanted
        self._on_stage = on_stage
        self._stage: Stage | None = None
        self._folders: dict[Stage, StageFolder] = {}

    def travel(self) -> Failure | None:
        key = self._study.study_key
        try:
            with self._around.store.lock(key):
                for stage in STAGES:
                    if stage in self._wanted.stages:
                        self._stage = stage
                        self._advance(stage)
        except StudyBusyError as error:
            return Failure(key, self._stage, str(error), marks_review=False, busy=True)
        except DicomAssetsError as error:
            is_for_a_person = isinstance(error, StudyError) and not isinstance(error, StudyNotApprovedError)
            return Failure(key, self._stage, str(error), marks_review=is_for_a_person)
        except Exception as error:  # noqa: BLE001  the outer edge: whatever it is, it stays with this study, value-free
            reason = (
                f"Unexpected {type(error).__name__} at {place_of(error)}; see the run's folder identified/traces.txt."
            )
            return Failure(
                key, self._stage, reason, marks_review=True, trace="".join(traceback.format_exception(error))
            )
        return None

    def _advance(self, stage: Stage) -> None:
        audit, key = self._around.audit, self._study.study_key
        audit.event("stage_started", key, {"stage": stage})
        outcome = self._do(stage)
        self._folders[stage] = outcome.folder
        audit.event("stage_finished" if outcome.redone else "stage_skipped", key, {"stage": stage, **outcome.facts})
        self._on_stage(outcome)

    def _do(self, stage: Stage) -> StageOutcome:
        around, key, wanted = self._around, self._study.study_key, self._wanted
        match stage:
            case Stage.PULLED:
                return pull_study(
                    key,
                    self._study.reviewed.study_uid,
                    staging_pacs=around.staging_pacs,
                    store=around.store,
                    refresh=wanted.refresh,
                    progress=self._progress(stage),
                )
            case Stage.DEIDENTIFIED:
                return deidentify_study(
                    key,
                    self._finished(Stage.PULLED),
                    settings=around.settings,
                    identity_db=around.identity_db,
                    registration=around.registration,
                    store=around.store,
                    executor=around.executor,
                    refresh=wanted.refresh,
                    progress=self._progress(stage),
                )
            case Stage.REGISTERED:
                return register_study(
                    key,
                    self._finished(Stage.PULLED),
                    self._finished(Stage.DEIDENTIFIED),
                    identity_db=around.identity_db,
                    registration=around.registration,
                    store=around.store,
                    refresh=wanted.refresh,
                    dry_run=wanted.dry_run,
                )
            case Stage.PUBLISHED:
                return self._publish()

    def _publish(self) -> StageOutcome:
        """Publish what is still approved: a run may be long, and reviewers go on reviewing."""
        self._around.review_db.approval(self._study.reviewed.study_uid)
        outcome = publish_study(
            self._study.study_key,
            self._finished(Stage.DEIDENTIFIED),
            self._finished(Stage.REGISTERED),
            research_pacs=self._around.research_pacs,
            store=self._around.store,
            refresh=self._wanted.refresh,
            progress=self._progress(Stage.PUBLISHED),
        )
        self._around.review_db.mark_published(self._study.reviewed.study_uid)
        return outcome

    def _finished(self, stage: Stage) -> StageFolder:
        folder = self._folders.get(stage) or self._around.store.finished(self._study.study_key, stage)
        if folder is None:
            raise StageNotReadyError(f"Stage {stage} of this study does not stand yet: materialize `{stage}` first.")
        return folder

    def _progress(self, stage: Stage) -> Progress:
        last_told = 0

        def tell(done: int, total: int) -> None:
            nonlocal last_told
            if done == total or (done - last_told) * 20 >= total:
                last_told = done
                facts: dict[str, Fact] = {"stage": stage, "done": done, "total": total}
                self._around.audit.event("stage_progress", self._study.study_key, facts)

        return tell


def place_of(error: BaseException) -> str:
    """Module and line of the innermost frame of ours, which is all of an unexpected error that holds no values."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "dicom_assets" in PurePath(frame.filename).parts] or list(frames)
    return f"{PurePath(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"
