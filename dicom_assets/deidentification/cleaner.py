"""Applies the rules to a data set, at every depth."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.dictionary import concrete_vr, fewest_and_most_values, is_private, known_vr
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.rules import Rule, RuleBook
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets.deidentification.text import defined_charset
from dicom_assets.deidentification.uids import is_well_formed, replace_uids, split_uids
from dicom_assets.deidentification.values import DUMMY_UID, count_values, dummy_values, has_form_of, is_structural
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import Subject

FIRST_DATA_SET_TAG = 0x00040000
PARTS_OF_INSTANCES = frozenset({0x00081160, 0x0062000B})
"""Referenced Frame Number and Referenced Segment Number: no dummy is one, and without them all is referred to."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an element stands: the sequences around it, outermost first, and whether one of them is a dummy."""

    path: tuple[int, ...] = ()
    dummied: bool = False

    def inside(self, tag: int, *, dummied: bool = False) -> Place:
        """The place of what is in the items of a sequence."""
        return Place((*self.path, tag), self.dummied or dummied)


class Cleaner:
    """The rules at work on one instance. `originals` collects the UIDs that were replaced."""

    def __init__(self, rules: RuleBook, subject: Subject, uids: UidReplacer) -> None:
        """Clean for `subject` by `rules`."""
        self._rules = rules
        self._subject = subject
        self._uids = uids
        self.originals: set[str] = set()

    def clean(self, original: DataSet) -> DataSet:
        """What may leave of a data set."""
        cleaned = self.data_set(original, Place())
        # Command and file meta elements belong before a file's data set (PS3.10 7.1), never in it.
        cleaned.elements = {tag: element for tag, element in cleaned.elements.items() if tag >= FIRST_DATA_SET_TAG}
        return cleaned

    def data_set(self, original: DataSet, place: Place) -> DataSet:
        """What may leave of the data set at a place."""
        cleaned = DataSet(undefined=original.undefined)
        for element in original.elements.values():
            kept = self.element(element, original, place)
            if kept is not None:
                cleaned.put(kept)
        return cleaned

    def element(self, element: Element, original: DataSet, place: Place) -> Element | None:
        """What may leave of an element of `original`; None for nothing."""
        vr = "SQ" if element.items is not None else element.vr
        rule = self._rules.rule(element.tag, vr, place.path)
        action = rule.action
        if place.dummied and confidentiality_table().row_for(element.tag) is None:
            action = self._inside_dummy(element, rule.action, place)
        return self._carry_out(action, rule, element, original, place)

    def _carry_out(
        self,
        action: Action,
        rule: Rule,
        element: Element,
        original: DataSet,  # noqa: ARG002 - private elements need the block's creator
        place: Place,
    ) -> Element | None:
        match action:
            case Action.REMOVE:
                return None
            case Action.KEEP:
                return self._keep(element, place, accepted=rule.name == "override")
            case Action.EMPTY:
                return self._empty(element)
            case Action.DUMMY:
                return self._dummy(element, place)
            case Action.SUBJECT:
                return self._ours(element, self._subject.patient_id.encode("ascii"))
            case Action.UID:
                return self._ours(element, replace_uids(bytes(element.value), self.replace_uid))
            case Action.CLASS_UID:
                well_formed = all(is_well_formed(uid) for uid in split_uids(bytes(element.value)))
                return element if well_formed else self._ours(element, DUMMY_UID)
            case Action.CHARSET:
                terms = defined_charset(bytes(element.value))
                return None if terms is None else Element(element.tag, "CS", terms)
            case Action.REPLACE:
                return self._ours(element, rule.argument.encode("ascii"))
        raise ConfigurationError(f"the engine does not carry out the action {action}")

    def replace_uid(self, uid: str) -> str:
        """The replacement of a UID, which is remembered as an original."""
        self.originals.add(uid)
        return self._uids(uid)

    def _inside_dummy(self, element: Element, action: Action, place: Place) -> Action:
        # What the table does not name has no place in a dummied sequence: its form stays, its content does not.
        if action in {Action.SUBJECT, Action.UID, Action.CLASS_UID, Action.CHARSET} or element.items is not None:
            return action
        if not known_vr(element.tag) or known_vr(element.tag) == "SQ" or is_private(element.tag):
            return Action.REMOVE
        if element.tag in PARTS_OF_INSTANCES:
            return Action.REMOVE
        if element.tag & 0xFFFF == 0 or (action is Action.KEEP and is_structural(element.tag, bytes(element.value))):
            return action
        name = self._rules.rule(element.tag, "", place.path).name
        never_kept = not name.startswith(("unlisted", "samples", "structural"))
        return Action.REMOVE if action is Action.REMOVE and never_kept else Action.DUMMY

    def _keep(self, element: Element, place: Place, *, accepted: bool) -> Element | None:
        if element.items is not None:
            return self._items(element, place.inside(element.tag))
        if accepted:
            # The residual scan does not hold against an instance what a person answers for.
            return Element(element.tag, self._vr_of(element), element.value, ours=True)
        vr = element.vr if element.vr not in {"", "UN"} else known_vr(element.tag)
        if not has_form_of(concrete_vr(vr), element.value):
            return Element(element.tag, self._vr_of(element), ours=True)  # not a number, so it might be anything
        return None if known_vr(element.tag) == "SQ" and len(element.value) else element

    def _items(self, element: Element, place: Place) -> Element:
        items = [self.data_set(item, place) for item in element.items or ()]
        return Element(element.tag, "SQ", items=items, undefined=element.undefined)

    def _empty(self, element: Element) -> Element:
        vr = self._vr_of(element)
        return Element(element.tag, vr, items=[] if vr == "SQ" else None, ours=True)

    def _dummy(self, element: Element, place: Place) -> Element:
        vr = self._vr_of(element)
        if vr == "SQ":
            return self._items(element, place.inside(element.tag, dummied=True))
        if vr == "UI" and element.items is None and bytes(element.value).strip(b" \0"):
            return self._ours(element, replace_uids(bytes(element.value), self.replace_uid))
        return Element(element.tag, vr, dummy_values(vr, self._count(element, vr, place)), ours=True)

    def _count(self, element: Element, vr: str, place: Place) -> int:
        # In a dummied sequence other attributes say how many values there have to be: two for a segment, four for
        # a circle. Elsewhere the number of values is nobody's business.
        fewest, most = fewest_and_most_values(element.tag)
        if not place.dummied:
            return fewest
        count = max(fewest, count_values(vr, bytes(element.value)))
        return count if most is None else min(count, most)

    def _ours(self, element: Element, value: bytes) -> Element:
        return Element(element.tag, self._vr_of(element), value, ours=True)

    def _vr_of(self, element: Element) -> str:
        row = confidentiality_table().row_for(element.tag)
        listed = known_vr(element.tag) or (row.vr if row is not None else "")
        return concrete_vr(listed) or element.vr or "UN"
