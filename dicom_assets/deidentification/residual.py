"""The last look: are original identifiers left in the bytes that are about to be written?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, Protocol

import ahocorasick

from dicom_assets.deidentification.bare_search import BareSearch
from dicom_assets.deidentification.defined_terms import is_defined_term
from dicom_assets.deidentification.dictionary import tag_text
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.spellings import date_forms, is_short_date
from dicom_assets.deidentification.text import SPECIFIC_CHARACTER_SET, codecs_for, encode_bare, readings
from dicom_assets.deidentification.unlisted import BULK
from dicom_assets.deidentification.writer import Span

PERSON_NAMES = frozenset({0x00100010, 0x00101001, 0x00101005, 0x00101060, 0x00102297})
PATIENT_IDS = frozenset({0x00100020, 0x00101000, 0x00101090, 0x00380010, 0x00380060, 0x00101050})
ACCESSION_NUMBERS = frozenset({0x00080050})
BIRTH_DATES = frozenset({0x00100030})
CONTACTS = frozenset({0x00101040, 0x00102154, 0x00102155})

SHORTEST_NAME = 4
SHORTEST_IDEOGRAPHIC_NAME = 2
BOUNDED_BELOW = 8
"""Shorter words count only where no letter or digit of their own kind adjoins them."""
SHORTEST_NUMBER = 5
SHORTEST_WORD = 3
"""Numbers and words shorter than these count only as a whole value of a text attribute."""

_FREE_TEXT_VRS = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT", "OB"})
ICC_PROFILE = 0x00282000
"""Holds texts besides its tables, so it is searched."""
_SAMPLE_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SS", "US"})
_SEPARATORS = re.compile(r"[\s^=\\,;:/|_.()\[\]\"<>-]+")


@dataclass(frozen=True, slots=True)
class Identifier:
    """Something that must not be found again. *Identified*: not to be shown."""

    text: str
    kind: str

    def __repr__(self) -> str:
        """The kind only."""
        return f"Identifier({self.kind})"


class Noted(NamedTuple):
    """An identifying attribute's value as it is encoded, and the (0008,0005) that holds for it. *Identified*."""

    tag: int
    value: bytes
    charset: bytes

    def __repr__(self) -> str:
        """The tag only."""
        return f"Noted({tag_text(self.tag)})"


def collect_identifiers(original: DataSet) -> set[Identifier]:
    """The patient's and study's identifiers, from every depth of the instance."""
    return identifiers_of(noted_in(original, b""))


def identifiers_of(noted: Iterable[Noted]) -> set[Identifier]:
    """What the values of identifying attributes say."""
    found: set[Identifier] = set()
    for tag, value, charset in noted:
        for text in readings(value, codecs_for(charset)):
            found.update(_identifiers_in(tag, text.strip(" \0")))
    return found


def noted_in(data_set: DataSet, inherited: bytes) -> Iterator[Noted]:
    """The identifying attributes at every depth; `inherited` is the (0008,0005) of the data set around this one."""
    charset = data_set.value(SPECIFIC_CHARACTER_SET) if SPECIFIC_CHARACTER_SET in data_set.elements else inherited
    for element in data_set.elements.values():
        yield from noted_in_element(element, charset)


def noted_in_element(element: Element, charset: bytes) -> Iterator[Noted]:
    """The element if it identifies, or what does inside it."""
    for item in element.items or ():
        yield from noted_in(item, charset)
    if element.items is None and element.tag in IDENTIFYING:
        yield Noted(element.tag, bytes(element.value), charset)


IDENTIFYING = PERSON_NAMES | PATIENT_IDS | ACCESSION_NUMBERS | BIRTH_DATES | CONTACTS


def _identifiers_in(tag: int, text: str) -> Iterator[Identifier]:
    if tag in PERSON_NAMES:
        for name in text.split("\\"):
            yield from _name_parts(name)
    elif tag in BIRTH_DATES:
        yield from (Identifier(form, "birth date") for form in date_forms(text))
    elif tag in CONTACTS:
        yield from _contact_parts(text)
    else:
        kind = "accession number" if tag in ACCESSION_NUMBERS else "patient id"
        parts = (part.strip() for part in text.split("\\"))
        yield from (Identifier(part, kind) for part in parts if any(map(str.isalnum, part)))


