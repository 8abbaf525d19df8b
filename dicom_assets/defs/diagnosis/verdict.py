"""Checks, what they find, and the order in which they are made."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from dicom_assets.errors import DicomAssetsError

USUAL_SECONDS = 30.0


class State(StrEnum):
    """Green: in order. Yellow: not configured, not checked, or soon a problem. Red: to be mended."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, and what to do about it."""

    state: State
    finding: str
    remedy: str = ""


def fine(finding: str) -> Verdict:
    """Nothing to mend."""
    return Verdict(State.GREEN, finding)


def doubtful(finding: str, remedy: str = "") -> Verdict:
    """Nothing that stops a run."""
    return Verdict(State.YELLOW, finding, remedy)


def wrong(finding: str, remedy: str) -> Verdict:
    """To be mended."""
    return Verdict(State.RED, finding, remedy)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis."""

    name: str
    state: State
    finding: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. `look` returns a verdict, or raises what is wrong: `failing` is the finding then.

    It is not made when one of the checks that it `needs` was red or not made. It may take so many `seconds`.
    """

    name: str
    look: Callable[[], Verdict]
    failing: str
    needs: tuple[str, ...] = ()
    seconds: float = USUAL_SECONDS


def make(checks: Iterable[Check]) -> Iterator[Finding]:
    """Make the checks one after the other."""
    not_passed: set[str] = set()
    for check in checks:
        missing = next((name for name in check.needs if name in not_passed), None)
        verdict = _in_time(check) if missing is None else doubtful(f"not checked: first see to {missing}")
        if missing is not None or verdict.state is State.RED:
            not_passed.add(check.name)
        yield Finding(check.name, verdict.state, verdict.finding, verdict.remedy)


def _in_time(check: Check) -> Verdict:
    """The verdict of a check that may hang where no time-out reaches, as in a look-up of a host name."""
    verdicts: list[Verdict] = []
    looking = threading.Thread(target=lambda: verdicts.append(_look(check)), name=check.name, daemon=True)
    looking.start()
    looking.join(check.seconds)
    if not verdicts:
        return wrong(f"no answer within {check.seconds:.0f} seconds", "See whether its server, or the network, hangs.")
    return verdicts[0]


def _look(check: Check) -> Verdict:
    try:
        return check.look()
    except DicomAssetsError as error:
        return wrong(check.failing, str(error))
    except Exception as error:  # noqa: BLE001  an edge: the other checks go on, and texts may quote values
        return wrong(f"{check.failing} (unexpected {type(error).__name__})", "Please report this to who maintains us.")
