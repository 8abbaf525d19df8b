"""Clean Structured Content (PS3.15 E.3.4): what may leave of content items, one at a time and as a tree.

An item that is removed takes what is below it along. Items that refer to others by their position (PS3.3 C.17.3.2.5)
follow them to their new one, or go with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.codes import Concept, clean_codes, concept_of, dummy_code
from dicom_assets.deidentification.content_ages import cap_age
from dicom_assets.deidentification.content_rules import DATES, NO_VALUE, REFERENCES, content_rule
from dicom_assets.deidentification.content_tree import CONTENT_SEQUENCE, REFERENCED_ITEM, ContentTree
from dicom_assets.deidentification.dictionary import known_vr
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.rule import Rule
from dicom_assets.deidentification.text import SPECIFIC_CHARACTER_SET
from dicom_assets.deidentification.values import dummy_value, is_structural

if TYPE_CHECKING:
    from dicom_assets.deidentification.cleaner import Cleaner, Place
    from dicom_assets.deidentification.profile import Profile

CONCEPT_NAME = 0x0040A043
PREPARATION, PREPARATION_STEPS = 0x00400610, 0x00400612
ACQUISITION_CONTEXT = 0x00400555
RELATIONSHIP_TYPE, VALUE_TYPE = 0x0040A010, 0x0040A040
MEASURED_VALUE, UNITS = 0x0040A300, 0x004008EA
TEXT_VALUE, UNFORMATTED_TEXT = 0x0040A160, 0x00700006
CODE_VALUES = 0x0040A168
TEMPLATE, TEMPLATE_IDENTIFIER, MAPPING_RESOURCE = 0x0040A504, 0x0040DB00, 0x00080105
NUMERIC_VALUE = 0x0040A30A
OTHER_NUMBERS = frozenset({0x0040A161, 0x0040A162, 0x0040A163})
"""Floating Point, Rational Numerator and Rational Denominator Value: the numeric value, told again."""

VALUES: dict[str, tuple[int, ...]] = {
    "TEXT": (TEXT_VALUE, UNFORMATTED_TEXT),
    "PNAME": (0x0040A123,),
    "DATE": (0x0040A121,),
    "TIME": (0x0040A122,),
    "DATETIME": (0x0040A120,),
    "UIDREF": (0x0040A124,),
    "CODE": (CODE_VALUES,),
    "NUM": (MEASURED_VALUE, NUMERIC_VALUE),
    **dict.fromkeys(REFERENCES, (0x00081199,)),
}
"""The attributes that hold the value of an item of a type; an annotation's has no Value Type and tells it by them."""

_TEXTS = frozenset({"TEXT", "PNAME", "UIDREF"}) | DATES
_CODES = frozenset({CONCEPT_NAME, CODE_VALUES, UNITS, 0x0040A301, 0x0040A195})
_NUMBERS = frozenset(
    {
        0x0040A0B0,  # Referenced Waveform Channels
        0x0040A132,  # Referenced Sample Positions
        0x0040A136,  # Referenced Frame Numbers
        0x0040A138,  # Referenced Time Offsets
        0x0040A180,  # Annotation Group Number
        NUMERIC_VALUE,
        *OTHER_NUMBERS,
        0x00700022,  # Graphic Data
    }
)
_RULED = frozenset(
    {0x00081199, 0x0040A032, 0x0040A033, 0x0040A13A, 0x0040A171, 0x30060024, 0x0070031A, SPECIFIC_CHARACTER_SET}
)
"""Attributes of an item whose own rules are the right ones: references, dates and UIDs of observations, charset."""
_TERMS: dict[int, frozenset[bytes]] = {
    0x0040A130: frozenset({b"POINT", b"MULTIPOINT", b"SEGMENT", b"MULTISEGMENT", b"BEGIN", b"END"}),
    0x00480301: frozenset({b"FRAME", b"VOLUME"}),
    0x00700023: frozenset(
        {b"POINT", b"MULTIPOINT", b"POLYLINE", b"POLYGON", b"CIRCLE", b"ELLIPSE", b"ELLIPSOID", b"MULTILINE"}
    ),
}
"""The defined terms of Temporal Range Type, Pixel Origin Interpretation and Graphic Type."""

