"""The action codes of Table E.1-1, resolved by the Type of an attribute in its IOD (PS3.15 E.1.1)."""

from __future__ import annotations

from dicom_assets.deidentification.action import Action, ActionCode
from dicom_assets.deidentification.iod import NEEDS_PRESENCE, NEEDS_VALUE, attribute_type
from dicom_assets.errors import ConfigurationError

_PLAIN = {
    ActionCode.REMOVE: Action.REMOVE,
    ActionCode.DUMMY: Action.DUMMY,
    ActionCode.UID: Action.UID,
    ActionCode.REMOVE_ZERO_OR_UIDS: Action.KEEP,
}

_COMPOUND: dict[ActionCode, tuple[Action, Action, Action, Action]] = {
    # for an attribute of Type 1 or 1C, of Type 2 or 2C, of Type 3, of a Type that is not known
    ActionCode.ZERO: (Action.DUMMY, Action.EMPTY, Action.EMPTY, Action.EMPTY),
    ActionCode.ZERO_OR_DUMMY: (Action.DUMMY, Action.EMPTY, Action.EMPTY, Action.DUMMY),
    ActionCode.REMOVE_OR_ZERO: (Action.DUMMY, Action.EMPTY, Action.REMOVE, Action.EMPTY),
    ActionCode.REMOVE_OR_DUMMY: (Action.DUMMY, Action.EMPTY, Action.REMOVE, Action.DUMMY),
    ActionCode.REMOVE_ZERO_OR_DUMMY: (Action.DUMMY, Action.EMPTY, Action.REMOVE, Action.DUMMY),
}
"""Zero codes permit a dummy (PS3.15 E.1.1), so they give way to a Type that asks for a value."""


def resolve(code: ActionCode, tag: int, sop_class_uid: str, path: tuple[int, ...] = ()) -> Action:
    """The one action of a code (PS3.15 E.1.1), after the attribute's Type in the instance's IOD.

    `path` holds the tags of the sequences around the attribute, outermost first. Where the Type is not known,
    what keeps any IOD's object valid. The standard asks for X/Z/U* sequences of Type 1 only; they stay, their UIDs
    replaced, whatever the Type, so that the instances of a study still find each other.
    """
    if code in _PLAIN:
        return _PLAIN[code]
    if code not in _COMPOUND:
        raise ConfigurationError(f"the Basic Profile has no action code {code}")
    needed = attribute_type(sop_class_uid, path, tag)
    value, presence, otherwise, unknown = _COMPOUND[code]
    if needed is None:
        return unknown
    if needed in NEEDS_VALUE:
        return value
    return presence if needed in NEEDS_PRESENCE else otherwise
