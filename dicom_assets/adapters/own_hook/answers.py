"""What a hook of one's own may answer; anything else fails the study, and is not repeated anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dicom_assets.errors import (
    DicomAssetsError,
    RegistrationAwayError,
    RegistrationFailedError,
    RegistrationRefusedError,
)
from dicom_assets.study import PatientIdentity

COUNTS = ("rows_inserted", "rows_updated", "rows_unchanged", "rows_unlinked", "rows_left")
"""What may be counted: with these names, nobody takes a number for something else than a count of rows."""

TRACES = "see the run's folder identified/traces.txt"
UNDECLARED = f"The registration hook refuses the study, with a reason that is not among its `refusals`: {TRACES}."


def alias_in(answer: object, patient: PatientIdentity) -> str | None:
    """The alias that `alias_for` returned, if it returned one.

    Raises:
        RegistrationFailedError: it is no text, or the patient's original id.
    """
    if answer is None:
        return None
    if not isinstance(answer, str):
        raise _nonsense("alias_for", answer, "a text or None")
    if answer.strip().casefold() == patient.patient_id.strip().casefold():
        raise RegistrationFailedError("The registration hook's alias_for returned the original Patient ID as alias.")
    return answer


def nothing_in(answer: object) -> None:
    """Make sure that `check` returned nothing, as False would be taken for consent.

    Raises:
        RegistrationFailedError: it returned something.
    """
    if answer is not None:
        raise _nonsense("check", answer, "None, or raise RegistrationRefusedError")


def counts_in(answer: object, method: str) -> Mapping[str, int]:
    """The counts of rows that `register` or `unlink` returned.

    Raises:
        RegistrationFailedError: it returned something else.
    """
    wanted = f"counts by the names {', '.join(COUNTS)}"
    if not isinstance(answer, dict) or not set(answer) <= set(COUNTS):
        raise _nonsense(method, answer, wanted)
    for value in answer.values():
        if type(value) is not int or value < 0:
            raise _nonsense(method, value, wanted)
    return dict(answer)


def problem_in(answer: Mapping[str, Any], method: str, refusals: frozenset[str]) -> DicomAssetsError | None:
    """What kept the hook from answering; what it said itself comes along only where it had declared it before."""
    place = f" at {answer['place']}" if answer.get("place") else ""
    problem: DicomAssetsError | None = None
    if "refused" in answer:
        problem = RegistrationRefusedError(answer["refused"] if answer["refused"] in refusals else UNDECLARED)
    elif "later" in answer:
        problem = RegistrationAwayError(
            f"The registration hook's {method} could not do it now ({answer['later']}{place}): the next run tries "
            f"again; {TRACES}."
        )
    elif "failed" in answer:
        problem = RegistrationFailedError(
            f"The registration hook's {method} failed ({answer['failed']}{place}): {TRACES}."
        )
    elif "odd" in answer:
        problem = RegistrationFailedError(
            f"The registration hook's {method} returned what can't be used ({answer['odd']})."
        )
    if problem is not None:
        problem.trace = answer.get("trace", "")
    return problem


def _nonsense(method: str, answer: object, wanted: str) -> RegistrationFailedError:
    what = f"The registration hook's {method} returned what can't be used ({type(answer).__name__})"
    return RegistrationFailedError(f"{what}: it must return {wanted}.")