_ON_ANY_ITEM = frozenset(
    {RELATIONSHIP_TYPE, VALUE_TYPE, CONCEPT_NAME, TEMPLATE, 0x0040A032, 0x0040A033, 0x0040A171, SPECIFIC_CHARACTER_SET}
)
_IN_TIME = frozenset({0x0040A0B0, 0x0040A130, 0x0040A132, 0x0040A136, 0x0040A138, 0x0040A13A, 0x0040A180})
_ON_TYPE: dict[str, frozenset[int]] = {
    "CONTAINER": frozenset({0x0040A050}),
    "NUM": OTHER_NUMBERS | {UNITS, 0x0040A301, 0x0040A195},
    "CODE": frozenset({0x0040A195}),
    "SCOORD": frozenset({0x00700022, 0x00700023, 0x00480301, 0x0070031A}),
    "SCOORD3D": frozenset({0x00700022, 0x00700023, 0x30060024, 0x0070031A}),
    "TCOORD": frozenset({0x0040A130, 0x0040A132, 0x0040A138, 0x0040A13A}),
}
_IN_MEASURED_VALUE = OTHER_NUMBERS | {NUMERIC_VALUE, UNITS}


def clean_content(element: Element, place: Place, cleaner: Cleaner) -> Element | None:
    """What may leave of a sequence of content items, of preparation steps, or of a concept name."""
    if element.tag == CONCEPT_NAME:
        return _code_sequence(element, name=True)
    inside = place.inside(element.tag)
    items = element.items or []
    if element.tag == PREPARATION:
        cleaned = [step for item in items if (step := _preparation(item, inside, cleaner)) is not None]
    else:
        tree = ContentTree(items, inside, lambda item, where: clean_item(item, where, cleaner), little=cleaner.little)
        cleaned = tree.cleaned()
    if not cleaned and element.tag not in {PREPARATION, ACQUISITION_CONTEXT}:
        return None  # they are absent where there is nothing to say; these two may be empty (PS3.3 C.7.6.14, C.7.6.22)
    return Element(element.tag, "SQ", items=cleaned, undefined=element.undefined)


def _preparation(item: DataSet, place: Place, cleaner: Cleaner) -> DataSet | None:
    cleaned = DataSet(undefined=item.undefined)
    for element in item.elements.values():
        kept = cleaner.element(element, item, place)
        if kept is not None:
            cleaned.put(kept)
    return cleaned if PREPARATION_STEPS in cleaned.elements else None


def clean_item(item: DataSet, place: Place, cleaner: Cleaner) -> DataSet | None:
    """What may leave of one content item, without the items below it; None where it goes, and they with it."""
    value_type, concept, rule = item_rule(item, place, cleaner.rules.profile)
    if rule.action is Action.REMOVE:
        return None
    if _is_by_reference(item):
        cleaned = _only(item, frozenset({RELATIONSHIP_TYPE, REFERENCED_ITEM}), place, cleaner)
        return cleaned if REFERENCED_ITEM in cleaned.elements else None
    wanted = _ON_ANY_ITEM | _IN_TIME | _ON_TYPE.get(value_type, frozenset()) | {*VALUES.get(value_type, ())}
    cleaned = DataSet(undefined=item.undefined)
    for element in item.elements.values():
        kept = _value_or_other(element, item, value_type, rule, wanted, place, cleaner)
        if kept is not None:
            cleaned.put(kept)
        elif element.tag in VALUES.get(value_type, ()):
            return None  # an item without its value is none
    return cap_age(cleaned, concept, little=cleaner.little) if value_type == "NUM" else cleaned


def item_rule(item: DataSet, place: Place, profile: Profile) -> tuple[str, Concept, Rule]:
    """The value type and concept name of an item of the sequence at `place`, and the rule for it."""
    if RELATIONSHIP_TYPE in item.elements and not is_structural(RELATIONSHIP_TYPE, item.value(RELATIONSHIP_TYPE)):
        return NO_VALUE, Concept(), Rule(Action.REMOVE, "unknown relationship")
    if _is_by_reference(item):
        return NO_VALUE, Concept(), Rule(Action.KEEP, "by-reference item")
    value_type = value_type_of(item, annotation=place.path[-1] != CONTENT_SEQUENCE)
    if value_type is None:
        return NO_VALUE, Concept(), Rule(Action.REMOVE, "unknown value type")
    name = item.elements.get(CONCEPT_NAME)
    concept = concept_of(name.items if name is not None else None)
    return value_type, concept, content_rule(concept.code, concept.scheme, value_type, profile)


def _is_by_reference(item: DataSet) -> bool:
    return REFERENCED_ITEM in item.elements and VALUE_TYPE not in item.elements


