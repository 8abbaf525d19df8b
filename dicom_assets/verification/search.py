"""Searches texts for identifiers, each by the rule that suits what it is.

The rules, which keep common words and small numbers from being found everywhere:

* Texts are compared without case, accents and repeated spaces; umlauts also written out.
* A name part of 4 letters or more counts as a whole word in any text. One of 2 or 3 letters, or that is a common word
  (Chest, Brain, Miller: see `CommonWords`), counts only as a whole value or name component of an attribute that tells
  who somebody is, or where another part of the same name stands in the same value, not both being such words. A single
  letter never counts. Of ideographic scripts 2 letters count anywhere.
* A word ends where letters or digits do; one of both that has fewer than 6 characters where both do, as pseudonyms made
  at random hold such a one now and then.
* Two neighbouring parts of a name written together count inside longer words, from 8 letters on.
* A patient ID or accession number counts as a whole word from 4 characters on, from 5 where it is all digits; shorter
  ones, and common words, only as a whole value of an attribute that tells who somebody is.
* Attributes that tell who somebody is: VR PN, groups 0010, 0012 and 0038, Accession Number, Study ID.
* Coded strings (CS, AS) count only as whole values, and numbers, dates and times not at all.
* A telephone number counts by its digits, however they are grouped, without leading zeros; an address line as words.
* A birth date counts in its usual spellings as a whole word of a text.
* A UID counts whole, wherever it stands; one of fewer than 10 characters only as a value of VR UI.
* In a file's path the same counts as in a text.
* In raw bytes count: names from 6 letters on, ids from 6 characters (all digits: 8, no dates), UIDs, contacts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

import ahocorasick

from dicom_assets.verification.identifiers import Identifier, Kind
from dicom_assets.verification.words import fold, is_ideographic, spellings

SHORTEST_WORD = 4
SHORTEST_NUMBER = 5
SHORTEST_MIXED_INSIDE = 6
SHORTEST_UID = 10
SHORTEST_JOINED_NAME = 8
SHORTEST_IN_RAW_BYTES = 6
SHORTEST_NUMBER_IN_RAW_BYTES = 8
SHORTEST_IDEOGRAPHIC_NAME = 2
SHORTEST_IDEOGRAPHIC_IN_RAW_BYTES = 3
_BETWEEN_VALUES = re.compile(r"[\\^=]")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\s()/+.-]+(?=\d)")
_DATE = re.compile(r"(1[89]|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")


class Where(Enum):
    """The sort of place a text comes from."""

    IDENTITY = auto()
    """An attribute that tells who somebody is."""
    TEXT = auto()
    CODE = auto()
    UID = auto()
    PATH = auto()
    RAW = auto()


_TEXTS = frozenset({Where.IDENTITY, Where.TEXT, Where.PATH})


class Strength(Enum):
    """How a needle has to stand in a text to count."""

    INSIDE = auto()
    """Also inside of a longer word."""
    WORD = auto()
    """As a whole word."""
    VALUE = auto()
    """As a whole value or name component that tells who somebody is, or beside another part of its name."""
    UID_VALUE = auto()
    """As a value of VR UI."""


@dataclass(frozen=True, slots=True)
class Needle:
    """A text to find. *Identified*: not to be shown."""

    kind: Kind
    strength: Strength
    in_raw_bytes: bool
    name: int
    """Which name it is a part of; -1 for none."""

    def __repr__(self) -> str:
        """The kind only."""
        return f"Needle({self.kind}, {self.strength.name})"


class Searcher:
    """Finds all identifiers of a folder in one pass over a text."""

    def __init__(self, identifiers: Iterable[Identifier], common: Container[str]) -> None:
        self._common = common
        needles: defaultdict[str, set[Needle]] = defaultdict(set)
        for number, identifier in enumerate(sorted(identifiers, key=lambda one: (one.kind, one.text))):
            for text, needle in _needles(identifier, number, common):
                if text:
                    needles[text].add(needle)
        self.count = len(needles)
        self._automaton = ahocorasick.Automaton()
        for text, found in needles.items():
            self._automaton.add_word(text, (text, tuple(found)))
        if needles:
            self._automaton.make_automaton()

    def find(self, text: str, where: Where) -> set[Kind]:
        """The kinds of identifiers in a text."""
        if not self.count:
            return set()
        folded = fold(text)
        kinds = self._find(folded, where)
        if where in _TEXTS and Kind.CONTACT not in kinds:
            kinds |= self._find(_BETWEEN_DIGITS.sub("", folded), where) & {Kind.CONTACT}
        return kinds

    def _find(self, folded: str, where: Where) -> set[Kind]:
        kinds: set[Kind] = set()
        beside: defaultdict[int, set[tuple[str, bool]]] = defaultdict(set)
        for last, (needle_text, needles) in self._automaton.iter(folded):
            start, end = last + 1 - len(needle_text), last + 1
            for needle in needles:
                if _counts(folded, start, end, needle, where):
                    kinds.add(needle.kind)
                elif needle.name >= 0 and where in _TEXTS and _is_word(folded, start, end):
                    beside[needle.name].add((needle_text, needle_text in self._common))
        if any(len(parts) > 1 and not all(common for _, common in parts) for parts in beside.values()):
            kinds.add(Kind.NAME)
        return kinds


def _needles(identifier: Identifier, number: int, common: Container[str]) -> Iterator[tuple[str, Needle]]:
    match identifier.kind:
        case Kind.NAME:
            yield from _name_needles(identifier, number, common)
        case Kind.BIRTH_DATE:
            needle = Needle(identifier.kind, Strength.WORD, in_raw_bytes=False, name=-1)
            yield from ((spelling, needle) for spelling in _date_spellings(identifier.text))
        case Kind.UID | Kind.DEVICE_UID:
            is_long = len(identifier.text) >= SHORTEST_UID
            strength = Strength.WORD if is_long else Strength.UID_VALUE
            yield fold(identifier.text), Needle(identifier.kind, strength, in_raw_bytes=is_long, name=-1)
        case Kind.CONTACT:
            if identifier.text.isdigit():
                yield identifier.text.lstrip("0"), Needle(identifier.kind, Strength.INSIDE, in_raw_bytes=False, name=-1)
            else:
                needle = Needle(identifier.kind, Strength.WORD, in_raw_bytes=True, name=-1)
                yield from ((text, needle) for text in spellings(identifier.text))
        case _:
            text = fold(identifier.text)
            strength = Strength.VALUE if _is_weak(text, common) else Strength.WORD
            yield text, Needle(identifier.kind, strength, strength is Strength.WORD and _is_for_raw_bytes(text), -1)


def _name_needles(identifier: Identifier, number: int, common: Container[str]) -> Iterator[tuple[str, Needle]]:
    for part in identifier.parts:
        if is_ideographic(part):
            if len(part) >= SHORTEST_IDEOGRAPHIC_NAME:
                is_long = len(part) >= SHORTEST_IDEOGRAPHIC_IN_RAW_BYTES
                yield fold(part), Needle(identifier.kind, Strength.INSIDE, in_raw_bytes=is_long, name=number)
            continue
        for text in spellings(part):
            if len(text) > 1:
                strength = Strength.VALUE if _is_weak(text, common) else Strength.WORD
                in_raw_bytes = strength is Strength.WORD and _is_for_raw_bytes(text)
                yield text, Needle(identifier.kind, strength, in_raw_bytes, number)
    for first, second in pairwise(identifier.parts):
        joined = fold(first + second)
        if len(joined) >= SHORTEST_JOINED_NAME and not (fold(first) in common and fold(second) in common):
            needle = Needle(identifier.kind, Strength.INSIDE, in_raw_bytes=True, name=number)
            yield from ((joined, needle), (fold(second + first), needle))


def _is_weak(text: str, common: Container[str]) -> bool:
    return len(text) < (SHORTEST_NUMBER if text.isdigit() else SHORTEST_WORD) or text in common


def _is_for_raw_bytes(text: str) -> bool:
    if text.isdigit():
        return len(text) >= SHORTEST_NUMBER_IN_RAW_BYTES and not _DATE.fullmatch(text[:8])
    return len(text) >= SHORTEST_IN_RAW_BYTES


def _date_spellings(digits: str) -> set[str]:
    year, month, day = digits[:4], digits[4:6], digits[6:]
    orders = ((year, month, day), (month, day, year), (day, month, year))
    return {digits, *(mark.join(order) for order in orders for mark in "-/.")}


def _counts(text: str, start: int, end: int, needle: Needle, where: Where) -> bool:
    if where is Where.RAW:
        return needle.in_raw_bytes and (needle.strength is Strength.INSIDE or _is_word(text, start, end))
    if needle.kind in (Kind.UID, Kind.DEVICE_UID):
        return _is_word(text, start, end) and (needle.strength is Strength.WORD or where is Where.UID)
    if where is Where.UID:
        # A number of a patient as a component of a new UID.
        is_number = text[start:end].isdigit() and end - start >= SHORTEST_IN_RAW_BYTES
        return is_number and needle.kind in (Kind.PATIENT_ID, Kind.ACCESSION_NUMBER) and _is_component(text, start, end)
    if where is Where.CODE:
        return needle.strength is not Strength.VALUE and _is_value(text, start, end)
    if needle.strength is Strength.INSIDE:
        return True
    if needle.strength is Strength.WORD:
        return _is_word(text, start, end)
    return where is Where.IDENTITY and _is_value(text, start, end)


def _is_word(text: str, start: int, end: int) -> bool:
    if end - start < SHORTEST_MIXED_INSIDE and _is_mixed(text[start:end]):
        return not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum()
    return not _continues(text[start], text[max(0, start - 2) : start][::-1]) and not _continues(
        text[end - 1], text[end : end + 2]
    )


def _is_mixed(word: str) -> bool:
    return word.isalnum() and not word.isalpha() and not word.isdigit()


def _continues(edge: str, neighbours: str) -> bool:
    # "1234" goes on in "12345", and in "1234.5" where it is a part of a number; "ches" goes on in "chest".
    if not neighbours:
        return False
    if edge.isdigit():
        return neighbours[0].isdigit() or (neighbours[0] == "." and neighbours[1:].isdigit())
    return edge.isalpha() and neighbours[0].isalpha()


def _is_component(text: str, start: int, end: int) -> bool:
    return text[start - 1 : start] in ("", ".") and text[end : end + 1] in ("", ".")


def _is_value(text: str, start: int, end: int) -> bool:
    before, after = text[:start].rstrip(), text[end:].lstrip()
    return (not before or _BETWEEN_VALUES.match(before[-1]) is not None) and (
        not after or _BETWEEN_VALUES.match(after[0]) is not None
    )
