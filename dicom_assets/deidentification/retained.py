"""Values that options of PS3.15 E.3 let through: which have the form to be kept, and ages that must not be told."""

from __future__ import annotations

import re
from collections.abc import Callable

_HIGHEST_AGE = b"090Y"
_AGE = re.compile(rb"(\d{1,4})([DWMY])")
_OVER_89: dict[bytes, int] = {b"D": 90 * 365, b"W": 90 * 365 // 7, b"M": 90 * 12, b"Y": 90}
"""From how many days, weeks, months and years on a person counts as over 89; rounded down."""

_FORMS: dict[str, re.Pattern[bytes]] = {
    "DS": re.compile(rb" *+(?:[+-]?(?:\d++\.?\d*+|\.\d++)(?:[Ee][+-]?\d++)?)? *+"),
    "IS": re.compile(rb" *+(?:[+-]?\d++)? *+"),
    "UI": re.compile(rb" *+[0-9.]{0,64} *+"),
    "US": re.compile(rb"(?s)(?:..)?"),
}
_NEVER = frozenset({"SQ", "DA", "DT", "TM", "AS", "AE", "PN"})
"""Sequences that could not be read, and what only goes through in changed form."""


_HASHABLE = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_SINGLE_VALUED = frozenset({"LT", "ST", "UT"})


def has_form(vr: str, value: bytes) -> bool:
    """Whether a value is what its attribute's VR promises, and so may be kept; text is judged by the residual scan.

    UIDs need only be made of digits and dots: what is kept is kept as malformed as it came.
    """
    if vr in _NEVER:
        return False
    form = _FORMS.get(vr)
    if form is None:
        return True
    parts = [value] if vr == "US" else value.rstrip(b"\0").split(b"\\")
    return all(form.fullmatch(part) for part in parts)


def told_age(value: bytes) -> bytes | None:
    """AS with every age over 89 years made 090Y; None when a value is no age.

    PS3.15 E.3.7 keeps ages; ages over 89 identify (45 CFR 164.514(b)(2)(i)(C)).
    """
    parts = [_told_age(part) for part in value.split(b"\\")]
    told = [part for part in parts if part is not None]
    return b"\\".join(told) if len(told) == len(parts) else None


def hash_value(vr: str, text: str, hash_text: Callable[[str], str]) -> bytes | None:
    """Each value's hash, empty values left empty; None where the VR does not take it."""
    if vr not in _HASHABLE:
        return None
    values = [text] if vr in _SINGLE_VALUED else text.split("\\")
    bare = [value.strip(" \0") for value in values]
    return "\\".join(hash_text(value) if value else "" for value in bare).encode("ascii")


def _told_age(part: bytes) -> bytes | None:
    bare = part.strip(b" \0")
    match = _AGE.fullmatch(bare)
    if match is None:
        return None if bare else part
    return _HIGHEST_AGE if int(match[1]) >= _OVER_89[match[2]] else part
