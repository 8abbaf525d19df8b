"""The alias that a registration hook has for a patient: it goes into every instance, so it must say nothing."""

from __future__ import annotations

import re

from dicom_assets.errors import RegistrationFailedError
from dicom_assets.steps.ports import Registration
from dicom_assets.study import PatientIdentity

LONGEST = 64
"""Characters of a Patient ID (LO) and of a group of Patient's Name (PN), PS3.5 Table 6.2-1."""

SHORTEST_TELLING_ID = 5
"""A Patient ID that is shorter comes up in an alias by chance."""

_RESERVED = re.compile(r"[\\^=]")
_SEPARATORS = re.compile(r"[\s^=,]+")


def alias_of(patient: PatientIdentity, registration: Registration) -> str | None:
    """The alias of the patient, None where the hook has none.

    That an alias equals an original identifier is for de-identification to see: it may, in what was de-identified
    before.

    Raises:
        RegistrationFailedError: it can't be written into an instance, or tells who the patient is.
    """
    alias = registration.alias_for(patient)
    problem = "" if alias is None else _problem_with(alias) or _what_it_tells(alias, patient)
    if problem:
        raise RegistrationFailedError(f"The registration hook's alias can't be used: {problem}.")
    return alias


def _problem_with(alias: str) -> str:
    if not alias.strip():
        return "it is empty"
    if len(alias) > LONGEST:
        return f"it has more than {LONGEST} characters"
    if not alias.isascii() or not alias.isprintable():
        return "it has control characters, or others than those of ASCII"
    if _RESERVED.search(alias):
        return "it has one of the characters \\ ^ =, which part values and names (PS3.5 6.2)"
    return "it has spaces at an end" if alias != alias.strip() else ""


def _what_it_tells(alias: str, patient: PatientIdentity) -> str:
    said = alias.casefold()
    patient_id = patient.patient_id.strip().casefold()
    if len(patient_id) >= SHORTEST_TELLING_ID and patient_id in said and patient_id != said:
        return "it holds the original Patient ID"
    if len(patient.birth_date) == 8 and patient.birth_date in re.sub(r"\D", "", said):
        return "it holds the patient's birth date"
    parts = [part for part in _SEPARATORS.split(patient.patient_name.casefold()) if len(part) > 1]
    if parts and len("".join(parts)) >= SHORTEST_TELLING_ID and all(part in said for part in parts):
        return "it holds the patient's name"
    return ""
