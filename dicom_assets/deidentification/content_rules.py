"""Which rule applies to a content item (PS3.15 E.3.4): by Table E.3.4-1, else by its value type."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from dicom_assets.deidentification.action import Action, ActionCode
from dicom_assets.deidentification.codes import Concept, concept_of
from dicom_assets.deidentification.content_table import ContentRow, content_table
from dicom_assets.deidentification.encoded import DataSet
from dicom_assets.deidentification.options import COLUMNS, Option
from dicom_assets.deidentification.rule import Rule
from dicom_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_assets.deidentification.profile import Profile

REFERENCES = frozenset({"IMAGE", "COMPOSITE", "WAVEFORM"})
DATES = frozenset({"DATE", "TIME", "DATETIME"})
COORDINATES = frozenset({"SCOORD", "SCOORD3D", "TCOORD"})
CONCEPT_NAME, VALUE_TYPE = 0x0040A043, 0x0040A040
CONTENT_DATES = {0x0040A120: "DATETIME", 0x0040A121: "DATE"}
"""The attributes that hold a content item's date, and its value type."""
NO_VALUE = ""
"""The value type of an annotation that is a concept name and nothing else."""

BIRTH_DATES = frozenset({("121031", "dcm"), ("184099003", "sct"), ("F-03F56", "srt"), ("21112-8", "ln")})
AGES = frozenset(
    {
        ("121033", "dcm"),
        ("30525-0", "ln"),
        ("29553-5", "ln"),
        ("63900-5", "ln"),
        ("424144002", "sct"),
        ("397669002", "sct"),
    }
)
"""Concepts of a person's age; what is measured in years is taken for one too."""

_DATE_OPTIONS = frozenset({Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES})


@lru_cache(maxsize=4096)
def content_rule(code: str, scheme: str, value_type: str, profile: Profile) -> Rule:
    """The rule for a content item whose concept name is `code` of `scheme`.

    REMOVE takes the item and everything below it. DUMMY and UID replace its value. KEEP leaves a reference, a number
    or a code in its place; the UIDs of a reference are the affair of the attributes' own rules.
    """
    rows = content_table().rows_for(code, scheme)
    row = rows.get(value_type)
    if row is not None:
        return _by_options(row, profile)
    if value_type == "NUM" and rows:
        # What the table names as a text or an identifier does not become harmless by being written as a number.
        basic = _basic_action(next(iter(rows.values())), value_type)
        return Rule(basic, "E.3.4-1 of another value type")
    return _by_value_type(Concept(code, scheme), value_type, profile)


def date_stays(tag: int, item: DataSet, profile: Profile) -> bool:
    """Whether an option about dates may reach an attribute of `item`: not a birth date that an item of content tells.

    So it is without Clean Structured Content, too. What has neither concept name nor value type is no content item.
    """
    name = item.elements.get(CONCEPT_NAME)
    if tag not in CONTENT_DATES or (name is None and VALUE_TYPE not in item.elements):
        return True
    concept = concept_of(name.items if name is not None else None)
    return content_rule(concept.code, concept.scheme, CONTENT_DATES[tag], profile).action is Action.SHIFT


def _by_options(row: ContentRow, profile: Profile) -> Rule:
    # As with attributes, cleaning wins over keeping where options disagree.
    basic = _basic_action(row, row.value_type)
    active = [option for option in Option if option in profile.options and option in COLUMNS]
    codes = {option: row.options[COLUMNS[option]] for option in active if COLUMNS[option] in row.options}
    for wanted in (ActionCode.CLEAN, ActionCode.KEEP):
        for option, code in codes.items():
            if code is wanted:
                return Rule(_option_action(row.value_type, code), f"E.3.4-1 {code}", basic, option=option)
    return Rule(basic, f"E.3.4-1 {row.basic}")


def _basic_action(row: ContentRow, value_type: str) -> Action:
    match row.basic:
        case ActionCode.REMOVE:
            return Action.REMOVE
        case ActionCode.DUMMY | ActionCode.REMOVE_OR_DUMMY:
            # A template may require the item, so X/D means D.
            return _dummy(value_type)
    raise ConfigurationError(f"the structured content table has no action code {row.basic}")


def _dummy(value_type: str) -> Action:
    if value_type == "UIDREF":
        return Action.UID
    return Action.KEEP if value_type in REFERENCES else Action.DUMMY


def _option_action(value_type: str, code: ActionCode) -> Action:
    if value_type in DATES:
        return Action.SHIFT
    return Action.CLEAN if code is ActionCode.CLEAN else Action.KEEP


def _by_value_type(concept: Concept, value_type: str, profile: Profile) -> Rule:
    name = f"unlisted {value_type or 'annotation'} item"
    if value_type in DATES:
        return _unlisted_date(concept, name, profile)
    if value_type == "TEXT" and Option.CLEAN_DESCRIPTORS in profile.options:
        return Rule(Action.CLEAN, name, Action.DUMMY, option=Option.CLEAN_DESCRIPTORS)
    if value_type in {"TEXT", "PNAME"}:
        return Rule(Action.DUMMY, name)
    if value_type == "UIDREF":
        retained = Option.RETAIN_UIDS in profile.options
        return Rule(Action.KEEP if retained else Action.UID, name, option=Option.RETAIN_UIDS if retained else None)
    if value_type in REFERENCES | COORDINATES | {"CODE", "NUM", "CONTAINER", NO_VALUE}:
        return Rule(Action.KEEP, name)
    return Rule(Action.REMOVE, "unknown value type")


def _unlisted_date(concept: Concept, name: str, profile: Profile) -> Rule:
    # Under a local concept name a date may be anybody's birth date.
    birth_date = (concept.code, concept.scheme.casefold()) in BIRTH_DATES
    if birth_date or not concept.public or not profile.options & _DATE_OPTIONS:
        return Rule(Action.DUMMY, name)
    modified = Option.RETAIN_MODIFIED_DATES in profile.options
    option = Option.RETAIN_MODIFIED_DATES if modified else Option.RETAIN_FULL_DATES
    return Rule(Action.SHIFT, name, Action.DUMMY, option=option)
