"""Whatever a registration hook of somebody's own does, one study fails with a reason, and no value is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_assets.adapters.own_hook.hook import OwnHook
from dicom_assets.errors import (
    DicomAssetsError,
    RegistrationAwayError,
    RegistrationFailedError,
    RegistrationRefusedError,
    StudyError,
    TransientError,
)
from dicom_assets.study import PatientIdentity
from dicom_assets_tests.adapters.builders import ACCESSION, MRN, a_registered_study, names_nothing_identified
from dicom_assets_tests.adapters.own_hooks import MODULE, PUPPET, own_hook

SOMEBODY = PatientIdentity(MRN, "SENTINEL-ISSUER", "SENTINEL^NAME", "19700203")


@pytest.fixture(scope="module")
def puppet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHook]:
    """A hook that does what it is told to."""
    folder = tmp_path_factory.mktemp("puppet")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        with own_hook(folder, PUPPET) as hook:
            yield hook


def problem_of(
    hook: OwnHook, *, alias_for: str = "None", check: str = "None", register: str = "{}"
) -> DicomAssetsError:
    """What linking a study raises when the hook's methods do this."""
    patient = replace(SOMEBODY, issuer=alias_for)
    study = a_registered_study(patient=SOMEBODY, modality=check, sop_class_uid=register)

    def link() -> None:
        hook.alias_for(patient)
        hook.check(study)
        hook.register(study)

    with pytest.raises(DicomAssetsError) as caught:
        link()
    assert names_nothing_identified(f"{caught.value!s} {caught.value!r}")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


class TestAHookThatRaises:
    @pytest.mark.parametrize(
        ("error", "reaction"),
        [
            ("ValueError", RegistrationFailedError),
            ("KeyError", RegistrationFailedError),
            ("SystemExit", RegistrationFailedError),
            ("KeyboardInterrupt", RegistrationFailedError),
            ("RecursionError", RegistrationFailedError),
            ("ConnectionError", RegistrationAwayError),
            ("TimeoutError", RegistrationAwayError),
            ("FileNotFoundError", RegistrationAwayError),
            ("TransientError", RegistrationAwayError),
            ("ConfigurationError", RegistrationAwayError),
        ],
    )
    def test_is_told_by_class_and_line_and_its_words_stay_in_the_trace(
        self, puppet: OwnHook, error: str, reaction: type[DicomAssetsError]
    ) -> None:
        problem = problem_of(puppet, alias_for=f"does({error}(patient.patient_id + ' SENTINEL'))")
        assert type(problem) is reaction
        assert "hook's alias_for" in str(problem)
        assert f"({error} at {MODULE}.py:" in str(problem)
        assert f"{MRN} SENTINEL" in problem.trace

    def test_class_of_its_own_making_with_a_value_for_a_name_is_not_repeated(self, puppet: OwnHook) -> None:
        problem = problem_of(puppet, alias_for="does(type(patient.patient_id + ' died', (Exception,), {})())")
        assert "(Exception at" in str(problem)

    def test_what_it_raised_on_the_way_is_in_the_trace(self, puppet: OwnHook) -> None:
        nested = "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise KeyError(study.modality) from error"
        problem = problem_of(puppet, register=f"exec({nested!r})")
        assert "ZeroDivisionError" in problem.trace
        assert "KeyError" in problem.trace

    def test_endless_message_does_not_fill_the_disk(self, puppet: OwnHook) -> None:
        problem = problem_of(puppet, alias_for="does(ValueError('SENTINEL' * 1_000_000))")
        assert len(problem.trace) == 20_000

    @pytest.mark.parametrize("error", ["RegistrationRefusedError", "StudyError"])
    def test_declared_refusal_is_the_reason(self, puppet: OwnHook, error: str) -> None:
        problem = problem_of(puppet, check=f"does({error}('No record'))")
        assert type(problem) is RegistrationRefusedError
        assert str(problem) == "No record"

    def test_refusal_that_was_not_declared_may_quote_values_and_is_not_repeated(self, puppet: OwnHook) -> None:
        problem = problem_of(puppet, register="does(RegistrationRefusedError(f'No {study.accession_numbers}'))")
        assert type(problem) is RegistrationRefusedError
        assert "not among its `refusals`" in str(problem)
        assert ACCESSION in problem.trace

    def test_the_next_question_is_answered(self, puppet: OwnHook) -> None:
        problem_of(puppet, alias_for="1 / 0")
        assert puppet.alias_for(PatientIdentity("X", "'R-1'")) == "R-1"


class TestAHookThatReturnsNonsense:
    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("7", "int"),
            ("True", "bool"),
            ("b'R-1'", "bytes"),
            ("['R-1']", "list"),
            ("object()", "object"),
            ("float('nan')", "float"),
            ("type(patient.patient_id + '!', (), {})()", "object"),
        ],
    )
    def test_alias_that_is_no_text(self, puppet: OwnHook, value: str, said: str) -> None:
        problem = problem_of(puppet, alias_for=value)
        assert type(problem) is RegistrationFailedError
        assert f"alias_for returned what can't be used ({said})" in str(problem)

    @pytest.mark.parametrize("value", ["patient.patient_id", "patient.patient_id.lower()", "f' {patient.patient_id} '"])
    def test_alias_that_is_the_original_id(self, puppet: OwnHook, value: str) -> None:
        problem = problem_of(puppet, alias_for=value)
        assert "returned the original Patient ID as alias" in str(problem)

    @pytest.mark.parametrize("value", ["False", "True", "'No record'", "{}"])
    def test_check_that_says_something(self, puppet: OwnHook, value: str) -> None:
        assert "check returned what can't be used" in str(problem_of(puppet, check=value))

    @pytest.mark.parametrize(
        "value",
        [
            "None",
            "1",
            "'done'",
            "[('rows_inserted', 1)]",
            "{study.patient.patient_id: 1}",
            "{'rows': 1}",
            "{1: 1}",
            "{'rows_inserted': study.patient.patient_id}",
            "{'rows_inserted': -1}",
            "{'rows_inserted': True}",
            "{'rows_inserted': 1.0}",
            "{'rows_inserted': {}}",
            "{('rows_inserted',): 1}",
        ],
    )
    def test_counts_that_are_none(self, puppet: OwnHook, value: str) -> None:
        problem = problem_of(puppet, register=value)
        assert type(problem) is RegistrationFailedError
        assert "register returned what can't be used" in str(problem)


def test_what_it_prints_goes_nowhere(puppet: OwnHook, capfd: pytest.CaptureFixture[str]) -> None:
    for says in ("print", "sys.stderr.write", "os.system('echo SENTINEL') or str"):
        puppet.alias_for(PatientIdentity("SENTINEL", f"({says})(patient.patient_id) and None"))
    assert capfd.readouterr() == ("", "")


def test_broken_hooks_mark_the_study_for_a_person_and_hooks_that_are_away_do_not() -> None:
    assert issubclass(RegistrationFailedError, StudyError)
    assert issubclass(RegistrationAwayError, TransientError)
    assert not issubclass(RegistrationAwayError, StudyError)


def test_module_of_the_puppet_is_in_the_traces_only(puppet: OwnHook, tmp_path: Path) -> None:
    problem = problem_of(puppet, alias_for="does(ValueError())")
    assert str(tmp_path.parent) not in str(problem)
    assert f"{MODULE}.py" in problem.trace
