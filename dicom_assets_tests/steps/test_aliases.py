"""An alias goes into every instance of a patient: one that can't be written, or that tells who it is, is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dicom_assets.errors import RegistrationFailedError
from dicom_assets.steps.aliases import alias_of
from dicom_assets.study import PatientIdentity, RegisteredStudy

SOMEBODY = PatientIdentity("0098765", patient_name="VAN DYKE^ANNA^^DR", birth_date="19700203")


class Says:
    """A hook that has one alias for everybody."""

    name = "says"

    def __init__(self, alias: str | None) -> None:
        self._alias = alias

    def alias_for(self, patient: PatientIdentity) -> str | None:
        return self._alias

    def check(self, study: RegisteredStudy) -> None:
        """Every study may pass."""

    def register(self, study: RegisteredStudy) -> Mapping[str, int]:
        return {}


@pytest.mark.parametrize("alias", [None, "R", "RESEARCH-1", "two words", "x" * 64, "A_b.c+d(e)", "DYKE-1", "98765"])
def test_alias_that_says_nothing_is_taken_as_it_is(alias: str | None) -> None:
    assert alias_of(SOMEBODY, Says(alias)) == alias


@pytest.mark.parametrize(
    ("alias", "message"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("x" * 65, "more than 64 characters"),
        ("R\\1", "one of the characters"),
        ("R^1", "one of the characters"),
        ("R=1", "one of the characters"),
        ("R\n1", "control characters"),
        ("R\x001", "control characters"),
        ("R\x1b1", "control characters"),
        ("Rä1", "others than those of ASCII"),
        (" R1", "spaces at an end"),
        ("R-0098765", "the original Patient ID"),
        ("19700203-1", "the patient's birth date"),
        ("1970-02-03", "the patient's birth date"),
        ("Anna van Dyke, Dr", "the patient's name"),
    ],
)
def test_alias_that_cannot_be_used_is_refused_without_being_repeated(alias: str, message: str) -> None:
    with pytest.raises(RegistrationFailedError, match=message) as caught:
        alias_of(SOMEBODY, Says(alias))
    assert not alias.strip() or alias not in str(caught.value)


def test_short_patient_id_may_come_up_in_an_alias() -> None:
    assert alias_of(PatientIdentity("12"), Says("RESEARCH-12")) == "RESEARCH-12"
