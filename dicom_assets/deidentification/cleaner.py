"""Applies the rules to a data set, at every depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.content_rules import date_stays
from dicom_assets.deidentification.dates import DATE_VRS, shift
from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.descriptors import CODE_ATTRIBUTES, is_coded
from dicom_assets.deidentification.dictionary import concrete_vr, fewest_and_most_values, is_private, known_vr
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.graphics import Graphics
from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.retained import has_form, hash_value, told_age
from dicom_assets.deidentification.rule import Rule
from dicom_assets.deidentification.rules import RuleBook
from dicom_assets.deidentification.safe_private import private_action, put_creators
from dicom_assets.deidentification.structured_content import clean_content
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets.deidentification.text import SPECIFIC_CHARACTER_SET, codecs_for, decode, defined_charset
from dicom_assets.deidentification.uids import is_well_formed, replace_uids, split_uids
from dicom_assets.deidentification.values import DUMMY_UID, count_values, dummy_values, has_form_of, is_structural
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import Subject

FIRST_DATA_SET_TAG = 0x00040000
SUBJECT_TAGS = {0x00100010: "PN", 0x00100020: "LO"}
ANY_UID = 0x0040A124
"""UID: the value of a content item, which may be any UID, a device's that an option keeps for one."""
TIMEZONE_OFFSET = 0x00080201
PARTS_OF_INSTANCES = frozenset({0x00081160, 0x0062000B})
"""Referenced Frame Number and Referenced Segment Number: no dummy is one, and without them all is referred to."""
_RETAINING = frozenset({Action.SHIFT, Action.AGE, Action.HASH})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an element stands: the sequences around it, outermost first, and whether one of them is a dummy.

    `charset` is the value of the (0008,0005) that is in force there.
    """

    path: tuple[int, ...] = ()
    dummied: bool = False
    charset: bytes = b""

    def inside(self, tag: int, *, dummied: bool = False) -> Place:
        """The place of what is in the items of a sequence."""
        return Place((*self.path, tag), self.dummied or dummied, self.charset)

    def of(self, data_set: DataSet) -> Place:
        """The same place in a data set that may have a character set of its own."""
        if SPECIFIC_CHARACTER_SET not in data_set.elements:
            return self
        return Place(self.path, self.dummied, data_set.value(SPECIFIC_CHARACTER_SET))


class Cleaner:
    """The rules at work on one instance.

    `originals` collects the UIDs that were replaced, and `mentioned` those replaced where a content item refers to
    anything at all; `kept` those that an option kept.
    """

    def __init__(self, rules: RuleBook, subject: Subject, uids: UidReplacer, *, little: bool = True) -> None:
        """Clean for `subject` by `rules`; `little` tells the byte order of numbers."""
        self._rules = rules
        self.little = little
        self._graphics = Graphics(rules.profile.graphics, little=little)
        self._subject = subject
        self._uids = uids
        self.originals: set[str] = set()
        self.mentioned: set[str] = set()
        self.kept: set[str] = set()
        self.asked = 0
        """How often what was done depended on a UID or a hash: while it stays, the same bytes become the same again."""

    def clean(self, original: DataSet) -> DataSet:
        """What may leave of a data set."""
        cleaned = self.data_set(original, Place())
        self._name_subject(cleaned)
        # Command and file meta elements belong before a file's data set (PS3.10 7.1), never in it.
        cleaned.elements = {tag: element for tag, element in cleaned.elements.items() if tag >= FIRST_DATA_SET_TAG}
        return cleaned

    def _name_subject(self, cleaned: DataSet) -> None:
        # Of Type 2 (PS3.3 C.7.1.1), and what a research PACS files a study under: who lacks them gets them.
        for tag, vr in SUBJECT_TAGS.items():
            if tag not in cleaned.elements and self._rules.rule(tag, vr).action is Action.SUBJECT:
                cleaned.put(Element(tag, vr, self.subject_value(), ours=True))

    @property
    def subject(self) -> Subject:
        """Who stands for the patient."""
        return self._subject

    @property
    def rules(self) -> RuleBook:
        """Which rule applies to which attribute."""
        return self._rules

    def apply(self, rule: Rule, element: Element, original: DataSet, place: Place) -> Element | None:
        """What a rule that was found elsewhere leaves of an element of `original`."""
        return self._carry_out(rule.action, rule, element, original, place)

    def data_set(self, original: DataSet, place: Place) -> DataSet:
        """What may leave of the data set at a place."""
        cleaned = DataSet(undefined=original.undefined)
        place = place.of(original)
        for element in original.elements.values():
            kept = self.element(element, original, place)
            if kept is not None:
                cleaned.put(kept)
        if self._rules.keeps_private:
            put_creators(cleaned, original)
        return cleaned

    def element(self, element: Element, original: DataSet, place: Place) -> Element | None:
        """What may leave of an element of `original`; None for nothing."""
        action, rule = self.action(element, place)
        return self._carry_out(action, rule, element, original, place)

    def action(self, element: Element, place: Place) -> tuple[Action, Rule]:
        """What is done with an element at a place, and the rule that says so."""
        rule = self._rules.rule(element.tag, "SQ" if element.items is not None else element.vr, place.path)
        if place.dummied and confidentiality_table().row_for(element.tag) is None:
            return self._inside_dummy(element, rule, place), rule
        return rule.action, rule

    def _carry_out(
        self,
        action: Action,
        rule: Rule,
        element: Element,
        original: DataSet,
        place: Place,
    ) -> Element | None:
        if action in _RETAINING or (action is Action.KEEP and rule.option and element.items is None):
            return self._retain(rule, element, original, place)
        match action:
            case Action.REMOVE:
                return None
            case Action.KEEP:
                if element.items is not None:
                    return self._sequence(element, rule, original, place)
                return self._keep(element, accepted=rule.accepted)
            case Action.EMPTY:
                return self._empty(element)
            case Action.DUMMY:
                return self._dummy(element, place)
            case Action.SUBJECT:
                return self._ours(element, self.subject_value())
            case Action.UID:
                replace = self._replace_mentioned if element.tag == ANY_UID else self.replace_uid
                return self._ours(element, replace_uids(bytes(element.value), replace))
            case Action.CLASS_UID:
                well_formed = all(is_well_formed(uid) for uid in split_uids(bytes(element.value)))
                return element if well_formed else self._ours(element, DUMMY_UID)
            case Action.CHARSET:
                terms = defined_charset(bytes(element.value))
                return None if terms is None else Element(element.tag, "CS", terms)
            case Action.CLEAN:
                return self._clean(element, rule, original, place)
            case Action.PRIVATE:
                return self._private(element, original, place)
            case Action.REPLACE:
                return self._ours(element, rule.argument.encode("ascii"))
            case Action.CONTENT:
                return self._dummy(element, place) if place.dummied else clean_content(element, place, self)
            case Action.GRAPHICS:
                return self._graphics.clean(element, original, place, self)
        raise ConfigurationError(f"the engine does not carry out the action {action}")

    def subject_value(self) -> bytes:
        """What takes the place of the patient's name and id, of even length."""
        value = self._subject.patient_id.encode("ascii")
        return value + b" " * (len(value) & 1)

    def layer_name(self, name: str) -> str:
        """What a graphic layer of this name is called."""
        return self._hash_text(name)

    def replace_uid(self, uid: str) -> str:
        """The replacement of a UID, which is remembered as an original."""
        self.originals.add(uid)
        self.asked += 1
        return self._uids(uid)

    def _replace_mentioned(self, uid: str) -> str:
        self.mentioned.add(uid)
        self.asked += 1
        return self._uids(uid)

    def _hash_text(self, text: str) -> str:
        self.asked += 1
        return self._uids.hash_text(text)

    @property
    def unwanted(self) -> set[str]:
        """The original UIDs that must not be found in what is written."""
        return self.originals | (self.mentioned - self.kept)

    def _retain(self, rule: Rule, element: Element, original: DataSet, place: Place) -> Element | None:
        """What an option or an override lets through of a value, else what happens otherwise."""
        stays = element.items is None and date_stays(element.tag, original, self._rules.profile)
        retained = self._retained(rule, element, place) if stays else None
        return retained or self._carry_out(rule.otherwise, Rule(rule.otherwise, rule.name), element, original, place)

    def _retained(self, rule: Rule, element: Element, place: Place) -> Element | None:
        value, vr = bytes(element.value), self._vr_of(element)
        if rule.action is Action.KEEP:
            if not has_form(vr, value):
                return None
            if vr == "UI":
                self.kept.update(split_uids(value))
                self.asked += 1
            return element
        if rule.action is Action.HASH:
            hashed = hash_value(vr, decode(value, codecs_for(place.charset)), self._hash_text)
            return None if hashed is None else self._ours(element, hashed)
        if rule.action is Action.AGE:
            age = told_age(value)
            return None if age is None else Element(element.tag, "AS", age)
        days = 0 if rule.option is Option.RETAIN_FULL_DATES else self._subject.date_offset_days
        vr = vr if vr in DATE_VRS or element.tag == TIMEZONE_OFFSET else element.vr
        shifted = shift(vr, value, days)
        # A time of day is in a closed form, in which no identifier hides; neither is what moved the original.
        ours = bool(days) or vr == "TM"
        return None if shifted is None else Element(element.tag, self._vr_of(element), shifted, ours=ours)

    def _inside_dummy(self, element: Element, rule: Rule, place: Place) -> Action:
        action = rule.action
        # What the table does not name has no place in a dummied sequence: its form stays, its content does not.
        if action in {Action.SUBJECT, Action.UID, Action.CLASS_UID, Action.CHARSET} or element.items is not None:
            return action
        if action in _RETAINING or (rule.option and action is not Action.CLEAN):
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

    def _clean(self, element: Element, rule: Rule, original: DataSet, place: Place) -> Element | None:
        known = self._rules.white_lists.know(element.tag, self._vr_of(element), element.value, place.charset)
        if known and element.items is None:
            return element
        otherwise = rule.otherwise if rule.otherwise in {Action.EMPTY, Action.DUMMY} else Action.REMOVE
        return self._carry_out(otherwise, rule, element, original, place)

    def _sequence(self, element: Element, rule: Rule, original: DataSet, place: Place) -> Element | None:
        inner = place.inside(element.tag)
        if place.dummied or not self._rules.cleans_text(inner.path):
            return self._items(element, inner)
        described = [self._described(item, inner) for item in element.items or ()]
        items = [item for item in described if item is not None]
        if described and not items:
            return self._carry_out(rule.otherwise, rule, element, original, place)
        return Element(element.tag, "SQ", items=items, undefined=element.undefined)

    def _described(self, item: DataSet, place: Place) -> DataSet | None:
        if not is_coded(item):
            return self.data_set(item, place)
        if not self._rules.white_lists.code_stays(item, place.of(item).charset):
            return None
        cleaned = self.data_set(item, place)
        for tag in CODE_ATTRIBUTES & item.elements.keys():
            element = item.elements[tag]
            if element.items is None and self._rules.rule(tag, element.vr, place.path).action is Action.CLEAN:
                cleaned.put(element)
        return cleaned

    def _private(self, element: Element, original: DataSet, place: Place) -> Element | None:
        vr = None if place.dummied else self._rules.safe_private.vr_of(element, original)
        if vr is None or (vr == "SQ") != (element.items is not None):
            return None
        dates = self._rules.private_dates
        action = Action.KEEP if vr == "SQ" else private_action(vr, bytes(element.value), dates.action)
        return self._carry_out(action, replace(dates, action=action), element, original, place)

    def _keep(self, element: Element, *, accepted: bool) -> Element | None:
        if accepted:
            # The residual scan does not hold against an instance what a person answers for.
            return Element(element.tag, self._vr_of(element), element.value, ours=True)
        vr = element.vr if element.vr not in {"", "UN"} else known_vr(element.tag)
        if not has_form_of(concrete_vr(vr), element.value):
            return Element(element.tag, self._vr_of(element), ours=True)  # not a number, so it might be anything
        return None if self._vr_of(element) == "SQ" and len(element.value) else element

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
        row = None if is_private(element.tag) else confidentiality_table().row_for(element.tag)
        listed = known_vr(element.tag) or (row.vr if row is not None else "")
        return concrete_vr(listed) or element.vr or "UN"
