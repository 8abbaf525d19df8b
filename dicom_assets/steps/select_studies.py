"""review database -> the studies of a run: the queue, or the studies behind given keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from dicom_assets.errors import ConfigurationError, StorageError, StudyNotApprovedError
from dicom_assets.steps.ports import IdentityDb, ReviewDb, Withdrawals
from dicom_assets.study import ReviewedStudy, StudyKey
from dicom_assets.withdrawal import Withdrawal


@dataclass(frozen=True, slots=True)
class SelectedStudy:
    """A study to work on. *Identified*."""

    study_key: StudyKey
    reviewed: ReviewedStudy = field(repr=False)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A study left out because its reviews are at odds."""

    study_key: StudyKey
    review_ids: tuple[int, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run works on, what it leaves out, and why.

    `refused` are the keys asked for that may not be worked on, with the reason. `standing_counts`
    counts the studies of the review database that no run would take, by reason.
    """

    studies: Sequence[SelectedStudy]
    conflicts: Sequence[Conflict] = ()
    refused: Mapping[StudyKey, str] = field(default_factory=dict)
    standing_counts: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0


def select_from_queue(
    review_db: ReviewDb,
    identity_db: IdentityDb,
    withdrawals: Withdrawals,
    *,
    limit: int,
    is_done: Callable[[SelectedStudy], bool],
    put_off: Collection[StudyKey] = (),
) -> Selection:
    """The oldest approvals, at most `limit` of them; `waiting` says how many more there are.

    Those that are `put_off`, since they failed for now, come last, so that some that never get through stop no others.
    Withdrawn studies are passed over, whatever their rows say. So are those that are done as far as the run goes: where
    it does not publish, they stay in the queue and would otherwise be all that it ever takes.
    """
    studies: list[SelectedStudy] = []
    last: list[SelectedStudy] = []
    waiting = 0
    for reviewed in review_db.ready():
        if len(studies) >= limit:
            waiting += 1
            continue
        study = SelectedStudy(identity_db.study_key(reviewed.study_uid), reviewed)
        if _withdrawn(withdrawals, study.study_key) is None and not is_done(study):
            (last if study.study_key in put_off else studies).append(study)
    room = limit - len(studies)
    studies += last[:room]
    waiting += len(last[room:])
    conflicts = [
        Conflict(identity_db.study_key(conflict.study_uid), conflict.review_ids, conflict.reasons)
        for conflict in review_db.conflicts()
    ]
    return Selection(studies, conflicts, standing_counts=review_db.standing_counts(), waiting=waiting)


def select_by_key(
    review_db: ReviewDb, identity_db: IdentityDb, withdrawals: Withdrawals, study_keys: Sequence[StudyKey]
) -> Selection:
    """The studies behind these keys, as far as the review database approves them still."""
    studies = []
    refused: dict[StudyKey, str] = {}
    for study_key in study_keys:
        try:
            reviewed = review_db.approval(identity_db.original_study_uid(study_key))
        except (StudyNotApprovedError, ConfigurationError) as error:
            refused[study_key] = str(error)
        else:
            withdrawal = _withdrawn(withdrawals, study_key)
            if withdrawal is None:
                studies.append(SelectedStudy(study_key, reviewed))
            else:
                refused[study_key] = withdrawn_reason(withdrawal)
    return Selection(studies, refused=refused)


def withdrawn_reason(withdrawal: Withdrawal) -> str:
    """Why a withdrawn study gets no further, and what lets it."""
    return (
        f"Withdrawn: {withdrawal.said()}. It is published again only after `dicom-assets withdraw "
        f"{withdrawal.study_key} --lift`."
    )


def _withdrawn(withdrawals: Withdrawals, study_key: StudyKey) -> Withdrawal | None:
    try:
        withdrawal = withdrawals.of(study_key)
    except StorageError:  # a record that can't be read: the study fails on its way, and the others go on
        return None
    return withdrawal if withdrawal is not None and withdrawal.holds_back else None
