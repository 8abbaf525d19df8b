"""What C-STORE response statuses mean (PS3.4 Tables B.2-1 and GG.4-1, PS3.7 9.1.1.1.9), in an operator's words."""

from __future__ import annotations

from pydicom.uid import UID

from dicom_assets.adapters.pacs.plane.statuses import RESOURCE_LIMITATION, SUCCESS, UNABLE_TO_PROCESS
from dicom_assets.study import StoreOutcome

STORED_WITH_WARNING = frozenset({0xB000, 0xB006, 0xB007})
"""Stored, with elements coerced or discarded or not as the SOP Class wants them, which the receiver mentions."""

_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_DATA_SET_DOES_NOT_MATCH = range(0xA900, 0xAA00)

_OUT_OF_RESOURCES_TEXT = "it is out of resources: look at its disk space and its database"
_MAY_PASS = {0x0210: "the message was taken for a duplicate", RESOURCE_LIMITATION: "a limit of its resources was met"}
_STAYS = {
    0x0105: "an attribute is not one that it knows",
    0x0106: "an attribute has a value that it does not allow",
    0x0110: "it failed to process the instance",
    0x0111: "it has the instance already, and refuses it again",
    0x0117: "it does not like the SOP Instance UID",
    0x0118: "it does not know the SOP Class",
    0x0119: "it takes the instance for one of another SOP Class",
    0x0120: "an attribute is missing",
    0x0121: "an attribute has no value",
    0x0122: "it does not store this SOP Class",
    0x0124: "we are not authorized to store there",
    0x0211: "it does not know C-STORE",
    0x0212: "it does not like the form of the request",
}


def outcome_of(sop_instance_uid: str, status: int, *, transcoded_to: str = "") -> StoreOutcome:
    """What a C-STORE response says of an instance; a status of no known meaning is a refusal for good."""
    if status == SUCCESS or status in STORED_WITH_WARNING:
        return StoreOutcome(sop_instance_uid, transcoded_to=transcoded_to)
    meaning, may_pass = _meaning_of(status)
    return StoreOutcome(sop_instance_uid, f"refused with status 0x{status:04X} ({meaning})", may_pass)


def _meaning_of(status: int) -> tuple[str, bool]:
    if status in _OUT_OF_RESOURCES:
        return _OUT_OF_RESOURCES_TEXT, True
    if status in _MAY_PASS:
        return _MAY_PASS[status], True
    if status in _DATA_SET_DOES_NOT_MATCH:
        return "to it, the data set does not match its SOP Class", False
    if status in UNABLE_TO_PROCESS:
        return "it can't understand the instance, or failed to keep it", False
    return _STAYS.get(status, "which has no known meaning"), False


def not_accepted(sop_instance_uid: str, sop_class_uid: str, transfer_syntax_uid: str, why: str = "") -> StoreOutcome:
    """An instance for which the PACS accepted no presentation context; `why` says what else was tried in vain."""
    problem = f"not accepted: SOP Class {named(sop_class_uid)} in transfer syntax {named(transfer_syntax_uid)}"
    return StoreOutcome(sop_instance_uid, f"{problem}, {why}" if why else problem)


def named(uid: str) -> str:
    """A UID of the standard with its name; any other as it is."""
    name = UID(uid).name
    return uid if name == uid else f"{name} ({uid})"
