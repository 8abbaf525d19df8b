"""Does one new UID stand for one original, over the instances of a study?"""

from __future__ import annotations

from collections.abc import Iterable

Uids = tuple[str, str, str]
"""Study, Series and SOP Instance UID."""


def count_uid_conflicts(pairs: Iterable[tuple[Uids, Uids]]) -> int:
    """How many instances have a study, series or instance UID that another one's contradicts; pairs of old and new."""
    conflicts = 0
    new_of: dict[tuple[int, str], str] = {}
    old_of: dict[tuple[int, str], str] = {}
    for old, new in pairs:
        is_at_odds = False
        for level in range(3):
            is_at_odds |= new_of.setdefault((level, old[level]), new[level]) != new[level]
            is_at_odds |= old_of.setdefault((level, new[level]), old[level]) != old[level]
        conflicts += is_at_odds
    return conflicts
