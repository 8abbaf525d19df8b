"""Clean Descriptors (PS3.15 E.3.5): text stays where a white list knows it, byte for byte.

Two texts are the same when they differ in case, in surrounding or repeated space, or in `-`, `_`, `,` and `.` only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dicom_assets.deidentification.coding_schemes import PUBLIC_SCHEMES
from dicom_assets.deidentification.defined_terms import is_defined_term
from dicom_assets.deidentification.encoded import DataSet
from dicom_assets.deidentification.text import codecs_for, decode, defined_charset

CODE_VALUE = 0x00080100
CODING_SCHEME_DESIGNATOR = 0x00080102
CODE_MEANING = 0x00080104
CODE_ATTRIBUTES = frozenset({CODE_VALUE, CODING_SCHEME_DESIGNATOR, 0x00080103, CODE_MEANING, 0x00080119, 0x00080120})
"""What makes up a code: values of three lengths, scheme, its version, and meaning (PS3.3 8.1 to 8.3)."""

SINGLE_VALUED = frozenset({"LT", "ST", "UT"})
"""Text in which a backslash is a character like any other (PS3.5 6.2)."""

RESCALE_TYPE = 0x00281054
LONGEST_TEXT = 10240
"""Bytes; what is longer is no descriptor, and no pattern is tried on it."""

_IGNORED = str.maketrans("", "", "-_,.")


def normalized(text: str) -> str:
    """The form in which texts are compared."""
    return " ".join(text.casefold().translate(_IGNORED).split())


@dataclass(frozen=True, slots=True)
class WhiteList:
    """What may stay in one attribute: texts, normalized, and what a pattern matches whole once it is normalized."""

    tag: int
    values: tuple[str, ...]
    patterns: tuple[str, ...] = ()


class WhiteLists:
    """All white lists of a profile, ready to be asked."""

    def __init__(self, white_lists: Iterable[WhiteList] = ()) -> None:
        """Merge the lists of each attribute."""
        self._values: dict[int, set[str]] = {}
        self._patterns: dict[int, list[re.Pattern[str]]] = {}
        for white_list in white_lists:
            self._values.setdefault(white_list.tag, set()).update(white_list.values)
            patterns = [re.compile(pattern, re.IGNORECASE) for pattern in white_list.patterns]
            self._patterns.setdefault(white_list.tag, []).extend(patterns)

    def __contains__(self, tag: object) -> bool:
        """Whether there is a list for the attribute."""
        return tag in self._values

    def know(self, tag: int, vr: str, value: bytes | memoryview, charset: bytes) -> bool:
        """Whether every single text of a value is listed; what is empty needs no list, nor does a unit in Rescale Type.

        `charset` is the value of the (0008,0005) in force. Text that can't be decoded by it is not known.
        """
        if not bytes(value[: LONGEST_TEXT + 1]).strip(b" \0"):
            return len(value) <= LONGEST_TEXT
        if tag == RESCALE_TYPE and is_defined_term(tag, bytes(value).strip(b" \0").decode("latin-1")):
            return True
        if tag not in self._values or len(value) > LONGEST_TEXT or defined_charset(charset) is None:
            return False
        text = decode(bytes(value), codecs_for(charset)).rstrip("\0")
        if "\ufffd" in text:
            return False
        texts = [text] if vr in SINGLE_VALUED else text.split("\\")
        return all(self._listed(tag, normalized(single)) for single in texts)

    def _listed(self, tag: int, text: str) -> bool:
        if not text or text in self._values[tag]:
            return True
        return any(pattern.fullmatch(text) for pattern in self._patterns[tag])

    def code_stays(self, item: DataSet, charset: bytes) -> bool:
        """Whether the code in an item of a code sequence may stay.

        It may when its scheme is public. A hospital's or a vendor's own code is a descriptor: it may when its
        meaning is in the white list of Code Meaning.
        """
        scheme = item.value(CODING_SCHEME_DESIGNATOR).strip(b" \0").decode("latin-1")
        if scheme in PUBLIC_SCHEMES:
            return True
        meaning = item.value(CODE_MEANING)
        return meaning.strip(b" \0") != b"" and self.know(CODE_MEANING, "LO", meaning, charset)


def is_coded(item: DataSet) -> bool:
    """Whether an item of a sequence is a code."""
    return not CODE_ATTRIBUTES.isdisjoint(item.elements)
