"""The spellings that an identifier may be found in again: dates in other orders, numbers with other punctuation."""

from __future__ import annotations

import re

SHORTEST_BARE = 6
"""Letters and digits; what is shorter occurs by chance once punctuation does not count."""
SHORTEST_BARE_ADDRESS = 8
SHORTEST_DIGITS_OF_MIXED = 7
"""A number that stood beside letters counts by itself from this many digits on."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october"),
    *("november", "december"),
)
_DATE = re.compile(r"((?:1[89]|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_SHORT_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")


def date_forms(text: str) -> tuple[str, ...]:
    """How a date of VR DA may be written so that it matters what stands between its parts; nothing for no date.

    Years of two digits only as whole dates with punctuation: without, they are any number.
    """
    found = _DATE.fullmatch(text.replace(".", "").replace("-", ""))
    if found is None:
        return ()
    year, month, day = found.groups()
    forms = [mark.join(order) for order in ((month, day, year[2:]), (day, month, year[2:])) for mark in "-/"]
    forms.append(f"{day}.{month}.{year[2:]}")
    bare_month, bare_day = month.lstrip("0"), day.lstrip("0")
    if bare_month != month or bare_day != day:
        orders = ((year, bare_month, bare_day), (bare_month, bare_day, year), (bare_day, bare_month, year))
        forms += [mark.join(order) for order in orders for mark in "-/."]
    return (year + month + day, *forms)


def _bare_dates(text: str) -> set[str]:
    found = _DATE.fullmatch(text)
    if found is None:
        return set()
    year, month, day = found.groups()
    forms = {year + month + day, month + day + year, day + month + year}
    for name in {_MONTHS[int(month) - 1], _MONTHS[int(month) - 1][:3]}:
        for number in {day, day.lstrip("0")}:
            forms |= {number + name + year, name + number + year}
    return forms


def is_short_date(word: str) -> bool:
    """Whether it is a date that is part of another one where a digit adjoins it: 1/2/1970 of 11/2/1970."""
    return _SHORT_DATE.fullmatch(word) is not None


def bare_forms(text: str, kind: str) -> set[str]:
    """What to search for where punctuation was taken away, in lower case: nothing for names, words and UIDs."""
    bare = "".join(character for character in text.lower() if character.isalnum())
    digits = "".join(character for character in bare if character.isdigit())
    if not digits or not bare.isascii() or kind in {"name", "UID"}:
        return set()
    if kind == "birth date":
        return _bare_dates(bare)
    enough = SHORTEST_BARE_ADDRESS if kind == "contact" and len(digits) < 3 else SHORTEST_BARE
    forms = {bare} if len(bare) >= enough and (len(digits) >= 3 or kind == "contact") else set()
    return forms | ({digits} if len(digits) >= SHORTEST_DIGITS_OF_MIXED else set())