def value_type_of(item: DataSet, *, annotation: bool) -> str | None:
    """The value type that an item has, or that its value tells; None for one that is not known."""
    if VALUE_TYPE in item.elements:
        declared = item.value(VALUE_TYPE)
        known = is_structural(VALUE_TYPE, declared)
        return declared.strip(b" \0").decode("ascii") if known else None
    for value_type, tags in VALUES.items():
        if not item.elements.keys().isdisjoint(tags):
            return value_type
    return NO_VALUE if annotation and CONCEPT_NAME in item.elements else None


def _value_or_other(
    element: Element,
    item: DataSet,
    value_type: str,
    rule: Rule,
    wanted: frozenset[int],
    place: Place,
    cleaner: Cleaner,
) -> Element | None:
    own = cleaner.rules.rule(element.tag, "SQ" if element.items is not None else element.vr, place.path)
    if own.name == "override":
        return cleaner.apply(own, element, item, place)
    if element.tag not in wanted or (rule.action is Action.DUMMY and element.tag in OTHER_NUMBERS):
        return None
    if element.tag in VALUES.get(value_type, ()) and (value_type in _TEXTS or rule.action is Action.DUMMY):
        return _value(element, rule, item, place, cleaner)
    return _form(element, item, place, cleaner)


def _value(element: Element, rule: Rule, item: DataSet, place: Place, cleaner: Cleaner) -> Element | None:
    if element.tag == CODE_VALUES:
        return Element(element.tag, "SQ", items=[dummy_code()])
    if element.tag == MEASURED_VALUE:
        return _measured(element, place, cleaner, dummied=True)
    same_vr = element.vr in {"", "UN", known_vr(element.tag)}
    if element.items is not None or (rule.action is Action.KEEP and not same_vr):
        return None
    return cleaner.apply(rule, element, item, place)


def _form(element: Element, item: DataSet, place: Place, cleaner: Cleaner) -> Element | None:
    """What gives an item its form, and values that are numbers, codes or references."""
    if element.tag in _RULED:
        return cleaner.element(element, item, place)
    if element.tag in _CODES:
        return _code_sequence(element, name=element.tag == CONCEPT_NAME)
    if element.tag == TEMPLATE:
        return _template(element)
    if element.tag == MEASURED_VALUE:
        return _measured(element, place, cleaner)
    if element.items is not None:
        return None
    if element.tag in _NUMBERS:
        same_vr = element.vr in {"", "UN", known_vr(element.tag)}
        return cleaner.apply(Rule(Action.KEEP, "content"), element, item, place) if same_vr else None
    term = bytes(element.value).strip(b" \0")
    return element if is_structural(element.tag, term) or term in _TERMS.get(element.tag, ()) else None


def _template(element: Element) -> Element | None:
    # A template of the standard's own resource is named by a number; what names others might be anything.
    item = (element.items or [DataSet()])[0]
    resource, identifier = (item.value(tag).strip(b" \0") for tag in (MAPPING_RESOURCE, TEMPLATE_IDENTIFIER))
    if resource != b"DCMR" or not identifier.isdigit():
        return None
    cleaned = DataSet(undefined=item.undefined)
    cleaned.put(Element(MAPPING_RESOURCE, "CS", resource))
    cleaned.put(Element(TEMPLATE_IDENTIFIER, "CS", identifier))
    return Element(element.tag, "SQ", items=[cleaned], undefined=element.undefined)


def _measured(element: Element, place: Place, cleaner: Cleaner, *, dummied: bool = False) -> Element | None:
    if element.items is None:
        return None
    inside = place.inside(element.tag)
    items = [_only(value, _IN_MEASURED_VALUE, inside, cleaner) for value in element.items[:1]]
    for value in items if dummied else ():
        value.elements = {UNITS: value.elements[UNITS]} if UNITS in value.elements else {}
        value.put(Element(NUMERIC_VALUE, "DS", dummy_value("DS"), ours=True))
    return Element(element.tag, "SQ", items=items, undefined=element.undefined)


def _only(item: DataSet, wanted: frozenset[int], place: Place, cleaner: Cleaner) -> DataSet:
    cleaned = DataSet(undefined=item.undefined)
    for element in item.elements.values():
        if element.tag == REFERENCED_ITEM and element.items is None:
            cleaned.put(element)
        elif element.tag in wanted:
            kept = _form(element, item, place, cleaner)
            if kept is not None:
                cleaned.put(kept)
    return cleaned


def _code_sequence(element: Element, *, name: bool = False) -> Element | None:
    if element.items is None:
        return None
    codes = clean_codes(element.items, name=name)
    return Element(element.tag, "SQ", items=codes, undefined=element.undefined)
