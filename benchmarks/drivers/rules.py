"""The rows of Table E.1-1 for engines that are told what to do, as the benchmark's own table has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DUMMIES = {
    "AS": "000Y",
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "IS": "0",
    "TM": "000000",
    "UI": "2.25.1",
    "UR": "urn:dummy",
}


@dataclass(frozen=True)
class Rule:
    """What to do with one tag: `remove`, `empty`, `dummy`, `uid` or `inside` (keep the sequence, clean its items)."""

    tag: str
    keyword: str
    vr: str
    action: str

    @property
    def dummy(self) -> str:
        """A text that the VR allows."""
        return DUMMIES.get(self.vr, "DUMMY")


def rules(job: dict[str, Any]) -> Iterator[Rule]:
    """One rule for each row that names one tag; repeating groups and private attributes are the engine's affair."""
    for tag, keyword, vr, code in json.loads(Path(job["rules"]).read_text()):
        if "X" not in tag and tag != "PRIVATE":
            yield Rule(tag, keyword, vr, _action(code, vr))


def _action(code: str, vr: str) -> str:
    if code == "X":
        return "remove"
    if code in {"Z", "X/Z"}:
        return "empty"
    if code == "U":
        return "uid"
    if code == "X/Z/U*":
        return "inside"
    # No engine that is told what to do can make a dummy of a sequence.
    return "dummy" if vr != "SQ" else ("remove" if code.startswith("X") else "empty")
