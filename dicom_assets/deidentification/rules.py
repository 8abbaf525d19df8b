"""Which rule applies to an attribute: overrides first, then options and table, then what is done without a row."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from dicom_assets.deidentification.action import Action, ActionCode
from dicom_assets.deidentification.beyond_table import (
    CONTENT,
    CONTENT_TEXTS,
    GRAPHICS,
    GRAPHICS_TEXTS,
    PRESENTATION_STATES,
    STATE_TEXTS,
)
from dicom_assets.deidentification.compound_codes import resolve
from dicom_assets.deidentification.dates import DATE_VRS
from dicom_assets.deidentification.descriptors import CODE_ATTRIBUTES, WhiteLists
from dicom_assets.deidentification.dictionary import is_private, known_vr
from dicom_assets.deidentification.iod import attribute_type
from dicom_assets.deidentification.options import COLUMNS, DATE_OPTIONS, Option
from dicom_assets.deidentification.overrides import ANYWHERE, Override
from dicom_assets.deidentification.rule import TEXT_VRS, Rule
from dicom_assets.deidentification.safe_private import SafePrivate
from dicom_assets.deidentification.table import Row, confidentiality_table
from dicom_assets.deidentification.unlisted import UNLISTED, as_required, unlisted_rule

if TYPE_CHECKING:
    from dicom_assets.deidentification.profile import Profile

PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020

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

PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
ICON_IMAGE_SEQUENCE = 0x00880200
"""The only one whose items have pixels; elsewhere nobody would look at them."""

BEFORE_DATA_SETS = frozenset({0x0000, 0x0002})
"""Groups of elements that have their place before a data set (PS3.7 6.3, PS3.10 7.1), never in it."""


class RuleBook:
    """The rules of one profile for one SOP Class, looked up by tag, encoded VR and place."""

    def __init__(self, profile: Profile, sop_class_uid: str) -> None:
        """Compile nothing yet: each rule is made when it is first asked for."""
        self._profile = profile
        self._sop_class_uid = sop_class_uid
        self.white_lists = WhiteLists(profile.white_lists)
        self.safe_private = SafePrivate(profile.safe_private)
        self.keeps_private = Option.RETAIN_SAFE_PRIVATE in profile.options
        self.private_dates = _private_dates(profile.options)
        cleaned = profile.white_lists if Option.CLEAN_DESCRIPTORS in profile.options else ()
        self._cleaned_unlisted = frozenset(listed.tag for listed in cleaned) - CODE_ATTRIBUTES
        self._overrides = {(o.path, o.tag): o for o in profile.overrides}
        self._rules: dict[tuple[int, str, tuple[int, ...]], Rule] = {}
        self._cleaned_paths: dict[tuple[int, ...], bool] = {}

    @property
    def profile(self) -> Profile:
        """The profile whose rules these are."""
        return self._profile

    def rule(self, tag: int, encoded_vr: str, path: tuple[int, ...] = ()) -> Rule:
        """The rule for an attribute that was encoded with `encoded_vr` (empty where the encoding has none).

        `path` holds the tags of the sequences around it, outermost first.
        """
        key = tag, encoded_vr, path
        found = self._rules.get(key)
        if found is None:
            found = self._rules[key] = self._find(tag, encoded_vr, path)
        return found

    def cleans_text(self, path: tuple[int, ...]) -> bool:
        """Whether text that no row names is cleaned in the items of the sequence at the end of `path`.

        So it is where the profile says so, and within a sequence that is there only to be cleaned.
        """
        if self._profile.unlisted is Action.CLEAN or Option.CLEAN_DESCRIPTORS not in self._profile.options:
            return self._profile.unlisted is Action.CLEAN
        found = self._cleaned_paths.get(path)
        if found is None:
            rules = (self._by_table(tag, "SQ", path[:depth]) for depth, tag in enumerate(path))
            described = (rule.option is Option.CLEAN_DESCRIPTORS and rule.action is Action.KEEP for rule in rules)
            found = self._cleaned_paths[path] = any(described)
        return found

    def _find(self, tag: int, encoded_vr: str, path: tuple[int, ...]) -> Rule:
        if tag & 0xFFFF == 0:
            return Rule(Action.REMOVE, "group length")
        if tag in STRIPPED:
            return Rule(Action.REMOVE, "stripped")
        if tag in PIXELS and path and path[-1] != ICON_IMAGE_SEQUENCE:
            return Rule(Action.REMOVE, "pixels in an item")
        if tag >> 16 in BEFORE_DATA_SETS:
            return Rule(Action.REMOVE, "command or file meta element in a data set")
        override = self._overrides.get((path, tag)) or self._overrides.get((ANYWHERE, tag))
        if override is not None:
            return self._overridden(override, encoded_vr)
        return self._by_table(tag, encoded_vr, path)

    def _by_table(self, tag: int, encoded_vr: str, path: tuple[int, ...]) -> Rule:
        if tag in {PATIENT_NAME, PATIENT_ID}:
            return Rule(Action.SUBJECT, "subject")
        row = confidentiality_table().row_for(tag)
        if row is None:
            return self._by_option_alone(tag) or self._unlisted(tag, encoded_vr, path)
        if is_private(tag):
            return Rule(Action.PRIVATE if self.keeps_private else Action.REMOVE, "private")
        basic = Rule(_for_content(resolve(row.basic, tag, self._sop_class_uid, path), tag, encoded_vr), row.basic)
        return self._by_options(row, encoded_vr, basic)

    def _unlisted(self, tag: int, encoded_vr: str, path: tuple[int, ...]) -> Rule:
        unlisted = self._profile.unlisted
        if unlisted is Action.KEEP and self.cleans_text(path):
            unlisted = Action.CLEAN
        rule = as_required(
            unlisted_rule(tag, encoded_vr, self._profile, unlisted), attribute_type(self._sop_class_uid, path, tag)
        )
        if tag in self._cleaned_unlisted and rule.name.startswith(UNLISTED) and encoded_vr in TEXT_VRS | {"", "UN"}:
            otherwise = rule.action if rule.action in {Action.DUMMY, Action.EMPTY} else Action.REMOVE
            return Rule(Action.CLEAN, "white list", otherwise, option=Option.CLEAN_DESCRIPTORS)
        return rule

    def _by_options(self, row: Row, encoded_vr: str, basic: Rule) -> Rule:
        # Where options disagree, cleaning wins over keeping: what one asks to be looked at is not kept unseen.
        vr = _agreed_vr(row.vr, encoded_vr)
        codes = {option: row.options[COLUMNS[option]] for option in self._active if COLUMNS[option] in row.options}
        for wanted in (ActionCode.CLEAN, ActionCode.KEEP):
            for option, code in codes.items():
                if code is wanted:
                    action = option_action(option, code, vr)
                    if action is Action.CLEAN and encoded_vr not in TEXT_VRS | {"", "UN"}:
                        action = None
                    if action is not None:
                        return Rule(action, code, basic.action, option=option)
        return basic

    def _by_option_alone(self, tag: int) -> Rule | None:
        # What the text of PS3.15 E.3.3 and E.3.4 reaches beyond the table.
        options = self._profile.options
        if tag in CONTENT and Option.CLEAN_STRUCTURED_CONTENT in options:
            return Rule(Action.CONTENT, "E.3.4", option=Option.CLEAN_STRUCTURED_CONTENT)
        if tag in CONTENT_TEXTS and Option.CLEAN_STRUCTURED_CONTENT in options:
            return Rule(Action.REMOVE, "E.3.4 text", option=Option.CLEAN_STRUCTURED_CONTENT)
        if Option.CLEAN_GRAPHICS not in options:
            return None
        texts = GRAPHICS_TEXTS
        if self._sop_class_uid.startswith(PRESENTATION_STATES):
            texts = texts | STATE_TEXTS
        if tag in texts:
            return Rule(texts[tag], "E.3.3 text", option=Option.CLEAN_GRAPHICS)
        if tag in GRAPHICS or 0x6000 <= tag >> 16 <= 0x60FF:
            return Rule(Action.GRAPHICS, "E.3.3", option=Option.CLEAN_GRAPHICS)
        return None

    @property
    def _active(self) -> list[Option]:
        return [option for option in Option if option in self._profile.options and option in COLUMNS]

    def _overridden(self, override: Override, encoded_vr: str) -> Rule:
        # What the override can't be carried out on is not kept: the person expected it to be changed.
        without = self._by_table(override.tag, encoded_vr, override.path)
        otherwise = next((a for a in (without.action, without.otherwise) if a in _FINAL), Action.REMOVE)
        return Rule(override.action, "override", otherwise, override.argument, accepted=override.accepted_risk != "")


def _private_dates(options: frozenset[Option]) -> Rule:
    # Private dates have no row: they go, or move with all others.
    retaining = next((o for o in (Option.RETAIN_MODIFIED_DATES, Option.RETAIN_FULL_DATES) if o in options), None)
    return Rule(Action.SHIFT if retaining else Action.REMOVE, "private", option=retaining)


def option_action(option: Option, code: ActionCode, vr: str) -> Action | None:
    """What an option's code means for an attribute of a VR (PS3.15 E.3); None where the Basic Profile's code stays.

    `vr` is empty where table and encoding disagree. A sequence is kept so that the rules reach what is inside.
    Dates of devices are left to the options about dates: Retain Device Identity alone keeps none, though the table
    would, since (0028,0303) then says that dates were removed. A time stamp in an OB can't be moved.
    """
    if option in DATE_OPTIONS and vr in {*DATE_VRS, "SH"}:
        return Action.SHIFT
    if option is Option.RETAIN_MODIFIED_DATES or vr in DATE_VRS:
        return None
    if option is Option.CLEAN_STRUCTURED_CONTENT:
        return Action.CONTENT
    if option is Option.CLEAN_GRAPHICS:
        return Action.GRAPHICS
    if not vr:
        return None
    if vr == "SQ":
        return Action.KEEP
    if code is ActionCode.KEEP:
        return Action.AGE if vr == "AS" else Action.KEEP
    if vr == "AE":
        return Action.HASH
    return Action.CLEAN if vr in TEXT_VRS else None


@lru_cache(maxsize=512)
def rule_book(profile: Profile, sop_class_uid: str) -> RuleBook:
    """The one rule book of a profile for a SOP Class, its rules found before."""
    return RuleBook(profile, sop_class_uid)


_STRINGS = TEXT_VRS | DATE_VRS | {"AE", "AS", "DS", "IS", "PN", "UI", "UR"}
_FINAL = frozenset({Action.DUMMY, Action.EMPTY, Action.REMOVE, Action.UID})


def _agreed_vr(listed: str, encoded_vr: str) -> str:
    """The table's VR, if the encoding's is that or none, or both are of strings; else empty."""
    if encoded_vr in {"", "UN"} or {listed, encoded_vr} <= _STRINGS:
        return listed
    return encoded_vr if listed in {"", encoded_vr} else ""


def _for_content(action: Action, tag: int, encoded_vr: str) -> Action:
    # Keeping a row's sequence for the UIDs in it makes sense only where there is a sequence.
    if action is Action.KEEP and (encoded_vr or known_vr(tag)) != "SQ":
        return Action.REMOVE
    return action
