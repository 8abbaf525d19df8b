"""One study's way through its stages, as far as the run wants it; its failure is its own."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from dicom_assets.errors import (
    DicomAssetsError,
    PacsError,
    RegistrationAwayError,
    RegistrationRefusedError,
    RunStoppedError,
    StageNotReadyError,
    StudyBusyError,
    StudyError,
    StudyNotApprovedError,
    StudyWithdrawnError,
)
from dicom_assets.steps.contact_sheets import ContactSheets
from dicom_assets.steps.deidentify_batch import DeidentificationSettings
from dicom_assets.steps.deidentify_study import deidentify_study, standing_deidentification
from dicom_assets.steps.findings import Finding, finding_of_failure
from dicom_assets.steps.manifests import StageOutcome
from dicom_assets.steps.patience import Patience
from dicom_assets.steps.ports import (
    AuditTrail,
    IdentityDb,
    Progress,
    Registration,
    ResearchPacs,
    ReviewDb,
    StageFolder,
    StagingPacs,
    StudyStore,
    Withdrawals,
)
from dicom_assets.steps.publish_study import publish_study
from dicom_assets.steps.pull_study import pull_study, standing_pull
from dicom_assets.steps.register_study import register_study, standing_registration
from dicom_assets.steps.select_studies import SelectedStudy, withdrawn_reason
from dicom_assets.steps.turnstile import Turnstile
from dicom_assets.study import STAGES, Fact, Stage, StudyKey

NO_ENCOUNTER = "no_encounter"
"""Where the old pipeline put the images of a study that could not be linked."""
WITHDRAWN_SECONDS = 0.5
"""How often a study that is under way is looked up among the withdrawn ones."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything a study meets on its way."""

    staging_pacs: StagingPacs
    research_pacs: ResearchPacs
    review_db: ReviewDb
    identity_db: IdentityDb
    registration: Registration
    store: StudyStore
    withdrawals: Withdrawals
    audit: AuditTrail
    executor: Executor
    settings: DeidentificationSettings
    sheets: ContactSheets | None = None
    patience_seconds: float = 120.0
    staging_turnstile: Turnstile = field(default_factory=Turnstile)
    research_turnstile: Turnstile = field(default_factory=Turnstile)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run wants done: which stages, whether again, whether only for practice."""

    stages: Collection[Stage] = STAGES
    refresh: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a study did not get further.

    `reason` is value-free; `trace` (*identified*) is for the run's locked folder alone. `kept_under` is where a study
    stays that could not be linked, in the old pipeline's words. `for_now` tells that somebody who has to do with the
    study, a PACS or a hook, did not do his part. `finding` is the check that the failure is the answer
    to, if there is one.
    """

    study_key: StudyKey
    stage: Stage | None
    reason: str
    marks_review: bool
    busy: bool = False
    for_now: bool = False
    trace: str = field(default="", repr=False)
    kept_under: str = ""
    finding: Finding | None = None

    @property
    def said(self) -> str:
        """The reason, and where the study stays."""
        return f"{self.kept_under}: {self.reason}" if self.kept_under else self.reason


@dataclass(frozen=True, slots=True)
class Waiting:
    """A study that waits for a PACS: for how long at most, in seconds, and why."""

    study_key: StudyKey
    stage: Stage | None
    seconds: float
    reason: str


OnNews = Callable[[StageOutcome | Waiting], None]
IsStopped = Callable[[], bool]


def advance_study(
    study: SelectedStudy, around: Surroundings, wanted: Wanted, on_news: OnNews, is_stopped: IsStopped
) -> Failure | None:
    """Take a study through the wanted stages; tell each one as it is done. Never raises for the study's sake."""
    try:
        failure = _Journey(study, around, wanted, on_news, is_stopped).travel()
        return None if failure is None else _tell(failure, study, around, wanted)
    except Exception as error:  # noqa: BLE001  the outer edge: whatever it is, it stays with this study, value-free
        return _unexpected(study.study_key, None, error)


