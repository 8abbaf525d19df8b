"""What PS3.6 says of a tag."""

from __future__ import annotations

import re
from functools import lru_cache

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag, tag_for_keyword

_NUMBERS = re.compile(r"\(?([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)?")

AMBIGUOUS = {
    "OB or OW": "OW",
    "US or OW": "OW",
    "US or SS or OW": "OW",
}


def is_private(tag: int) -> bool:
    """Whether the group is odd (PS3.5 7.8)."""
    return bool(tag >> 16 & 1)


def tag_text(tag: int) -> str:
    """The tag as the standard writes it."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def tag_named(name: str) -> int | None:
    """The tag that a keyword of PS3.6 or `gggg,eeee` stands for."""
    numbers = _NUMBERS.fullmatch(name)
    return int(numbers[1] + numbers[2], 16) if numbers is not None else tag_for_keyword(name)


@lru_cache(maxsize=8192)
def known_vr(tag: int) -> str:
    """The dictionary's VR ("US or SS" and such included); empty for private tags and for tags it does not list."""
    if is_private(tag):
        return ""
    try:
        vr = str(dictionary_VR(tag))
    except KeyError:
        return ""
    return "" if vr == "NONE" else vr


@lru_cache(maxsize=8192)
def fewest_and_most_values(tag: int) -> tuple[int, int | None]:
    """The dictionary's value multiplicity, None for no upper limit; 1 to 1 for tags it does not list."""
    try:
        fewest, _, most = str(dictionary_VM(tag)).partition("-")
    except KeyError:
        return 1, 1
    return max(1, int(fewest)), int(most or fewest) if (most or fewest).isdigit() else None


def concrete_vr(vr: str, *, signed: bool = False) -> str:
    """One VR where the dictionary leaves a choice (PS3.5 Annex A); `signed` is what Pixel Representation says."""
    if vr == "US or SS":
        return "SS" if signed else "US"
    return AMBIGUOUS.get(vr, vr)


def keyword(tag: int) -> str:
    """The keyword of PS3.6; empty where it lists none."""
    return "" if is_private(tag) else str(keyword_for_tag(tag))
