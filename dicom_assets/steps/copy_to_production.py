"""published -> production: what the research database knows of a published study is shown to researchers."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dicom_assets.errors import (
    ConfigurationError,
    DicomAssetsError,
    StageNotReadyError,
    StorageError,
    StudyBusyError,
    StudyNotApprovedError,
    StudyWithdrawnError,
)
from dicom_assets.steps.advance_study import place_of
from dicom_assets.steps.manifests import Stopwatch
from dicom_assets.steps.ports import AuditTrail, IdentityDb, Production, ReviewDb, StudyStore, Withdrawals
from dicom_assets.steps.select_studies import withdrawn_reason
from dicom_assets.study import Fact, Stage, StudyKey


@dataclass(frozen=True, slots=True)
class CopySurroundings:
    """Everything that copying meets."""

    review_db: ReviewDb
    identity_db: IdentityDb
    withdrawals: Withdrawals
    production: Production
    store: StudyStore
    audit: AuditTrail


@dataclass(frozen=True, slots=True)
class Copied:
    """A study whose rows are in production: value-free counts of them."""

    study_key: StudyKey
    facts: dict[str, Fact]

    @property
    def is_changed(self) -> bool:
        """Whether a row was written, or would have been."""
        return bool(self.facts["rows_written"])


@dataclass(frozen=True, slots=True)
class NotCopied:
    """A study that was not copied, and why; `busy` where another run works on it.

    `reason` is value-free; `trace` (*identified*) is for the run's locked folder alone.
    """

    study_key: StudyKey
    reason: str
    busy: bool = False
    trace: str = field(default="", repr=False)


def published_studies(
    study_keys: Iterable[StudyKey], around: CopySurroundings
) -> tuple[list[StudyKey], dict[StudyKey, str]]:
    """Those of the studies that are published; and why those are left out that are, but should not be."""
    published: list[StudyKey] = []
    left_out: dict[StudyKey, str] = {}
    for key in study_keys:
        if around.store.finished(key, Stage.PUBLISHED) is None:
            continue
        try:
            _original_of(key, around)
        except (StudyNotApprovedError, ConfigurationError, StorageError) as error:
            left_out[key] = str(error)
        else:
            published.append(key)
    return published, left_out


def copy_studies(study_keys: Iterable[StudyKey], around: CopySurroundings) -> Iterator[Copied | NotCopied]:
    """Copy one study after the other; what is wrong with one keeps no other from it."""
    for key in study_keys:
        outcome = _outcome(key, around)
        if isinstance(outcome, Copied):
            around.audit.event("copied_to_production", key, outcome.facts)
        else:
            event = "study_busy" if outcome.busy else "study_failed"
            around.audit.event(event, key, {"stage": "", "reason": outcome.reason})
        yield outcome


def copy_study(study_key: StudyKey, around: CopySurroundings) -> Copied:
    """Copy the rows of a published study, its patient and its encounter, and recalculate what there is of the patient.

    Raises:
        StudyBusyError: another run works on the study.
        StageNotReadyError: it is not published.
        StudyNotApprovedError: it is, and should not be, or is being withdrawn.
        StudyError: the research database does not say so, or its rows belong to somebody else.
    """
    watch = Stopwatch()
    with around.store.lock(study_key):
        published = around.store.finished(study_key, Stage.PUBLISHED)
        if published is None:
            raise StageNotReadyError("Only published studies are copied to production: materialize `published` first.")
        original = _original_of(study_key, around)
        facts = published.manifest()["facts"]
        around.audit.event("stage_skipped", study_key, {"stage": Stage.PUBLISHED, **facts})
        # A profile that retains UIDs publishes under the original one, which no facts name.
        rows = around.production.copy(original, facts["study_instance_uid"] or original)
    written = sum(count for what, count in rows.items() if not what.endswith("unchanged"))
    return Copied(study_key, {"rows": dict(rows), "rows_written": written, "seconds": watch.seconds()})


def _original_of(study_key: StudyKey, around: CopySurroundings) -> str:
    """The original UID of a study that people want published, to this day.

    Raises:
        ConfigurationError: no study has this key.
        StudyNotApprovedError: the reviews do not approve it, or it is being withdrawn.
    """
    original = around.identity_db.original_study_uid(study_key)
    around.review_db.approval(original)
    withdrawal = around.withdrawals.of(study_key)
    if withdrawal is not None and withdrawal.holds_back:
        raise StudyWithdrawnError(withdrawn_reason(withdrawal))
    return original


def _outcome(study_key: StudyKey, around: CopySurroundings) -> Copied | NotCopied:
    try:
        return copy_study(study_key, around)
    except StudyBusyError as error:
        return NotCopied(study_key, str(error), busy=True)
    except DicomAssetsError as error:
        return NotCopied(study_key, str(error))
    except Exception as error:  # noqa: BLE001  the outer edge of a study, value-free
        reason = f"Unexpected {type(error).__name__} at {place_of(error)}; see the run's folder identified/traces.txt."
        return NotCopied(study_key, reason, trace="".join(traceback.format_exception(error)))
