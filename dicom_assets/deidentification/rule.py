"""What is done with one attribute, and why."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.options import Option

TEXT_VRS = frozenset({"CS", "LO", "LT", "SH", "ST", "UC", "UT"})
"""VRs of text that is not a name, number, date or UID."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with an attribute and the name of the reason: a table's code, or a rule of this module.

    `otherwise` is what happens to a value that `action` can't be carried out on: a date in no form of a date, a text
    in no white list. `argument` is the value an override gives; `accepted` tells that a person answers for what is
    kept.
    """

    action: Action
    name: str
    otherwise: Action = Action.REMOVE
    argument: str = ""
    option: Option | None = None
    accepted: bool = False
