"""Does `dciodvfy` of dicom3tools see errors in a file that its source does not have?"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HOW_TO_INSTALL = "dciodvfy is not installed; it is in the Debian package dicom3tools"
TIMEOUT_SECONDS = 120
WORKERS = 4

_ERROR = re.compile(r"Error - (?:</(?P<path>[^>]*?)> - )?(?P<text>.*)")
_MODULE = re.compile(r"Module=<(\w+)>")
_AFTER_A_VALUE = re.compile(r" - ((?:Length|Character) invalid for this VR)")
_GAVE_UP = ("Dicom dataset read failed", "Information Object Not found")


@dataclass(frozen=True, slots=True)
class IodComparison:
    """The errors of a destination that its source does not have, by text without values.

    `comparable` is False where dciodvfy gave up on the source before it checked anything.
    """

    dest: Path
    errors: Counter[str]
    comparable: bool


def dciodvfy() -> str | None:
    """Where dciodvfy is; None where it is not."""
    return shutil.which("dciodvfy")


def compare_all(program: str, pairs: Iterable[tuple[Path, Path]]) -> Iterator[IodComparison]:
    """Compare (source, destination) pairs, several at a time, in order."""
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(lambda pair: _compare(program, *pair), pairs)


def without_values(error: str) -> str:
    """An error's text as attribute path, kind of error and module: no values, item numbers or private creators."""
    match = _ERROR.match(error)
    if match is None:
        return "an error in a form that is not known"
    path = re.sub(r"\[\d+\]|,\"[^)]*", "", match["path"] or "")
    text, equals, rest = match["text"].partition(" = ")
    module = _MODULE.search(match["text"])
    after = _AFTER_A_VALUE.search(rest) if equals else None
    text = re.sub(r"<.*?>|'.*?'|\"[^\"]*\"?", "", _MODULE.sub("", text))
    text = re.sub(r"(?<!Type )\b(?:0x[0-9a-f]+|\d+)\b", "n", text).strip(" -")
    parts = (path, text, after[1] if after else "", module[1] if module else "")
    return " - ".join(part for part in parts if part)


def _compare(program: str, source: Path, dest: Path) -> IodComparison:
    before, after = _errors(program, source), _errors(program, dest)
    comparable = not any(text in error for error in before for text in _GAVE_UP)
    return IodComparison(dest, after - before if comparable else Counter(), comparable)


def _errors(program: str, file: Path) -> Counter[str]:
    options = ["-new"] if _knows_new_format(program) else []
    try:
        run = subprocess.run([program, *options, str(file)], capture_output=True, check=False, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return Counter({_GAVE_UP[0]: 1})
    lines = (run.stdout + run.stderr).decode("latin-1").splitlines()
    return Counter(without_values(line) for line in lines if line.startswith("Error - "))


@cache
def _knows_new_format(program: str) -> bool:
    run = subprocess.run([program, "-new"], capture_output=True, check=False, input=b"", timeout=TIMEOUT_SECONDS)
    return b"unrecognized option" not in run.stdout + run.stderr
