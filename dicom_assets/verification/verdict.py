"""What the checks say. Nothing here holds a value of a data set."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Check(StrEnum):
    """The checks, in the order in which they are shown."""

    PAIRING = "pairing"
    LEAKS = "leaks"
    UIDS = "UIDs"
    OBJECTS = "objects"
    METHOD = "method"
    IOD = "IOD"
    INTERVALS = "intervals"


class Outcome(StrEnum):
    """How a check went."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be so.

    Attributes:
        check: which check found it.
        rule: what is wrong, in words; the same words for the same kind of defect.
        file: the file as it may be shown; empty where the finding is about no single one.
        place: attribute path as tags, or a part of the file; empty where there is none.
        count: how often, in this file and place.
    """

    check: Check
    rule: str
    file: str = ""
    place: str = ""
    count: int = 1


class CheckResult:
    """One check's line of the table.

    Attributes:
        check: which check.
        examined: how much was looked at, in `unit`.
        skipped: why the check was not made; empty when it was.
    """

    def __init__(self, check: Check) -> None:
        self.check = check
        self.examined = 0
        self.unit = "files"
        self.skipped = ""
        self._found: Counter[tuple[str, str, str]] = Counter()
        self._notes: Counter[str] = Counter()

    def find(self, rule: str, file: str = "", place: str = "", count: int = 1) -> None:
        """Add a finding; equal ones are counted."""
        self._found[rule, file, place] += count

    def note(self, text: str, count: int = 1) -> None:
        """Add what a reader has to know to judge the line; equal notes are counted."""
        self._notes[text] += count

    @property
    def findings(self) -> list[Finding]:
        """What was found, in order."""
        return [Finding(self.check, *key, count) for key, count in self._found.items()]

    @property
    def notes(self) -> list[str]:
        """The notes with their counts."""
        return [f"{count} {text}" for text, count in self._notes.items()]

    @property
    def outcome(self) -> Outcome:
        """Failed with findings, else passed or skipped."""
        if self._found:
            return Outcome.FAILED
        return Outcome.SKIPPED if self.skipped else Outcome.PASSED


@dataclass(slots=True)
class Verdict:
    """Everything that was found."""

    sources: int
    destinations: int
    pairs: int
    results: list[CheckResult] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """The findings of all checks, in the order of the checks."""
        return [finding for result in self.results for finding in result.findings]

    def result(self, check: Check) -> CheckResult:
        """One check's line.

        Raises:
            StopIteration: the check is not in this verdict.
        """
        return next(result for result in self.results if result.check is check)
