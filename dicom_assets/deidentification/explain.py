"""What would happen to each attribute of an instance, and by which rule; no value is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.cleaner import Cleaner, Place
from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.dictionary import keyword, known_vr, tag_text
from dicom_assets.deidentification.encoded import DataSet, Element, EncodingError, Reader
from dicom_assets.deidentification.outcome import RefusedError, UnreadableInstanceError
from dicom_assets.deidentification.part10 import open_part10
from dicom_assets.deidentification.profile import Profile
from dicom_assets.deidentification.rule import Rule
from dicom_assets.deidentification.rules import RuleBook, rule_book
from dicom_assets.deidentification.structured_content import CONCEPT_NAME, PREPARATION, VALUES, item_rule
from dicom_assets.deidentification.unlisted import SOP_CLASS_UID
from dicom_assets.study import Subject

VALUE_TAGS = frozenset(tag for tags in VALUES.values() for tag in tags)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One attribute. `depth` counts the sequences around it; `effect` is what is seen, `rule` why."""

    depth: int
    tag: str
    vr: str
    keyword: str
    action: str
    rule: str
    option: str
    effect: str


def explain_instance(source: BinaryIO, profile: Profile, subject: Subject, uids: UidReplacer) -> Iterator[Explanation]:
    """Explain every attribute of the data set, in its order, nested ones below their sequence.

    Quarantine is another matter: this tells of attributes even where the instance would be kept back.

    Raises:
        UnreadableInstanceError: the file is not DICOM or not whole.
        OSError: the source failed.
    """
    source.seek(0)
    try:
        part10 = open_part10(source.read())
        original, _ = Reader(part10.data, part10.encoding).data_set()
        rules = rule_book(profile, original.value(SOP_CLASS_UID).strip(b" \0").decode("latin-1"))
        cleaned = Cleaner(rules, subject, uids, little=part10.encoding.little).clean(original)
    except (EncodingError, RefusedError) as error:
        raise UnreadableInstanceError(f"not a readable DICOM file: {error}") from None
    yield from _data_set(original, cleaned, rules, Place())


def _data_set(
    original: DataSet, cleaned: DataSet, rules: RuleBook, place: Place, item: Rule | None = None
) -> Iterator[Explanation]:
    """`item` is the rule of the content item that the data set is."""
    for element in original.elements.values():
        kept = cleaned.elements.get(element.tag)
        vr = "SQ" if element.items is not None else element.vr
        rule = rules.rule(element.tag, vr, place.path)
        if item is not None and (item.action is Action.REMOVE or element.tag in VALUE_TAGS) and rule.name != "override":
            rule = item
        yield _explanation(element, kept, rule, len(place.path))
        inner = place.inside(element.tag)
        if rule.action is Action.CONTENT and element.tag not in {CONCEPT_NAME, PREPARATION}:
            yield from _content(element, kept, rules, inner)
        elif kept is not None and kept.items is not None and len(kept.items) == len(element.items or []):
            for one, other in zip(element.items or [], kept.items, strict=True):
                yield from _data_set(one, other, rules, inner)


def _content(element: Element, kept: Element | None, rules: RuleBook, place: Place) -> Iterator[Explanation]:
    ruled = [(item, item_rule(item, place, rules.profile)[2]) for item in element.items or []]
    left = iter((kept.items if kept is not None else None) or [])
    if sum(rule.action is not Action.REMOVE for _, rule in ruled) != len((kept.items if kept else None) or []):
        return  # one went because of another: which is which can't be told any more
    for item, rule in ruled:
        cleaned = DataSet() if rule.action is Action.REMOVE else next(left)
        yield from _data_set(item, cleaned, rules, place, rule)


def _explanation(element: Element, kept: Element | None, rule: Rule, depth: int) -> Explanation:
    return Explanation(
        depth=depth,
        tag=tag_text(element.tag),
        vr=element.vr or known_vr(element.tag) or "UN",
        keyword=keyword(element.tag),
        action=rule.action,
        rule=rule.name,
        option=rule.option or "",
        effect=_effect(element, kept),
    )


def _effect(element: Element, kept: Element | None) -> str:
    if kept is None:
        return "removed"
    if kept.items is not None and element.items is not None:
        return "kept, cleaned inside" if kept.items or not element.items else "emptied"
    before, after = bytes(element.value).rstrip(b" \0"), bytes(kept.value).rstrip(b" \0")
    if before == after and kept.items is None:
        return "unchanged"
    return "replaced" if after else "emptied"
