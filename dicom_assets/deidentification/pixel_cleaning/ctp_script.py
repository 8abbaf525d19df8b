"""Reads scripts of the DICOM Pixel Anonymizer of RSNA's CTP (wiki page "The CTP DICOM Pixel Anonymizer")."""

from __future__ import annotations

import re

from dicom_assets.deidentification.conditions import ConditionError, parse_condition
from dicom_assets.deidentification.pixel_cleaning.rules import PixelRule, Rectangle
from dicom_assets.errors import DicomAssetsError

_SIGNATURE = re.compile(r"\{([^}]*)\}")
_REGION = re.compile(r"\(([^)]*)\)")
_NUMBERS = re.compile(r"\s*(-?\d{1,6})\s*,\s*(-?\d{1,6})\s*,\s*(\d{1,6})\s*,\s*(\d{1,6})\s*")


class ScriptError(DicomAssetsError):
    """A script can't be read; `line` counts from 1 within it."""

    def __init__(self, line: int, problem: str) -> None:
        """`problem` completes the sentence "the script ..."."""
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


def read_ctp_script(script: str) -> tuple[PixelRule, ...]:
    """The script's sections as rules, in order; a rule's name says on which line its section begins.

    CTP blanks a region's far edges too: one column and one row more than width and height say. So do these rules.

    Raises:
        ScriptError: something that CTP would skip or take for false.
    """
    signatures = list(_SIGNATURE.finditer(script))
    edges = [*(match.start() for match in signatures), len(script)]
    _refuse_strays(script, script[: edges[0]], 0, regions=False)
    return tuple(_rule(script, signature, end) for signature, end in zip(signatures, edges[1:], strict=True))


def _rule(script: str, signature: re.Match[str], end: int) -> PixelRule:
    line = _line(script, signature.start())
    try:
        parse_condition(signature[1])
    except ConditionError as error:
        raise ScriptError(_line(script, signature.start(1)) + error.line - 1, error.problem) from None
    _refuse_strays(script, script[signature.end() : end], signature.end(), regions=True)
    regions = _REGION.finditer(script, signature.end(), end)
    return PixelRule(f"ctp-line-{line}", signature[1].strip(), tuple(_rectangle(script, region) for region in regions))


def _rectangle(script: str, region: re.Match[str]) -> Rectangle:
    numbers = _NUMBERS.fullmatch(region[1])
    if numbers is None:
        raise ScriptError(_line(script, region.start()), "has a region that is not (left, top, width, height)")
    left, top, width, height = (int(number) for number in numbers.groups())
    return Rectangle(left, top, width + 1, height + 1)


def _refuse_strays(script: str, between: str, start: int, *, regions: bool) -> None:
    rest = _REGION.sub(lambda match: " " * len(match[0]), between) if regions else between
    stray = re.search(r"[{}()]", rest)
    if stray is not None:
        raise ScriptError(_line(script, start + stray.start()), f"has a stray {stray[0]}")


def _line(script: str, position: int) -> int:
    return script.count("\n", 0, position) + 1
