"""What Table E.1-1 does not name: decided by place, by VR and by the profile, and never just kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.beyond_table import IDENTIFYING
from dicom_assets.deidentification.dates import DATE_VRS
from dicom_assets.deidentification.dictionary import known_vr
from dicom_assets.deidentification.iod import NEEDS_PRESENCE, NEEDS_VALUE, AttributeType
from dicom_assets.deidentification.options import DATE_OPTIONS, Option
from dicom_assets.deidentification.rule import Rule
from dicom_assets.deidentification.text import SPECIFIC_CHARACTER_SET

if TYPE_CHECKING:
    from dicom_assets.deidentification.profile import Profile

SOP_CLASS_UID = 0x00080016

CLASS_UIDS = frozenset({SOP_CLASS_UID, 0x00081150})
"""They name a kind of object; a vendor's own kinds are in no dictionary."""

BULK = frozenset(
    {
        0x00282000,  # ICC Profile
        *range(0x00281201, 0x00281205),  # palette colour look-up tables, plain
        *range(0x00281221, 0x00281225),  # and segmented
        0x00281408,
        0x00283006,  # LUT Data
        0x00660103,
        0x54000110,
        0x54000112,
        0x5400100A,
        0x54001010,  # Waveform Data
        0x7FE00010,  # Pixel Data
    }
)
"""Standard attributes of VR OB and OW that hold samples or look-up tables, and nothing else."""

STRUCTURAL_GROUPS = frozenset({0x0028, 0x7FE0})
STRUCTURAL = frozenset({SPECIFIC_CHARACTER_SET, SOP_CLASS_UID, 0x00080060})
"""Without them an image can't be read, so a profile's `unlisted` action does not touch them."""

URN_CODE_VALUE = 0x00080120

_SEVERITY = (
    Action.KEEP,
    Action.SHIFT,
    Action.CLEAN,
    Action.CHARSET,
    Action.CLASS_UID,
    Action.UID,
    Action.SUBJECT,
    Action.DUMMY,
    Action.EMPTY,
    Action.REMOVE,
)

RECURSE = "recurse"
UNLISTED = "unlisted"
BY_VR = UNLISTED + " "
"""How rules that go by the VR alone are named."""

ACTION_BY_VR: dict[str, Action] = {
    "PN": Action.EMPTY,
    "DA": Action.EMPTY,
    "DT": Action.EMPTY,
    "TM": Action.EMPTY,
    "UI": Action.UID,
    "LT": Action.REMOVE,
    "ST": Action.REMOVE,
    "UT": Action.REMOVE,
    "UR": Action.REMOVE,
    "UN": Action.REMOVE,
    "OB": Action.REMOVE,
    "OW": Action.REMOVE,
    "OB or OW": Action.REMOVE,
    "US or OW": Action.REMOVE,
    "US or SS or OW": Action.REMOVE,
}

UNLISTED_TEXT_VRS = frozenset({"LO", "SH", "UC"})
"""What `unlisted: clean` is about: the long texts are removed anyway, and CS holds terms."""


def unlisted_rule(tag: int, encoded_vr: str, profile: Profile, unlisted: Action) -> Rule:
    """The rule for an attribute without a row; `unlisted` is what its profile does with those that no VR decides."""
    group = tag >> 16
    if 0x6000 <= group <= 0x60FF:
        return Rule(Action.REMOVE, "rest of an overlay")
    if 0x7F00 <= group <= 0x7FFF and group != 0x7FE0:
        return Rule(Action.REMOVE, "variable pixel data")
    vr = known_vr(tag)
    if not vr:
        return Rule(Action.REMOVE, "not in the dictionary")
    if tag in IDENTIFYING:
        return Rule(Action.REMOVE, f"{UNLISTED} identifier")
    if vr == "SQ" or encoded_vr == "SQ":
        same = vr == "SQ" and encoded_vr in {"", "SQ"}
        return Rule(Action.KEEP, RECURSE) if same else Rule(Action.REMOVE, "wrong VR")
    if tag == SPECIFIC_CHARACTER_SET:
        return Rule(Action.CHARSET, "character set")
    if tag in CLASS_UIDS:
        return Rule(Action.CLASS_UID, "class UID")
    found = _by_vr(tag, vr, profile, unlisted)
    if encoded_vr and encoded_vr not in {vr, "UN"} and encoded_vr not in vr.split(" or "):
        found = max(found, _by_vr(tag, encoded_vr, profile, unlisted), key=lambda rule: _SEVERITY.index(rule.action))
        if found.action is Action.UID and vr != "UI":
            return Rule(Action.REMOVE, BY_VR + "UI")  # a new UID would be no value of the attribute's own VR
    return found


def as_required(rule: Rule, needed: AttributeType | None) -> Rule:
    """The rule, but for taking away what an attribute of this Type must keep."""
    # Going by its VR alone, or by none, a rule would take away what the object is not valid without.
    if rule.name != RECURSE and not rule.name.startswith(UNLISTED):
        return rule
    if rule.option is not None or rule.name == RECURSE:
        return replace(rule, otherwise=_required(rule.otherwise, needed))
    return replace(rule, action=_required(rule.action, needed))


def _required(action: Action, needed: AttributeType | None) -> Action:
    if action not in {Action.EMPTY, Action.REMOVE}:
        return action
    if needed in NEEDS_VALUE:
        return Action.DUMMY
    return Action.EMPTY if needed in NEEDS_PRESENCE else action


def _by_vr(tag: int, vr: str, profile: Profile, unlisted: Action) -> Rule:
    if tag in BULK:
        return Rule(Action.KEEP, "samples")
    if unlisted is Action.CLEAN and vr in UNLISTED_TEXT_VRS:
        return Rule(Action.CLEAN, UNLISTED, option=Option.CLEAN_DESCRIPTORS)
    for option in profile.options:
        # Of dates and UIDs that the table does not name, the VR says enough.
        if option in DATE_OPTIONS and vr in DATE_VRS:
            return Rule(Action.SHIFT, BY_VR + vr, ACTION_BY_VR[vr], option=option)
        if option is Option.RETAIN_UIDS and vr == "UI":
            return Rule(Action.KEEP, BY_VR + vr, ACTION_BY_VR[vr], option=option)
    if vr in ACTION_BY_VR and tag != URN_CODE_VALUE:
        return Rule(ACTION_BY_VR[vr], BY_VR + vr)
    if tag in STRUCTURAL or tag >> 16 in STRUCTURAL_GROUPS:
        return Rule(Action.KEEP, "structural")
    return Rule(Action.KEEP if unlisted is Action.CLEAN else unlisted, UNLISTED)
