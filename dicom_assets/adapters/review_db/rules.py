"""When a study is ready: the reviewers' rules, on plain values.

A study is all rows that carry one original Study Instance UID; nothing in the database forbids several. Its rows must
agree, and every doubt counts against it: one excluded, published, faulty, forbidden or unreviewed row holds back all,
and so does one with values that make no sense, or about another patient.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from dicom_assets.study import ReviewConflict, ReviewedStudy

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a missing `created` or `modified`: such a review sorts first."""

_UID = re.compile(r"[0-9.]{1,64}")
"""Length and characters of PS3.5 9.1. Its rule about zeros at the front is not asked for: such UIDs are in use."""


class Standing(StrEnum):
    """Where a study stands; each study has one. All but `READY` leave it out of a run."""

    READY = "ready"
    PUBLISHED = "already published"
    ERROR = "error flag set"
    IN_CONFLICT = "in conflict"
    EXCLUDED = "excluded"
    HAS_PHI = "has PHI"
    NOT_RELEVANT = "not relevant"
    WITH_RECONSTRUCTION = "with reconstruction"
    UNREVIEWED = "unreviewed"
    INVALID_UID = "study UID is not a UID"
    UNREADABLE = "values that make no sense"
    DISAGREEING = "rows of one study disagree about patient or accession number"


UNUSABLE = (Standing.INVALID_UID, Standing.UNREADABLE, Standing.DISAGREEING)
"""A study that stands so goes on when somebody has mended its rows."""


@dataclass(frozen=True, slots=True)
class Review:
    """One reviewer's verdict on one row. `is_sound` is false where a value is none that its column can mean."""

    id: int
    created: datetime
    modified: datetime
    has_phi: bool | None
    relevant: bool
    has_reconstruction: bool
    exclude: bool
    has_protocol_series: bool
    comment: str = field(default="", repr=False)
    is_sound: bool = True

    @property
    def approves(self) -> bool:
        """Whether this one review, taken alone, lets the study pass. An undecided `has_phi` does not."""
        return self.has_phi is False and not self.objections

    @property
    def objections(self) -> tuple[Standing, ...]:
        """What this review holds against the study, gravest first."""
        found = (
            (Standing.HAS_PHI, self.has_phi is True),
            (Standing.EXCLUDED, self.exclude),
            (Standing.NOT_RELEVANT, not self.relevant),
            (Standing.WITH_RECONSTRUCTION, self.has_reconstruction),
        )
        return tuple(standing for standing, holds in found if holds)


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One row of `staging_radiologystudy` with its reviews. *Identified*.

    `patient_id` and `accession_number` are empty where the row, or the installation, does not tell them.
    `has_plain_uid` is false where the row's UID holds white space that is more than spaces around it.
    """

    id: int
    exclude: bool
    image_published: bool
    processing_error: bool
    reviews: tuple[Review, ...] = ()
    patient_id: str = ""
    accession_number: str = field(default="", repr=False)
    is_sound: bool = True
    has_plain_uid: bool = True

    @property
    def is_approved(self) -> bool:
        """Whether all of its reviews make sense and one approves it."""
        return all(review.is_sound for review in self.reviews) and any(review.approves for review in self.reviews)


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """All rows of one study. *Identified*."""

    study_uid: str = field(repr=False)
    rows: tuple[StudyRow, ...]

    @property
    def reviews(self) -> Sequence[Review]:
        """The reviews of all rows by id."""
        return sorted((review for row in self.rows for review in row.reviews), key=lambda review: review.id)

    @property
    def version(self) -> str:
        """Sixteen hex digits that change with every change of a review."""
        return _version(self.reviews)

    @property
    def standing(self) -> Standing:
        """Where the study stands, its outcome of earlier runs included."""
        if any(row.image_published for row in self.rows):
            return Standing.PUBLISHED
        if any(row.processing_error for row in self.rows) and not any(row.exclude for row in self.rows):
            return Standing.ERROR
        return self.verdict

    @property
    def verdict(self) -> Standing:
        """What people decided, whatever became of the study since."""
        if problem := self._problem():
            return problem
        if any(row.exclude for row in self.rows):
            return Standing.EXCLUDED
        objections = [objection for review in self.reviews for objection in review.objections]
        if objections:
            approved = any(review.approves for review in self.reviews)
            return Standing.IN_CONFLICT if approved else min(objections, key=list(Standing).index)
        every_row_approved = all(any(review.approves for review in row.reviews) for row in self.rows)
        return Standing.READY if self.rows and every_row_approved else Standing.UNREVIEWED

    def _problem(self) -> Standing | None:
        """Why nothing can be made of the rows, whatever people decided."""
        if not (_UID.fullmatch(self.study_uid) and any(row.has_plain_uid for row in self.rows)):
            return Standing.INVALID_UID
        if not all(row.has_plain_uid for row in self.rows):
            return Standing.UNREADABLE
        if not (all(row.is_sound for row in self.rows) and all(review.is_sound for review in self.reviews)):
            return Standing.UNREADABLE
        patients = {row.patient_id for row in self.rows if row.patient_id}
        accession_numbers = {row.accession_number for row in self.rows if row.accession_number}
        return Standing.DISAGREEING if max(len(patients), len(accession_numbers)) > 1 else None

    @property
    def lost_approval(self) -> bool:
        """Whether a row has reviews of which none approves it, or one makes no sense, though none objects."""
        return any(row.reviews and not row.is_approved for row in self.rows)

    def reviewed(self) -> ReviewedStudy:
        """The study as a run takes it; only for studies that have an approving review."""
        approving = [review for review in self.reviews if review.approves]
        comments = (review.comment.strip() for review in self.reviews)
        return ReviewedStudy(
            study_uid=self.study_uid,
            approved_at=min(review.created for review in approving),
            version=self.version,
            has_protocol_series=any(review.has_protocol_series for review in approving),
            comments=tuple(comment for comment in comments if comment),
        )

    def conflict(self) -> ReviewConflict:
        """The reviews at odds: those that approve and those that forbid, or all of a study whose rows make no sense."""
        at_odds = [review for review in self.reviews if review.approves or review.objections or not review.is_sound]
        problem = self._problem()
        reasons = {problem} if problem else {objection for review in at_odds for objection in review.objections}
        return ReviewConflict(
            study_uid=self.study_uid,
            review_ids=tuple(review.id for review in at_odds),
            reasons=tuple(standing.value for standing in Standing if standing in reasons),
        )

    def approval_order(self) -> tuple[datetime, int]:
        """Sorts by the earliest approving review; ties by the row's id, so that the order is one."""
        approved_at = min((review.created for review in self.reviews if review.approves), default=NO_TIME)
        return approved_at, min(row.id for row in self.rows)

    def newest_review(self) -> tuple[datetime, int]:
        """When a review of the study last changed, and which."""
        return max((review.modified, review.id) for review in self.reviews)


def _version(reviews: Iterable[Review]) -> str:
    facts = [
        f"{r.id} {r.modified.isoformat()} {r.has_phi} {r.relevant} {r.has_reconstruction} {r.exclude} "
        f"{r.has_protocol_series}"
        for r in reviews
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
