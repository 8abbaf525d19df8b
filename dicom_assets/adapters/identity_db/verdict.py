"""What a check of the identity database says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

_SHOWN = 10
"""Most places that a check names."""


class Outcome(StrEnum):
    """In order, to be mended, or to be known."""

    PASSED = "passed"
    FAILED = "failed"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: how many rows it looked at, how many it found fault with, and some of them. No originals."""

    name: str
    outcome: Outcome
    examined: int
    findings: int
    remarks: tuple[str, ...] = ()


def result(
    name: str, examined: int, found: Iterable[str], outcome: Outcome = Outcome.FAILED, remark: str = ""
) -> CheckResult:
    """A check's result: passed where nothing was found, else `outcome`; the first few are named, after `remark`."""
    findings = iter(found)
    shown = tuple(islice(findings, _SHOWN))
    number = len(shown) + sum(1 for _ in findings)
    said = (remark,) if remark else ()
    return CheckResult(name, outcome if number else Outcome.PASSED, examined, number, said + shown)