def _tell(failure: Failure, study: SelectedStudy, around: Surroundings, wanted: Wanted) -> Failure:
    """Write a failure down where people look for it; what can't be written down is said in its reason."""
    reasons = [failure.reason]
    facts: dict[str, Fact] = {"stage": failure.stage or "", "reason": failure.said}
    try:
        around.audit.event("study_busy" if failure.busy else "study_failed", study.study_key, facts)
    except DicomAssetsError as error:
        reasons.append(f"This is not in the run's folder: {error}")
    if failure.for_now:
        try:
            around.store.put_off(study.study_key, failed=True)
        except DicomAssetsError as error:
            reasons.append(f"The next run may begin with it: {error}")
    if failure.marks_review and not wanted.dry_run:
        try:
            around.review_db.mark_error(study.reviewed.study_uid, failure.reason)
        except DicomAssetsError as error:
            reasons.append(f"This is not marked in the review database: {error}")
    return replace(failure, reason=" ".join(reasons))


def _unexpected(study_key: StudyKey, stage: Stage | None, error: Exception) -> Failure:
    reason = f"Unexpected {type(error).__name__} at {place_of(error)}; see the run's folder identified/traces.txt."
    trace = "".join(traceback.format_exception(error))
    return Failure(study_key, stage, reason, marks_review=True, trace=trace)


