"""Conditions on a header, in the language of RSNA's CTP (wiki pages "The CTP DICOM Filter" and "... Pixel Anonymizer").

Tests such as `Manufacturer.containsIgnoreCase("acme")` are joined by `*` (and), `+` (or), `!` (not) and parentheses;
`!` binds tighter than `*`, `*` tighter than `+`. `//` begins a comment that ends with the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from dicom_assets.deidentification.header import Header, Step, attribute_path, value_text
from dicom_assets.errors import DicomAssetsError

_PART = r"(?:\[[0-9A-Fa-f]{4},?[0-9A-Fa-f]{4}\]|\[?[0-9A-Fa-f]{4},?\[[^\]\"]+\],?[0-9A-Fa-f]{2}\]?|[A-Za-z]\w*)"
_TOKEN = re.compile(
    r"(?P<space>(?:\s+|//[^\n]*)+)"
    r"|(?P<operator>[+*!()])"
    r"|(?P<constant>(?:true|false)\.)"
    rf"|(?P<path>{_PART}(?:::{_PART})*)\s*\.\s*(?P<method>[A-Za-z]+)\s*\(\s*\"(?P<text>[^\"]*)\"\s*\)"
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class ConditionError(DicomAssetsError):
    """A condition can't be read; `line` counts from 1 within it."""

    def __init__(self, line: int, problem: str) -> None:
        """`problem` completes the sentence "the condition ..."."""
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Test:
    """One attribute compared with a text."""

    path: tuple[Step, ...]
    method: str
    text: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """The part does not hold."""

    part: Condition


Condition = Test | AllOf | AnyOf | Negated | bool


def _compare_numbers(value: str, text: str, wanted: int) -> bool:
    # CTP takes digits and dots out of a value such as 061Y; so is here, but for the sign, which CTP drops.
    found, limit = _NUMBER.search(value), _NUMBER.search(text)
    if found is None or limit is None:
        return False
    left, right = float(found[0]), float(limit[0])
    return (left > right) - (left < right) == wanted


METHODS: dict[str, Callable[[str, str], bool]] = {
    "equals": lambda value, text: value == text,
    "equalsIgnoreCase": lambda value, text: value.casefold() == text.casefold(),
    "matches": lambda value, text: re.fullmatch(text, value, re.DOTALL) is not None,
    "contains": lambda value, text: text in value,
    "containsIgnoreCase": lambda value, text: text.casefold() in value.casefold(),
    "startsWith": lambda value, text: value.startswith(text),
    "startsWithIgnoreCase": lambda value, text: value.casefold().startswith(text.casefold()),
    "endsWith": lambda value, text: value.endswith(text),
    "endsWithIgnoreCase": lambda value, text: value.casefold().endswith(text.casefold()),
    "isLessThan": lambda value, text: _compare_numbers(value, text, -1),
    "isGreaterThan": lambda value, text: _compare_numbers(value, text, 1),
}


def holds(condition: Condition, header: Header) -> bool:
    """Whether a header meets a condition; an absent attribute is an empty text."""
    match condition:
        case Test():
            return METHODS[condition.method](value_text(header, condition.path), condition.text)
        case AllOf():
            return all(holds(part, header) for part in condition.parts)
        case AnyOf():
            return any(holds(part, header) for part in condition.parts)
        case Negated():
            return not holds(condition.part, header)
        case _:
            return condition


@lru_cache(maxsize=4096)
def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises:
        ConditionError: names line and problem.
    """
    return _Parser(text).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    line: int
    operator: str
    condition: Condition | None


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._last_line = text.count("\n") + 1

    def whole(self) -> Condition:
        condition = self._any()
        if self._tokens:
            raise ConditionError(self._tokens[0].line, "goes on where it should end")
        return condition

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._take("+"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._take("*"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _one(self) -> Condition:
        if self._take("!"):
            return Negated(self._one())
        if self._take("("):
            inner = self._any()
            if not self._take(")"):
                raise ConditionError(self._line(), "lacks a closing parenthesis")
            return inner
        if not self._tokens or self._tokens[0].condition is None:
            raise ConditionError(self._line(), "lacks a test")
        condition = self._tokens.pop(0).condition
        assert condition is not None  # noqa: S101 - for mypy, checked above
        return condition

    def _take(self, operator: str) -> bool:
        if self._tokens and self._tokens[0].operator == operator:
            self._tokens.pop(0)
            return True
        return False

    def _line(self) -> int:
        return self._tokens[0].line if self._tokens else self._last_line


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position = 0
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        match = _TOKEN.match(text, position)
        if match is None:
            raise ConditionError(line, "has something that is no test, operator or parenthesis")
        position = match.end()
        if match["operator"]:
            found.append(_Token(line, match["operator"], None))
        elif match["constant"]:
            found.append(_Token(line, "", match["constant"] == "true."))
        elif match["path"]:
            found.append(_Token(line, "", _test(match, line)))
    return found


def _test(match: re.Match[str], line: int) -> Test:
    if match["method"] not in METHODS:
        raise ConditionError(line, f"names no known method: {match['method']}")
    if match["method"] == "matches":
        try:
            re.compile(match["text"])
        except re.error:
            raise ConditionError(line, "has a regular expression that can't be read") from None
    try:
        return Test(attribute_path(match["path"]), match["method"], match["text"])
    except ValueError as error:
        raise ConditionError(line, str(error)) from None
