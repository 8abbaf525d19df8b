"""What the walk does with each attribute: the rule book's answers, asked for once and kept as steps."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.cleaner import ANY_UID, FIRST_DATA_SET_TAG, Cleaner, Place
from dicom_assets.deidentification.content_rules import CONTENT_DATES
from dicom_assets.deidentification.dictionary import concrete_vr, is_private, known_vr
from dicom_assets.deidentification.encoded import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ITEM_END,
    LONG_VRS,
    SHORT_VRS,
    DataSet,
    Element,
    is_listed_sequence,
)
from dicom_assets.deidentification.fast.memory import Memory
from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.pixels import PIXEL_TAGS
from dicom_assets.deidentification.profile import Profile
from dicom_assets.deidentification.residual import IDENTIFYING
from dicom_assets.deidentification.rules import RuleBook
from dicom_assets.deidentification.text import SPECIFIC_CHARACTER_SET
from dicom_assets.deidentification.values import STRUCTURAL_TAGS, VALUE_BYTES
from dicom_assets.deidentification.writer import Writer
from dicom_assets.errors import DicomAssetsError

if TYPE_CHECKING:
    from dicom_assets.deidentification.fast.blocks import BlockPlan

COPY, NUMBER, REPLACE = range(3)
"""What the walk does without a further look: leave the bytes, leave them if they are a number, write others."""
HANDLED = 3
NOTED_REPLACE, UID, CLASS_UID, CHARSET, SUBJECT, VALUE = range(HANDLED, 9)
SEQUENCE, DUMMIED, GONE, PRIVATE, GROUP, PIXELS, SLOW = range(9, 16)
NOTED, NOTED_CHARSET, NOTED_PRIVATE, END, ALONE, DESCRIBED = range(16, 22)

OUTCOME_UIDS = frozenset({0x00080018, 0x0020000D, 0x0020000E})
"""What is written for them becomes part of the outcome."""

ELEMENT_WISE = frozenset(
    {
        Option.RETAIN_FULL_DATES,
        Option.RETAIN_MODIFIED_DATES,
        Option.RETAIN_PATIENT_CHARACTERISTICS,
        Option.RETAIN_DEVICE_IDENTITY,
        Option.CLEAN_DESCRIPTORS,
        Option.CLEAN_STRUCTURED_CONTENT,
        Option.CLEAN_GRAPHICS,
        Option.RETAIN_SAFE_PRIVATE,
        Option.RETAIN_INSTITUTION_IDENTITY,
        Option.RETAIN_UIDS,
    }
)
"""Options that decide about an element, given its data set, or about a private group. Another may look further."""

_KNOWN_ACTIONS = frozenset(
    {Action.KEEP, Action.REMOVE, Action.EMPTY, Action.DUMMY, Action.UID, Action.CLASS_UID, Action.SUBJECT}
    | {Action.CHARSET, Action.REPLACE, Action.SHIFT, Action.AGE, Action.HASH, Action.CLEAN, Action.CONTENT}
    | {Action.GRAPHICS}
)
_BY_VALUE = frozenset({Action.SHIFT, Action.AGE, Action.HASH, Action.CLEAN})
_BY_NEIGHBOURS = frozenset({Action.GRAPHICS, Action.PRIVATE})
"""Actions that look at other elements of the data set."""
_MOST_STEPS = 1 << 13
_VRS = {vr.encode("ascii"): vr for vr in LONG_VRS | SHORT_VRS}


Doing = tuple[int, bytes, bool]
"""Kind, prefix and width of a step."""


class OddError(DicomAssetsError):
    """This file, or what it holds, is not for the fast path; the message names the reason in general terms."""


class Step(NamedTuple):
    """What is done with an element: `kind` is one of the constants above.

    `header` and `size` are the bytes of its header and of all of it; a size of 0 stands where the length is not among
    the header's first eight bytes. `prefix` is what is written in its place: all of it where nothing depends on the
    value (nothing at all, where it is removed), else what comes before the length, which takes four bytes if `wide`.
    """

    tag: int
    kind: int
    size: int
    header: int
    prefix: bytes = b""
    wide: bool = False


class Plan:
    """The steps at one place, by the first eight bytes of an element: tag, VR where there is one, length mostly."""

    def __init__(
        self, rules: RuleBook | None, place: Place, *, implicit: bool, learned: Counter[str] | None = None
    ) -> None:
        """Know no step yet. Without rules it is the plan for what is removed: only identifiers are noted there."""
        self.steps: dict[bytes, Step] = {}
        self.place = place
        self.implicit = implicit
        self.top = not place.path and rules is not None
        self.rules = rules
        self.learned = learned if learned is not None else Counter()
        self.memory = Memory()
        self.creators = DataSet()
        self.blocks: dict[bytes, BlockPlan] = {}
        self._inside: dict[tuple[int, bool], Plan] = {}

    @property
    def removed(self) -> Plan:
        """The plan for what is inside a sequence that is removed."""
        return _plan_for_removed(implicit=self.implicit)

    def inside(self, tag: int, *, dummied: bool = False) -> Plan:
        """The plan for the items of a sequence."""
        if self.rules is None:
            return self
        found = self._inside.get((tag, dummied))
        if found is None:
            place = self.place.inside(tag, dummied=dummied)
            found = self._inside[tag, dummied] = Plan(self.rules, place, implicit=self.implicit, learned=self.learned)
            found.memory = self.memory
        return found

    def place_in(self, charset: bytes) -> Place:
        """The place, in a data set for which this value of (0008,0005) is in force."""
        return Place(self.place.path, self.place.dummied, charset)

    def trim(self) -> None:
        """Forget everything if odd files have made it large."""
        if self.learned.total() > _MOST_STEPS:
            self.steps.clear()
            self._inside.clear()
            self.blocks.clear()
            self.memory.forget()
            self.learned.clear()

    def learn(self, key: bytes, cleaner: Cleaner) -> Step:
        """The step for what begins with `key`.

        Raises:
            OddError: it is for the thorough path.
        """
        self.count()
        found = self.steps[key] = self._step(key, cleaner)
        return found

    def count(self) -> None:
        """Take note that something was learned.

        Raises:
            OddError: it is too much.
        """
        self.learned["steps"] += 1
        if self.learned["steps"] > 2 * _MOST_STEPS:
            raise OddError("more kinds of elements than any object has")

    def _step(self, key: bytes, cleaner: Cleaner) -> Step:
        if len(key) < 8:
            raise OddError("truncated")
        tag = int.from_bytes(key[:2], "little") << 16 | int.from_bytes(key[2:4], "little")
        vr = "" if self.implicit else _VRS.get(key[4:6], "?")
        if tag == ITEM_END and not any(key[4:]):
            return Step(tag, END, 8, 8)
        if tag >> 16 == 0xFFFE or vr == "?" or (self.top and tag < FIRST_DATA_SET_TAG):
            raise OddError("a delimiter, a VR or an element out of place")
        if vr in LONG_VRS and any(key[6:]):
            raise OddError("reserved bytes that are not zero")
        if vr == "UN" and is_listed_sequence(tag):
            raise OddError("a sequence encoded as UN")
        size = 0 if vr in LONG_VRS else 8 + int.from_bytes(key[4 if self.implicit else 6 :], "little")
        if self.rules is None:
            kind, prefix, wide = _kind_when_removed(tag, vr), b"", False
        else:
            kind, prefix, wide = self._by_rule(Element(tag, vr), cleaner)
            value_bytes = VALUE_BYTES.get(concrete_vr(vr or known_vr(tag)))
            if kind == NUMBER and value_bytes:
                kind = COPY if size and (size - 8) % value_bytes == 0 else VALUE
        return Step(tag, kind, size, 12 if size == 0 else 8, prefix, wide)

    def _by_rule(self, element: Element, cleaner: Cleaner) -> Doing:
        tag, private = element.tag, is_private(element.tag)
        if not private and (element.vr == "SQ" or (self.implicit and is_listed_sequence(tag))):
            element.items = []
        if private and cleaner.rules.keeps_private and not self.place.dummied:
            return GROUP, b"", False
        action, rule = cleaner.action(element, self.place)
        if private and self.place.dummied:
            action = Action.REMOVE
        if action not in _KNOWN_ACTIONS:
            raise OddError("an action that needs more than one element")
        if private:
            opened = cleaner.action(Element(tag, element.vr, items=[]), self.place)[0]
            if action is not Action.REMOVE or (opened is not Action.REMOVE and not self.place.dummied):
                raise OddError("a private element that stays")
            return (PRIVATE if element.vr in {"", "SQ", "UN"} else REPLACE), b"", False
        if tag == SPECIFIC_CHARACTER_SET and (action is not Action.CHARSET or element.vr not in {"", "CS"}):
            raise OddError("an unusual rule for the character set")
        if self.top and tag in PIXEL_TAGS:
            if action is not Action.KEEP or rule.name == "override":
                raise OddError("pixels that do not stay as they are")
            return PIXELS, b"", False
        if element.items is not None:
            return self._of_sequence(element, action, cleaner)
        told_in_outcome = self.top and tag in OUTCOME_UIDS and action is not Action.UID
        answered_for = action is Action.KEEP and rule.accepted
        if told_in_outcome or answered_for or element.vr == "UN" or (tag in CONTENT_DATES and action is Action.SHIFT):
            return SLOW, b"", False
        if action in _BY_VALUE and tag < SPECIFIC_CHARACTER_SET:
            raise OddError("text before its character set")
        by_value = action in _BY_VALUE or (action is Action.KEEP and rule.option is not None) or tag == ANY_UID
        if by_value or (self.place.dummied and (action is Action.DUMMY or tag in STRUCTURAL_TAGS)):
            return VALUE, b"", False
        return self._of_value(element, action, cleaner)

    def _of_sequence(self, element: Element, action: Action, cleaner: Cleaner) -> Doing:
        if action is Action.KEEP:
            inner = self.place.inside(element.tag).path
            if self.place.dummied or not cleaner.rules.cleans_text(inner):
                return SEQUENCE, b"", False
            kind = self._as_a_whole(element, cleaner)
            return DESCRIBED if kind == ALONE else kind, b"", False
        if action not in {Action.REMOVE, Action.EMPTY, Action.DUMMY}:
            return self._as_a_whole(element, cleaner), b"", False
        kept = self._sample(element, cleaner)
        if action in {Action.REMOVE, Action.EMPTY}:
            return GONE, self._encoded(kept), False
        dummied = action is Action.DUMMY and kept is not None and kept.items is not None
        return DUMMIED if dummied else SLOW, b"", False

    def _as_a_whole(self, element: Element, cleaner: Cleaner) -> int:
        action, rule = cleaner.action(element, self.place)
        by_neighbours = not _BY_NEIGHBOURS.isdisjoint({action, rule.otherwise})
        return SLOW if by_neighbours or element.tag < SPECIFIC_CHARACTER_SET else ALONE

    def _of_value(self, element: Element, action: Action, cleaner: Cleaner) -> Doing:
        tag, noted = element.tag, element.tag in IDENTIFYING
        match action:
            case Action.KEEP if not noted:
                vr = concrete_vr(element.vr or known_vr(tag))
                of_numbers = vr in {"DS", "IS"} or vr in VALUE_BYTES
                return (SLOW if is_listed_sequence(tag) else NUMBER if of_numbers else COPY), b"", False
            case Action.REMOVE | Action.EMPTY | Action.DUMMY | Action.REPLACE:
                kept = self._sample(element, cleaner)
                if kept is None or (kept.items is None and not (action is Action.DUMMY and kept.vr == "UI")):
                    return (NOTED_REPLACE if noted else REPLACE), self._encoded(kept), False
            case Action.UID | Action.SUBJECT | Action.CHARSET:
                kept = self._sample(element, cleaner)
                kind = {Action.UID: UID, Action.SUBJECT: SUBJECT, Action.CHARSET: CHARSET}[action]
                if kept is not None and kept.items is None:
                    return (kind, *self._prefix(kept))
            case Action.CLASS_UID:
                return CLASS_UID, b"", False
        return SLOW, b"", False

    def _sample(self, element: Element, cleaner: Cleaner) -> Element | None:
        # What these actions write depends on the attribute and on the subject, never on the value.
        return cleaner.element(element, DataSet(), self.place)

    def _writer(self) -> Writer:
        return Writer(IMPLICIT_LITTLE if self.implicit else EXPLICIT_LITTLE)

    def _encoded(self, element: Element | None) -> bytes:
        writer = self._writer()
        if element is not None:
            writer.element(element)
        return bytes(writer.buffer)

    def _prefix(self, element: Element) -> tuple[bytes, bool]:
        writer = self._writer()
        writer.header(element.tag, element.vr, 0)
        wide = self.implicit or element.vr in LONG_VRS
        return bytes(writer.buffer[: -4 if wide else -2]), wide


def is_for_the_walk(profile: Profile) -> bool:
    """Whether the walk knows what the profile's options ask for."""
    return profile.options <= ELEMENT_WISE


def _kind_when_removed(tag: int, vr: str) -> int:
    if is_private(tag):
        return NOTED_PRIVATE if vr in {"", "SQ", "UN"} else COPY
    if vr == "SQ" or (not vr and is_listed_sequence(tag)):
        return SEQUENCE
    if tag == SPECIFIC_CHARACTER_SET:
        if vr not in {"", "CS"}:
            raise OddError("an unusual VR of the character set")
        return NOTED_CHARSET
    return NOTED if tag in IDENTIFYING else COPY


@lru_cache(maxsize=32)
def plan_for(rules: RuleBook, *, implicit: bool) -> Plan:
    """The one plan of a rule book, its steps learned before."""
    return Plan(rules, Place(), implicit=implicit)


@lru_cache(maxsize=2)
def _plan_for_removed(*, implicit: bool) -> Plan:
    return Plan(None, Place(), implicit=implicit)
