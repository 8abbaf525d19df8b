"""Private attributes that are known to be safe (PS3.15 E.3.10): by creator and element, wherever its block lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.datadict import private_dictionary_VR

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.derivation import MAXIMUM_UID_LENGTH
from dicom_assets.deidentification.dictionary import AMBIGUOUS
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.safe_private_table import safe_private_table
from dicom_assets.deidentification.uids import split_uids

_SHORT_TEXT = frozenset({"CS", "LO", "SH"})
_NUMBER_TEXT = frozenset({"DS", "IS"})
_BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_SIZES = {"AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8}
_DATES = frozenset({"DA", "DT", "TM"})
_NUMERIC = frozenset(b"0123456789+-.eE\\ \0")
KNOWN_VRS = frozenset({"SQ", "UI", *_SHORT_TEXT, *_NUMBER_TEXT, *_BULK, *_SIZES})
"""What a profile may say an element is; of the other VRs nothing is kept."""


@dataclass(frozen=True, slots=True)
class SafeAddition:
    """What a profile knows to be safe beyond the table, and why.

    `elements` are last two digits of element numbers; `vr` holds where the encoding tells none and is empty where
    pydicom's private dictionary is to be asked.
    """

    creator: str
    group: int
    elements: tuple[int, ...]
    reason: str
    vr: str = ""


class SafePrivate:
    """The standard's table and a profile's additions."""

    def __init__(self, additions: Iterable[SafeAddition] = ()) -> None:
        """Index the additions."""
        self._additions = {
            (addition.creator, addition.group, element): addition.vr
            for addition in additions
            for element in addition.elements
        }

    def vr_of(self, element: Element, data_set: DataSet) -> str | None:
        """The VR as which a private element of `data_set` is known to be safe; None if it is not known to be.

        What the encoding says has to go with what is known; where it says nothing, what is known holds.
        """
        creator = data_set.private_creator(element.tag)
        known = self._known(creator, element.tag) if creator else None
        if known is None:
            return None
        encoded = "SQ" if element.items is not None else element.vr
        if encoded in {"", "UN"}:
            return known or None
        return _agreed(known, encoded) if known else encoded

    def _known(self, creator: str, tag: int) -> str | None:
        listed = safe_private_table().vr(creator, tag)
        if listed is not None:
            return _concrete(listed)
        added = self._additions.get((creator, tag >> 16, tag & 0xFF))
        return added or _dictionary_vr(creator, tag) if added is not None else None


def _dictionary_vr(creator: str, tag: int) -> str:
    try:
        vr = private_dictionary_VR(tag, creator)
    except KeyError:
        return ""
    return "" if vr == "UN" else _concrete(vr.replace(" or ", "/"))


def _concrete(vr: str) -> str:
    # Which of the two words it is matters to nothing here: both are samples of two bytes.
    return "OW" if vr == "OW/OB" or vr.replace("/", " or ") in AMBIGUOUS else vr.partition("/")[0]


def _agreed(known: str, encoded: str) -> str | None:
    if known == encoded:
        return encoded
    for kind in (_SHORT_TEXT, _NUMBER_TEXT, _BULK, frozenset(_SIZES)):
        if known in kind and encoded in kind:
            return encoded
    # One of them says that it is a number: then it has to be one.
    both_text = _SHORT_TEXT | _NUMBER_TEXT
    return "DS" if known in both_text and encoded in both_text else None


def private_action(vr: str, value: bytes, dates: Action) -> Action:
    """What is done with the value of a private element that is known to be safe, and no sequence.

    Names, free text and ages are never kept. `dates` is what the profile does with dates and times.
    """
    if vr in _DATES:
        return dates
    if vr == "UI":
        uids = split_uids(value)
        usable = all(len(uid) <= MAXIMUM_UID_LENGTH and uid.isprintable() for uid in uids)
        return Action.UID if usable else Action.REMOVE
    if vr in _NUMBER_TEXT:
        return Action.KEEP if set(value) <= _NUMERIC else Action.REMOVE
    if vr in _SIZES:
        return Action.REMOVE if len(value) % _SIZES[vr] else Action.KEEP
    return Action.KEEP if vr in _SHORT_TEXT | _BULK else Action.REMOVE


def put_creators(cleaned: DataSet, original: DataSet) -> None:
    """Give every block of which an element is left its private creator element (PS3.5 7.8.1)."""
    for tag in [tag for tag in cleaned.elements if tag >> 16 & 1 and original.private_creator(tag)]:
        cleaned.put(original.elements[tag & 0xFFFF0000 | tag >> 8 & 0xFF])
