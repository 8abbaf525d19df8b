"""Applies the rules to a data set, at every depth."""

from __future__ import annotations

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.dictionary import concrete_vr, is_private, known_vr
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.profile import Profile
from dicom_assets.deidentification.rules import rule_for
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets.deidentification.text import defined_charset
from dicom_assets.deidentification.uids import is_well_formed, replace_uids, split_uids
from dicom_assets.deidentification.values import dummy_value, is_structural
from dicom_assets.study import Subject

FIRST_DATA_SET_TAG = 0x00040000
_NUMERIC = frozenset(b"0123456789+-.eE\\ \0")


class Cleaner:
    """The rules at work on one instance. `originals` collects the UIDs that were replaced."""

    def __init__(self, profile: Profile, subject: Subject, uids: UidReplacer, sop_class_uid: str) -> None:
        """Clean for `subject`, an instance of `sop_class_uid`."""
        self._profile = profile
        self._subject = subject
        self._uids = uids
        self._sop_class_uid = sop_class_uid
        self.originals: set[str] = set()

    def clean(self, original: DataSet) -> DataSet:
        """What may leave of a data set."""
        cleaned = self._data_set(original, dummied=False)
        # Command and file meta elements belong before a file's data set (PS3.10 7.1), never in it.
        cleaned.elements = {tag: element for tag, element in cleaned.elements.items() if tag >= FIRST_DATA_SET_TAG}
        return cleaned

    def _replace(self, uid: str) -> str:
        self.originals.add(uid)
        return self._uids(uid)

    def _data_set(self, original: DataSet, *, dummied: bool) -> DataSet:
        cleaned = DataSet(undefined=original.undefined)
        for element in original.elements.values():
            kept = self._element(element, dummied=dummied)
            if kept is not None:
                cleaned.put(kept)
        return cleaned

    def _element(self, element: Element, *, dummied: bool) -> Element | None:
        vr = "SQ" if element.items is not None else element.vr
        action = rule_for(element.tag, vr, self._sop_class_uid, self._profile.unlisted).action
        if dummied and confidentiality_table().row_for(element.tag) is None:
            action = self._inside_dummy(element, action)
        match action:
            case Action.REMOVE:
                return None
            case Action.EMPTY:
                return self._empty(element)
            case Action.DUMMY:
                return self._dummy(element)
            case Action.SUBJECT:
                return self._ours(element, self._subject.patient_id.encode("ascii"))
            case Action.UID:
                return self._ours(element, replace_uids(bytes(element.value), self._replace))
            case Action.CLASS_UID:
                well_formed = all(is_well_formed(uid) for uid in split_uids(bytes(element.value)))
                return element if well_formed else None
            case Action.CHARSET:
                terms = defined_charset(bytes(element.value))
                return None if terms is None else Element(element.tag, "CS", terms)
        return self._keep(element, dummied=dummied)

    def _inside_dummy(self, element: Element, action: Action) -> Action:
        # What the table does not name has no place in a dummied sequence: its form stays, its content does not.
        if action in {Action.SUBJECT, Action.UID, Action.CLASS_UID, Action.CHARSET} or element.items is not None:
            return action
        if not known_vr(element.tag) or known_vr(element.tag) == "SQ" or is_private(element.tag):
            return Action.REMOVE
        if element.tag & 0xFFFF == 0 or (action is Action.KEEP and is_structural(element.tag, bytes(element.value))):
            return action
        return Action.REMOVE if action is Action.REMOVE and self._is_never_kept(element.tag) else Action.DUMMY

    def _is_never_kept(self, tag: int) -> bool:
        name = rule_for(tag, "", self._sop_class_uid, self._profile.unlisted).name
        return not name.startswith(("unlisted", "samples", "structural"))

    def _keep(self, element: Element, *, dummied: bool) -> Element | None:
        if element.items is not None:
            items = [self._data_set(item, dummied=dummied) for item in element.items]
            return Element(element.tag, "SQ", items=items, undefined=element.undefined)
        vr = element.vr if element.vr not in {"", "UN"} else known_vr(element.tag)
        if vr in {"DS", "IS"} and not set(bytes(element.value)) <= _NUMERIC:
            return Element(element.tag, self._vr_of(element), ours=True)  # not a number, so it might be anything
        return None if known_vr(element.tag) == "SQ" and len(element.value) else element

    def _empty(self, element: Element) -> Element:
        vr = self._vr_of(element)
        return Element(element.tag, vr, items=[] if vr == "SQ" else None, ours=True)

    def _dummy(self, element: Element) -> Element:
        vr = self._vr_of(element)
        if vr == "SQ":
            items = [self._data_set(item, dummied=True) for item in element.items or ()]
            return Element(element.tag, "SQ", items=items, undefined=element.undefined)
        if vr == "UI" and element.items is None and bytes(element.value).strip(b" \0"):
            return self._ours(element, replace_uids(bytes(element.value), self._replace))
        return Element(element.tag, vr, dummy_value(vr), ours=True)

    def _ours(self, element: Element, value: bytes) -> Element:
        return Element(element.tag, self._vr_of(element), value, ours=True)

    def _vr_of(self, element: Element) -> str:
        row = confidentiality_table().row_for(element.tag)
        listed = known_vr(element.tag) or (row.vr if row is not None else "")
        return concrete_vr(listed) or element.vr or "UN"
