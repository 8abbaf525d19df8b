"""Which rule applies to an attribute. What the table does not name is decided by its VR and never just kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dicom_assets.deidentification.action import Action, ActionCode
from dicom_assets.deidentification.dictionary import is_private, known_vr
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets.errors import ConfigurationError

PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
SOP_CLASS_UID = 0x00080016
SPECIFIC_CHARACTER_SET = 0x00080005

CLASS_UIDS = frozenset({SOP_CLASS_UID, 0x00081150})
"""They name a kind of object; a vendor's own kinds are in no dictionary."""

STRIPPED = frozenset(
    {
        0x00120062,  # what an earlier de-identification said, at any depth; `method` writes it anew
        0x00120063,
        0x00120064,
        0x00280303,
        0x04000500,  # Encrypted Attributes Sequence: the originals, for those who have the key
        0x04000510,
        0x04000520,
        0x4FFE0001,  # MAC Parameters Sequence: says how the digital signatures that are gone were made
        0xFFFCFFFC,  # Data Set Trailing Padding
    }
)

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
    Action.CHARSET,
    Action.CLASS_UID,
    Action.UID,
    Action.SUBJECT,
    Action.DUMMY,
    Action.EMPTY,
    Action.REMOVE,
)

_BY_VR: dict[str, Action] = {
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


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with an attribute and the name of the reason: a table's code, or a rule of this module."""

    action: Action
    name: str


def resolve(code: ActionCode, tag: int, sop_class_uid: str) -> Action:  # noqa: ARG001 - the IOD will decide by them
    """The one action of a code (PS3.15 E.1.1): toward what removes most while any IOD's object stays valid.

    `tag` and `sop_class_uid` are what tells the attribute's Type once module tables are there to ask.
    """
    match code:
        case ActionCode.REMOVE:
            return Action.REMOVE
        case ActionCode.ZERO | ActionCode.REMOVE_OR_ZERO:
            return Action.EMPTY
        case ActionCode.DUMMY | ActionCode.ZERO_OR_DUMMY | ActionCode.REMOVE_OR_DUMMY | ActionCode.REMOVE_ZERO_OR_DUMMY:
            return Action.DUMMY
        case ActionCode.UID:
            return Action.UID
        case ActionCode.REMOVE_ZERO_OR_UIDS:
            return Action.KEEP
        case _:
            raise ConfigurationError(f"the Basic Profile has no action code {code}")


@lru_cache(maxsize=16384)
def rule_for(tag: int, encoded_vr: str, sop_class_uid: str, unlisted: Action) -> Rule:
    """The rule for an attribute that was encoded with `encoded_vr` (empty where the encoding has none)."""
    if tag & 0xFFFF == 0:
        return Rule(Action.REMOVE, "group length")
    if tag in STRIPPED:
        return Rule(Action.REMOVE, "stripped")
    if tag in {PATIENT_NAME, PATIENT_ID}:
        return Rule(Action.SUBJECT, "subject")
    row = confidentiality_table().row_for(tag)
    if row is not None:
        if is_private(tag):
            return Rule(Action.REMOVE, "private")
        return Rule(_for_content(resolve(row.basic, tag, sop_class_uid), tag, encoded_vr), row.basic)
    return _unlisted_rule(tag, encoded_vr, unlisted)


def _for_content(action: Action, tag: int, encoded_vr: str) -> Action:
    # Keeping a row's sequence for the UIDs in it makes sense only where there is a sequence.
    if action is Action.KEEP and (encoded_vr or known_vr(tag)) != "SQ":
        return Action.REMOVE
    return action


def _unlisted_rule(tag: int, encoded_vr: str, unlisted: Action) -> Rule:
    group = tag >> 16
    if group in {0x0000, 0x0002}:
        return Rule(Action.REMOVE, "command or file meta element in a data set")
    if 0x6000 <= group <= 0x60FF:
        return Rule(Action.REMOVE, "rest of an overlay")
    if 0x7F00 <= group <= 0x7FFF and group != 0x7FE0:
        return Rule(Action.REMOVE, "variable pixel data")
    vr = known_vr(tag)
    if not vr:
        return Rule(Action.REMOVE, "not in the dictionary")
    if vr == "SQ" or encoded_vr == "SQ":
        same = vr == "SQ" and encoded_vr in {"", "SQ"}
        return Rule(Action.KEEP, "recurse") if same else Rule(Action.REMOVE, "wrong VR")
    if tag == SPECIFIC_CHARACTER_SET:
        return Rule(Action.CHARSET, "character set")
    if tag in CLASS_UIDS:
        return Rule(Action.CLASS_UID, "class UID")
    found = _by_vr(tag, vr, unlisted)
    if encoded_vr and encoded_vr not in {vr, "UN"} and encoded_vr not in vr.split(" or "):
        found = max(found, _by_vr(tag, encoded_vr, unlisted), key=lambda rule: _SEVERITY.index(rule.action))
    return found


def _by_vr(tag: int, vr: str, unlisted: Action) -> Rule:
    if tag in BULK:
        return Rule(Action.KEEP, "samples")
    if vr in _BY_VR and tag != URN_CODE_VALUE:
        return Rule(_BY_VR[vr], f"unlisted {vr}")
    if tag in STRUCTURAL or tag >> 16 in STRUCTURAL_GROUPS:
        return Rule(Action.KEEP, "structural")
    return Rule(unlisted, "unlisted")