def _name_parts(name: str) -> Iterator[Identifier]:
    for group in name.split("="):
        parts = [part for part in _SEPARATORS.split(group) if part]
        long_enough = [part for part in parts if len(part) >= _shortest(part)]
        yield from (Identifier(part, "name") for part in long_enough)
        for first, second in pairwise(parts):
            if len(first + second) >= BOUNDED_BELOW:
                yield Identifier(first + second, "name")
                yield Identifier(second + first, "name")


def _shortest(part: str) -> int:
    return SHORTEST_IDEOGRAPHIC_NAME if any(ord(letter) >= 0x2E80 for letter in part) else SHORTEST_NAME


def _contact_parts(text: str) -> Iterator[Identifier]:
    for line in re.split(r"[\\^,;\r\n]+", text):
        line = line.strip()
        if len(line) >= 6:
            yield Identifier(line, "contact")
        digits = re.sub(r"\D", "", line)
        if len(digits) >= 7:
            yield Identifier(digits, "contact")


class _Strictness(IntEnum):
    ANYWHERE = 0
    BOUNDED = 1
    WHOLE = 2


class Written(Protocol):
    """Bytes that are about to be written, and what lies where in them."""

    @property
    def buffer(self) -> bytes | bytearray:
        """The bytes."""

    def span_at(self, position: int) -> Span | None:
        """The value that lies at `position`, or None for a header."""


class ResidualScan:
    """Searches written bytes for identifiers in one pass, and once more for numbers however they are punctuated."""

    def __init__(self, identifiers: Iterable[Identifier], codecs: Iterable[str]) -> None:
        """Prepare the search, in Latin-1, UTF-8, UTF-16 and the encodings of the instance."""
        encodings = tuple(dict.fromkeys(("latin-1", "utf-8", *codecs)))
        identifiers = tuple(identifiers)
        self._bare = BareSearch(identifiers)
        self._automaton = ahocorasick.Automaton()
        for identifier in identifiers:
            for key, width, strictness in _needles(identifier.text, encodings):
                self._add(key, width, strictness, identifier.kind)
        if len(self._automaton):
            self._automaton.make_automaton()

    def _add(self, key: str, width: int, strictness: _Strictness, kind: str) -> None:
        if key not in self._automaton or self._automaton.get(key)[2] > strictness:
            self._automaton.add_word(key, (len(key), width, strictness, kind))

    def occurs(self, content: bytes | bytearray) -> bool:
        """Whether there is anything that `find` might count, wherever it stands."""
        found = bool(len(self._automaton)) and next(self._automaton.iter(_haystack(content)), None) is not None
        return found or self._bare.occurs(content)

    def find(self, written: Written) -> str | None:
        """The first hit outside what we wrote ourselves, as kind and tag; None when nothing is left."""
        if not len(self._automaton):
            return None
        haystack = _haystack(written.buffer)
        for last, (length, width, strictness, kind) in self._automaton.iter(haystack):
            start, end = last + 1 - length, last + 1
            span = written.span_at(start)
            inside = span is not None and end <= span.end
            if span and inside and (span.ours or _tells_nothing(kind, written.buffer, start, span)):
                continue
            if _counts(haystack, start, end, width, strictness, span):
                return f"{kind} at {tag_text(span.tag) if span is not None else 'an unknown place'}"
        hits = (hit for hit in self._bare.hits(written) if not hit[1].ours and not _is_samples(hit[1]))
        return next((f"{kind} at {tag_text(span.tag)}" for kind, span in hits), None)


def _cases(text: str) -> set[str]:
    # The search does not tell cases of ASCII and Latin-1 letters apart; other letters have other codes in each.
    return {text.lower()} if text.isascii() else {text, text.lower(), text.upper(), text.title()}


