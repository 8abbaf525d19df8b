"""How texts are compared, and which words say little about a person."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

_NOBODY = """anon anonimo anonym anonymous anonymized anonymised anonymize anonymise deidentified deidentify default
dummy empty fake nobody noname none null pseudonym redacted removed unknown unnamed unspecified undefined withheld xxx
xxxx"""
NOBODY = frozenset(_NOBODY.split())
"""Stand in a name or id where there is none; they are not searched."""

_UNDECOMPOSED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_WORDS_IN_CAMEL_CASE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_WORDS = re.compile(r"[A-Za-z]+")


def fold(text: str) -> str:
    """Lower case without accents, white space as single spaces, so that Müller, MULLER and muller are one word."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_UNDECOMPOSED))
        text = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(text.casefold().split())


def spellings(text: str) -> set[str]:
    """The folded text, and the one with umlauts written out (Mueller)."""
    composed = unicodedata.normalize("NFC", text.casefold())
    return {fold(text), fold(composed.translate(_WRITTEN_OUT))}


def is_ideographic(text: str) -> bool:
    """Whether it has letters of scripts that are written without spaces, where two letters can be a name."""
    return any(ord(letter) >= 0x2E80 for letter in unicodedata.normalize("NFKC", text))


class CommonWords:
    """Words that say little about a person: DICOM's own vocabulary (Chest, Brain, Phantom, CT) and given ones."""

    def __init__(self, given: Iterable[str] = ()) -> None:
        self._given = frozenset(given)

    def __contains__(self, word: object) -> bool:
        """Whether a folded word is one."""
        return word in _vocabulary() or word in self._given


def words_of(text: str) -> set[str]:
    """The words of a text, folded."""
    return {fold(word) for word in re.findall(r"[^\W\d_]+", text)}


@cache
def _vocabulary() -> frozenset[str]:
    # Attribute names of PS3.6, UID names of its Annex A, and the code meanings of PS3.16, as pydicom has them, and what
    # makers of private blocks call themselves, since phantoms are called after them.
    from pydicom._private_dict import private_dictionaries
    from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined]  # public, but not re-exported by name
    from pydicom.sr.codedict import codes
    from pydicom.uid import UID_dictionary  # type: ignore[attr-defined]  # public, but not re-exported by name

    found = {word.lower() for entry in DicomDictionary.values() for word in _WORDS.findall(entry[2])}
    found |= {word.lower() for entry in UID_dictionary.values() for word in _WORDS.findall(entry[0])}
    found |= {word.lower() for creator in private_dictionaries for word in _WORDS.findall(creator)}
    for scheme in ("DCM", "SCT"):
        keywords = getattr(codes, scheme).dir()
        found |= {word.lower() for keyword in keywords for word in _WORDS_IN_CAMEL_CASE.findall(keyword)}
    return frozenset(found)