class _Journey:
    """One study on its way."""

    def __init__(
        self, study: SelectedStudy, around: Surroundings, wanted: Wanted, on_news: OnNews, is_stopped: IsStopped
    ) -> None:
        self._study = study
        self._around = around
        self._wanted = wanted
        self._on_news = on_news
        self._is_stopped = is_stopped
        self._stage: Stage | None = None

    def travel(self) -> Failure | None:
        key = self._study.study_key
        try:
            with self._around.store.lock(key):
                self._around.store.put_off(key, failed=False)
                for stage in STAGES:
                    if stage in self._wanted.stages:
                        self._stage = stage
                        self._advance(stage)
        except StudyBusyError as error:
            return Failure(key, self._stage, str(error), marks_review=False, busy=True)
        except DicomAssetsError as error:
            is_for_a_person = isinstance(error, StudyError) and not isinstance(error, StudyNotApprovedError)
            return Failure(
                key,
                self._stage,
                str(error),
                marks_review=is_for_a_person,
                for_now=isinstance(error, PacsError | RegistrationAwayError),
                trace=error.trace,
                kept_under=NO_ENCOUNTER if isinstance(error, RegistrationRefusedError) else "",
                finding=finding_of_failure(self._stage, error),
            )
        except Exception as error:  # noqa: BLE001  the outer edge of a stage, value-free
            return _unexpected(key, self._stage, error)
        return None

    def _advance(self, stage: Stage) -> None:
        self._go_on()
        self._refuse_withdrawn()
        audit, key = self._around.audit, self._study.study_key
        audit.event("stage_started", key, {"stage": stage})
        outcome = self._do(stage)
        audit.event("stage_finished" if outcome.redone else "stage_skipped", key, {"stage": stage, **outcome.facts})
        self._on_news(outcome)

    def _do(self, stage: Stage) -> StageOutcome:
        match stage:
            case Stage.PULLED:
                return self._pull()
            case Stage.DEIDENTIFIED:
                return self._deidentify()
            case Stage.REGISTERED:
                return self._register()
            case Stage.PUBLISHED:
                return self._publish()

    def _pull(self) -> StageOutcome:
        return pull_study(
            self._study.study_key,
            self._study.reviewed,
            staging_pacs=self._around.staging_pacs,
            store=self._around.store,
            refresh=self._wanted.refresh,
            progress=self._progress(Stage.PULLED),
            patience=self._patience(),
            turnstile=self._around.staging_turnstile,
        )

    def _deidentify(self) -> StageOutcome:
        return deidentify_study(
            self._study.study_key,
            self._pulled(),
            settings=self._around.settings,
            identity_db=self._around.identity_db,
            registration=self._around.registration,
            store=self._around.store,
            executor=self._around.executor,
            refresh=self._wanted.refresh,
            progress=self._progress(Stage.DEIDENTIFIED),
            sheets=self._around.sheets,
        )

    def _register(self) -> StageOutcome:
        return register_study(
            self._study.study_key,
            self._pulled(),
            self._deidentified(),
            identity_db=self._around.identity_db,
            registration=self._around.registration,
            store=self._around.store,
            refresh=self._wanted.refresh,
            dry_run=self._wanted.dry_run,
        )

    def _publish(self) -> StageOutcome:
        """Publish what is still approved: a run may be long, and reviewers go on reviewing, also while it is sent."""
        self._require_approval()
        deidentified = self._deidentified()
        around, key = self._around, self._study.study_key
        if standing_registration(around.store, key, self._pulled(), deidentified, around.registration) is None:
            raise _not_ready(Stage.REGISTERED)
        around.withdrawals.is_sending(key)
        outcome = publish_study(
            key,
            deidentified,
            research_pacs=around.research_pacs,
            store=around.store,
            refresh=self._wanted.refresh,
            progress=self._progress(Stage.PUBLISHED),
            patience=self._patience(),
            turnstile=around.research_turnstile,
        )
        self._refuse_withdrawn()
        self._require_approval()
        around.review_db.mark_published(self._study.reviewed.study_uid)
        around.withdrawals.is_settled(key)
        return outcome

    def _pulled(self) -> StageFolder:
        around = self._around
        folder = standing_pull(around.store, self._study.study_key, self._study.reviewed, around.staging_pacs)
        if folder is None:
            raise _not_ready(Stage.PULLED)
        return folder

    def _deidentified(self) -> StageFolder:
        folder = standing_deidentification(
            self._around.store,
            self._study.study_key,
            self._pulled(),
            settings=self._around.settings,
            identity_db=self._around.identity_db,
            registration=self._around.registration,
        )
        if folder is None:
            raise _not_ready(Stage.DEIDENTIFIED)
        return folder

    def _require_approval(self) -> None:
        approval = self._around.review_db.approval(self._study.reviewed.study_uid)
        if approval.version != self._study.reviewed.version:
            raise StudyNotApprovedError("Reviewed again during this run: the next run begins with the study anew.")

    def _go_on(self) -> None:
        if self._is_stopped():
            raise RunStoppedError("The run was stopped; the next one goes on from here.")

    def _refuse_withdrawn(self) -> None:
        """Stop a study that was withdrawn, also while it is being sent: who withdraws it waits for us to let go."""
        withdrawal = self._around.withdrawals.of(self._study.study_key)
        if withdrawal is not None and withdrawal.holds_back:
            raise StudyWithdrawnError(withdrawn_reason(withdrawal))

    def _patience(self) -> Patience:
        return Patience(self._around.patience_seconds, self._pause)

    def _pause(self, seconds: float, reason: str) -> None:
        """Wait, perhaps for hours until a window opens, and go on with what is still approved then."""
        waiting = Waiting(self._study.study_key, self._stage, round(seconds, 1), reason)
        facts: dict[str, Fact] = {"stage": waiting.stage or "", "seconds": waiting.seconds, "reason": reason}
        self._around.audit.event("study_waits", waiting.study_key, facts)
        self._on_news(waiting)
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            self._go_on()
            self._refuse_withdrawn()
            time.sleep(min(rest, 0.5))
        self._require_approval()

    def _progress(self, stage: Stage) -> Progress:
        last_told = 0
        looked_at = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal last_told, looked_at
            self._go_on()
            if time.monotonic() - looked_at > WITHDRAWN_SECONDS:
                looked_at = time.monotonic()
                self._refuse_withdrawn()
            if done == total or (done - last_told) * 20 >= total:
                last_told = done
                facts: dict[str, Fact] = {"stage": stage, "done": done, "total": total}
                self._around.audit.event("stage_progress", self._study.study_key, facts)

        return tell


def _not_ready(stage: Stage) -> StageNotReadyError:
    return StageNotReadyError(
        f"Stage {stage} does not stand, or was made from another review, profile, run config or registration than "
        f"this run's: materialize `{stage}` first."
    )


def place_of(error: BaseException) -> str:
    """Module and line of the innermost frame of ours, which is all of an unexpected error that holds no values."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "dicom_assets" in PurePath(frame.filename).parts] or list(frames)
    return f"{PurePath(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"