@lru_cache(maxsize=4096)
def _needles(text: str, encodings: tuple[str, ...]) -> tuple[tuple[str, int, _Strictness], ...]:
    """What to search for: the text in each case and encoding, bytes per character, and how strictly it counts."""
    found = []
    for word in _cases(text):
        strictness = _strictness(word)
        encoded = {bare for codec in encodings if (bare := encode_bare(word, codec))}
        found += [(_haystack(bare), 1, strictness) for bare in encoded]
        found += [(_haystack(wide), 2, strictness) for wide in _wide(word)]
    return tuple(dict.fromkeys(needle for needle in found if needle[0]))


def _haystack(content: bytes | bytearray) -> str:
    # One character per byte, so that positions stay; lower case of a Latin-1 letter is one Latin-1 letter.
    return content.decode("latin-1").lower()


def _wide(word: str) -> tuple[bytes, ...]:
    # UTF-16 of either byte order. Where each second byte is NUL, both hold the same bytes but for one NUL at an end.
    if encode_bare(word, "latin-1") is not None:
        return (word.encode("utf-16-le")[:-1],)
    return word.encode("utf-16-le", "surrogatepass"), word.encode("utf-16-be", "surrogatepass")


def _is_samples(span: Span) -> bool:
    return span.tag in BULK and span.tag != ICC_PROFILE and span.vr in _SAMPLE_VRS


def _tells_nothing(kind: str, content: bytes | bytearray, start: int, span: Span) -> bool:
    """Whether a hit is in samples or look-up tables, or in a term that the standard puts into the attribute."""
    if _is_samples(span):
        return True
    if kind != "name" or span.vr != "CS":
        return False
    low = content.rfind(b"\\", span.start, start) + 1 or span.start
    high = content.find(b"\\", start, span.end)
    return is_defined_term(span.tag, content[low : high if high >= 0 else span.end].strip(b" \0").decode("latin-1"))


def _strictness(word: str) -> _Strictness:
    if not word.isascii():
        return _Strictness.ANYWHERE
    if len(word) < (SHORTEST_NUMBER if word.isdigit() else SHORTEST_WORD):
        return _Strictness.WHOLE
    dotted = "." in word and set(word) <= set("0123456789.")
    if dotted and len(word) < BOUNDED_BELOW:
        return _Strictness.WHOLE
    bounded = dotted or len(word) < BOUNDED_BELOW or is_short_date(word)
    return _Strictness.BOUNDED if bounded else _Strictness.ANYWHERE


def _counts(haystack: str, start: int, end: int, width: int, strictness: _Strictness, span: Span | None) -> bool:
    if strictness is _Strictness.ANYWHERE and (span is None or span.vr != "DS" or not haystack[start].isdigit()):
        return True  # in a DS of many digits, any number comes up sometime
    if strictness is _Strictness.WHOLE:
        return span is not None and span.vr in _FREE_TEXT_VRS and _is_whole_value(haystack, start, end, span)
    first, last = haystack[start], haystack[end - 1]
    low = span.start if span is not None else 0
    high = span.end if span is not None else len(haystack)
    before = haystack[max(low, start - 2 * width) : start][::width]
    after = haystack[end + width - 1 : min(high, end + 3 * width - 1)][::width]
    return not _continues(first, before[::-1]) and not _continues(last, after)


def _continues(edge: str, neighbours: str) -> bool:
    # "1234" goes on in "12345" and in "1234.5", where it is a part of a number; "CHES" goes on in "CHEST".
    if not neighbours:
        return False
    if edge.isdigit():
        return neighbours[0].isdigit() or (neighbours[0] == "." and neighbours[1:].isdigit())
    return edge.isalpha() and neighbours[0].isascii() and neighbours[0].isalpha()


def _is_whole_value(haystack: str, start: int, end: int, span: Span) -> bool:
    before, after = haystack[span.start : start], haystack[end : span.end]
    return before.rpartition("\\")[2].strip(" \0") == "" and after.partition("\\")[0].strip(" \0") == ""
