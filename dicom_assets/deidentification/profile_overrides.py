"""The field `overrides` of a profile, and which of them a person has to answer for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dicom_assets.deidentification.action import Action, ActionCode
from dicom_assets.deidentification.dictionary import concrete_vr, is_private, known_vr, tag_named
from dicom_assets.deidentification.options import COLUMNS, Option
from dicom_assets.deidentification.overrides import ACTIONS, ANYWHERE, Override
from dicom_assets.deidentification.profile_fields import Fields
from dicom_assets.deidentification.rule import TEXT_VRS
from dicom_assets.deidentification.rules import STRIPPED, RuleBook
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets.deidentification.text import SPECIFIC_CHARACTER_SET

if TYPE_CHECKING:
    from dicom_assets.deidentification.profile import Profile

_FIXED = STRIPPED | {SPECIFIC_CHARACTER_SET, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E}
"""What the engine itself needs to be right."""

_VRS: dict[Action, frozenset[str]] = {
    Action.SHIFT: frozenset({"DA", "DT", "TM"}),
    Action.UID: frozenset({"UI"}),
    Action.HASH: frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT"}),
    Action.CLEAN: TEXT_VRS,
}


def parse_override(fields: Fields, before: Profile) -> Override:
    """Read one override; `before` is the profile without any.

    Raises:
        ProfileError: names file, line and field.
    """
    path, tag = _place(fields)
    action = Action(fields.choice("action", ACTIONS))
    vr = concrete_vr(known_vr(tag))
    if action in _VRS and vr not in _VRS[action]:
        raise fields.error("action", f"{action} does not go with the VR {vr or 'of an unknown attribute'}")
    override = Override(path, tag, action, _argument(fields, action, vr), accepted_risk(fields))
    if not override.accepted_risk and _keeps_more(override, before):
        raise fields.error(
            "action",
            f"{action} keeps more than the table and the profile's options do: "
            "say why in i_accept_the_risk, which goes into the audit trail, or choose another action",
        )
    fields.refuse_others()
    return override


def _place(fields: Fields) -> tuple[tuple[int, ...], int]:
    names = fields.text("attribute", re.compile(r".+"), "a keyword or gggg,eeee").split(".")
    anywhere = names[0] == "*"
    tags = [_tag(fields, name.strip()) for name in names[anywhere:]]
    if not tags or (anywhere and len(tags) > 1):
        raise fields.error("attribute", "must be a keyword, a path of them with dots, or *. and one keyword")
    if any(known_vr(tag) != "SQ" for tag in tags[:-1]):
        raise fields.error("attribute", "has a path through something that is not a sequence")
    if tags[-1] in _FIXED or tags[-1] & 0xFFFF == 0 or tags[-1] < 0x00080000:
        raise fields.error("attribute", "is the engine's own affair and can't be overridden")
    return ANYWHERE if anywhere else tuple(tags[:-1]), tags[-1]


def _tag(fields: Fields, name: str) -> int:
    tag = tag_named(name)
    if tag is None:
        raise fields.error("attribute", "names no attribute: give a keyword of PS3.6 or gggg,eeee")
    return int(tag)


def _argument(fields: Fields, action: Action, vr: str) -> str:
    if action is not Action.REPLACE:
        return ""
    from pydicom.config import RAISE
    from pydicom.valuerep import validate_value

    value = fields.text("with", re.compile(r"[ -~]+"), "printable ASCII")
    try:
        validate_value(vr, value, RAISE)
        if vr not in _VRS[Action.HASH] | {"AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"}:
            raise ValueError
    except ValueError:
        raise fields.error("with", f"is no value for the VR {vr or 'of an unknown attribute'}") from None
    return value


def accepted_risk(fields: Fields) -> str:
    """The reason a person gives for keeping what would not be kept; empty where there is none."""
    if "i_accept_the_risk" not in fields.names():
        return ""
    return fields.text("i_accept_the_risk", re.compile(r"(?s).*\S.*"), "the reason, in words").strip()


def _keeps_more(override: Override, before: Profile) -> bool:
    """Whether an override keeps something that the table and the options would not (PS3.15 E.1.1)."""
    if override.action in {Action.REMOVE, Action.EMPTY, Action.REPLACE, Action.UID, Action.HASH}:
        return False
    path = () if override.path == ANYWHERE else override.path
    # That a profile cleans or removes what the table does not name is its own affair, and so is an exception to it.
    allowing = RuleBook(replace(before, unlisted=Action.KEEP), "")
    without = allowing.rule(override.tag, concrete_vr(known_vr(override.tag)), path)
    if without.action in {Action.KEEP, override.action}:
        return False
    row = None if is_private(override.tag) else confidentiality_table().row_for(override.tag)
    column = {Action.SHIFT: Option.RETAIN_MODIFIED_DATES, Action.CLEAN: Option.CLEAN_DESCRIPTORS}.get(override.action)
    return column is None or row is None or row.options.get(COLUMNS[column]) is not ActionCode.CLEAN
