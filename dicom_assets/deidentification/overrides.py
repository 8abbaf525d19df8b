"""What a profile says about single attributes, in place of the table."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.dictionary import tag_text

ANYWHERE: tuple[int, ...] = (-1,)
"""The path of an override that holds at every depth."""

ACTIONS = (
    Action.KEEP,
    Action.REMOVE,
    Action.EMPTY,
    Action.REPLACE,
    Action.SHIFT,
    Action.UID,
    Action.HASH,
    Action.CLEAN,
)


@dataclass(frozen=True, slots=True)
class Override:
    """What is done with one attribute, whatever the table says.

    `path` holds the tags of the sequences around it, outermost first, or is `ANYWHERE`. `argument` is the value
    that REPLACE writes. `accepted_risk` is the reason that a person gave for keeping what the table would not.
    """

    path: tuple[int, ...]
    tag: int
    action: Action
    argument: str = ""
    accepted_risk: str = ""

    def __str__(self) -> str:
        """The action and the attribute's place, as in `keep (0008,1030)`."""
        place = "any depth, " if self.path == ANYWHERE else "".join(f"{tag_text(tag)}." for tag in self.path)
        return f"{self.action} {place}{tag_text(self.tag)}"
