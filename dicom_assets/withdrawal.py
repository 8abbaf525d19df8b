"""A study that was published and must not be any more: what is known of it, from the first notice to the end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from dicom_assets.study import StudyKey

BY_HAND = "by hand"
"""The reason of who withdraws a study that no review objects to; why is written where identifiers may be."""


class WithdrawalState(StrEnum):
    """How far a withdrawal is. All but `LIFTED` keep every run from publishing the study."""

    NOTICED = "noticed"
    """Somebody objects; the research PACS still has it, and nobody has done anything about it."""
    WITHDRAWING = "withdrawing"
    """`dicom-assets withdraw` is at it, or was interrupted."""
    AWAITING_REMOVAL = "awaiting-removal"
    """A person has to remove it from the research PACS."""
    WITHDRAWN = "withdrawn"
    """It was seen to be gone, and all who have to know were told."""
    LIFTED = "lifted"
    """Its reviews agree again and a person has let it go on."""


OPEN_STATES = frozenset({WithdrawalState.NOTICED, WithdrawalState.WITHDRAWING, WithdrawalState.AWAITING_REMOVAL})
"""Those in which researchers may still see the study."""


@dataclass(frozen=True, slots=True)
class Change:
    """A withdrawal came into a state: when, and by whom (a login name, or the sensor's)."""

    at: datetime
    state: WithdrawalState
    by: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What is known of one study's withdrawal; value-free.

    Attributes:
        reasons: What reviews hold against the study, or `BY_HAND`.
        version: Changes with every change of the reviews that object.
        study_uids: The Study Instance UIDs that it has, or may have, in the research PACS; none of its original.
        gone_from: The research PACSs (`AE title@host:port`) in which it was seen to be gone.
        changes: Its states in order; the last one is where it stands.
        told: Who was told of how many of the changes.
    """

    study_key: StudyKey
    reasons: tuple[str, ...]
    version: str = ""
    study_uids: tuple[str, ...] = ()
    gone_from: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    told: dict[str, int] = field(default_factory=dict)

    @property
    def state(self) -> WithdrawalState:
        """Where it stands."""
        return self.changes[-1].state

    @property
    def since(self) -> datetime:
        """When it came there."""
        return self.changes[-1].at

    @property
    def is_open(self) -> bool:
        """Whether researchers may still see the study."""
        return self.state in OPEN_STATES

    @property
    def holds_back(self) -> bool:
        """Whether no run may publish the study."""
        return self.state is not WithdrawalState.LIFTED

    @property
    def reason(self) -> str:
        """The reasons in one line."""
        return ", ".join(self.reasons)

    def knows(self, who: str) -> bool:
        """Whether somebody was told of all changes."""
        return self.told.get(who, 0) >= len(self.changes)

    def changed(self, at: datetime, state: WithdrawalState, by: str) -> Withdrawal:
        """The same in another state."""
        return replace(self, changes=(*self.changes, Change(at, state, by)))

    def said(self) -> str:
        """The state, and what is to be done, in one line for people."""
        key = self.study_key
        todo = {
            WithdrawalState.NOTICED: f"researchers still see it: `dicom-assets withdraw {key}`",
            WithdrawalState.WITHDRAWING: f"not finished: `dicom-assets withdraw {key}` goes on",
            WithdrawalState.AWAITING_REMOVAL: (
                f"to be removed from the research PACS by hand, then `dicom-assets withdraw {key} --confirm-removed`"
            ),
            WithdrawalState.WITHDRAWN: "seen to be gone from the research PACS",
            WithdrawalState.LIFTED: "may be published again",
        }
        return f"{self.state} ({self.reason}) since {self.since:%Y-%m-%d %H:%M} UTC: {todo[self.state]}"
