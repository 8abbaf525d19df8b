"""What the review database answers with beside studies: places in the order of changes, and marked studies."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Self

from dicom_assets.study import ReviewedStudy


class ReviewPosition(NamedTuple):
    """A place in the order of changes: when a review changed (UTC), and its id."""

    changed_at: datetime
    review_id: int

    def __str__(self) -> str:
        """The form that a sensor stores as its cursor."""
        return f"{self.changed_at.isoformat()} {self.review_id}"

    @classmethod
    def parse(cls, cursor: str) -> Self:
        """The position that `str` wrote.

        Raises:
            ValueError: not such a text.
        """
        changed_at, _, review_id = cursor.rpartition(" ")
        return cls(datetime.fromisoformat(changed_at), int(review_id))


@dataclass(frozen=True, slots=True)
class ApprovalPage:
    """Approvals in order of change. `position` goes into the next question; None while there is no review at all."""

    approvals: tuple[tuple[ReviewPosition, ReviewedStudy], ...]
    position: ReviewPosition | None


@dataclass(frozen=True, slots=True)
class MarkedStudy:
    """A study that is marked with an error, since when and why. *Identified*."""

    study_uid: str = field(repr=False)
    marked_at: datetime | None
    message: str
