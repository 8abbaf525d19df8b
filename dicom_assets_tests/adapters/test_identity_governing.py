"""A new secret, and an issuer that goes without saying: what is recorded stays, who works on is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dicom_assets.adapters.identity_db.governing import declare_default_issuer, rotate_secret
from dicom_assets.adapters.identity_db.integrity import check_integrity
from dicom_assets.adapters.identity_db.verdict import Outcome
from dicom_assets.deidentification.derivation import derive_pseudonym, derive_study_key
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import PatientIdentity
from dicom_assets_tests.adapters.builders import names_nothing_identified
from dicom_assets_tests.adapters.identity_builders import OTHER_SECRET, dry, execute, ledger_of, opened
from dicom_assets_tests.adapters.identity_processes import SECRET

UID = "1.2.840.99999.1"
ANNA, BERT = PatientIdentity("SENTINEL-1", "HOSPITAL"), PatientIdentity("SENTINEL-2", "HOSPITAL")
VALUES = {"AccessionNumber": {"SENTINEL-A": ""}, "PatientID": {"SENTINEL-1": "P"}}


def rotate(url: str, before: bytes = SECRET, after: bytes = OTHER_SECRET) -> None:
    with ledger_of(url, before) as ledger:
        rotate_secret(ledger, after)


def test_what_is_recorded_stays_and_what_is_new_is_derived_with_the_new_secret(database_url: str) -> None:
    identity_db = opened(database_url)
    key, subject = identity_db.study_key(UID), identity_db.subject(ANNA)
    identity_db.record(key, ANNA, {UID: "2.25.1"}, VALUES)
    rotate(database_url)
    for after in (opened(database_url, OTHER_SECRET), dry(database_url, OTHER_SECRET)):
        assert after.study_key(UID) == key
        assert after.subject(ANNA) == subject
        assert after.replacements([UID]) == {UID: "2.25.1"}
        assert after.study_key("1.2.3") == derive_study_key(OTHER_SECRET, "1.2.3")
        assert after.subject(BERT).patient_id == derive_pseudonym(OTHER_SECRET, "HOSPITAL", "SENTINEL-2")


def test_values_recorded_again_after_a_rotation_are_not_doubled(database_url: str) -> None:
    identity_db = opened(database_url)
    identity_db.record(identity_db.study_key(UID), ANNA, {}, VALUES)
    rotate(database_url)
    after = opened(database_url, OTHER_SECRET)
    after.record(after.study_key(UID), ANNA, {}, VALUES)
    assert execute(database_url, "SELECT count(*) FROM identity_value") == [(2,)]


@pytest.mark.parametrize("open_", [opened, dry])
def test_the_retired_secret_is_refused_and_the_one_to_use_is_told(
    database_url: str, open_: Callable[[str, bytes], object]
) -> None:
    opened(database_url).close()
    with ledger_of(database_url) as ledger:
        fingerprint = rotate_secret(ledger, OTHER_SECRET).fingerprint
    with pytest.raises(ConfigurationError, match="retired on 2024-05-01") as caught:
        open_(database_url, SECRET)
    assert fingerprint in str(caught.value)
    with pytest.raises(ConfigurationError, match="another secret than the one in IDENTITY_SECRET_FILE") as caught:
        open_(database_url, b"a third secret of enough bytes")
    assert fingerprint in str(caught.value)


def test_who_has_the_database_open_is_stopped_before_it_records_anything(database_url: str) -> None:
    before, rehearsal = opened(database_url), dry(database_url)
    rotate(database_url)
    for work in (
        lambda: before.study_key("1.2.3"),
        lambda: before.subject(ANNA),
        lambda: before.replacements([UID]),
        lambda: rehearsal.study_key("1.2.3"),
    ):
        with pytest.raises(ConfigurationError, match=r"given another secret, key or default issuer.*start again"):
            work()
    assert execute(database_url, "SELECT count(*) FROM identity_study") == [(0,)]


@pytest.mark.parametrize("again", [SECRET, OTHER_SECRET])
def test_a_secret_is_put_in_force_once(database_url: str, again: bytes) -> None:
    opened(database_url).close()
    rotate(database_url)
    with ledger_of(database_url, OTHER_SECRET) as ledger, pytest.raises(ConfigurationError, match="make another one"):
        rotate_secret(ledger, again)
    opened(database_url, OTHER_SECRET).close()


def test_a_short_secret_is_refused_and_nothing_is_changed(database_url: str) -> None:
    with ledger_of(database_url) as ledger, pytest.raises(ConfigurationError, match="at least 16"):
        rotate_secret(ledger, b"short")
    opened(database_url).close()


def test_a_database_that_says_nothing_of_its_secret_is_refused(database_url: str) -> None:
    opened(database_url).close()
    execute(database_url, "UPDATE identity_secret SET retired_at = since")
    with pytest.raises(ConfigurationError, match="does not say which secret"):
        opened(database_url)


def test_derivations_are_checked_with_the_secret_of_their_time(database_url: str) -> None:
    identity_db = opened(database_url)
    identity_db.subject(ANNA)
    rotate(database_url)
    opened(database_url, OTHER_SECRET).subject(BERT)
    with ledger_of(database_url, OTHER_SECRET) as ledger:
        (without,) = [one for one in check_integrity(ledger) if one.name == "pseudonyms are derived"]
        (with_it,) = [one for one in check_integrity(ledger, [SECRET]) if one.name == "pseudonyms are derived"]
        with pytest.raises(ConfigurationError, match="never in force"):
            check_integrity(ledger, [b"a third secret of enough bytes"])
    assert (without.outcome, without.examined) == (Outcome.PASSED, 1)
    assert without.remarks == ("1 of former secrets were not compared (--former-secret)",)
    assert (with_it.outcome, with_it.examined, with_it.remarks) == (Outcome.PASSED, 2, ())


WITHOUT = PatientIdentity("SENTINEL-1")
ELSEWHERE = PatientIdentity("SENTINEL-1", "ELSEWHERE")


def declare(url: str, issuer: str) -> None:
    with ledger_of(url) as ledger:
        declare_default_issuer(ledger, issuer)


def test_an_id_with_and_without_issuer_are_two_patients_unless_it_is_declared(database_url: str) -> None:
    for port in (dry(database_url), opened(database_url)):
        assert port.subject(ANNA) != port.subject(WITHOUT)


@pytest.mark.parametrize("order", [(ANNA, WITHOUT), (WITHOUT, ANNA)])
def test_with_a_default_issuer_they_are_one_whichever_comes_first(
    database_url: str, order: tuple[PatientIdentity, PatientIdentity]
) -> None:
    declare(database_url, "HOSPITAL")
    for port in (dry(database_url), opened(database_url)):
        first, second = (port.subject(patient) for patient in order)
        assert first == second
        assert port.subject(ELSEWHERE) != first
    issuers = execute(database_url, "SELECT issuer FROM identity_patient ORDER BY issuer")
    assert issuers == [("ELSEWHERE",), ("HOSPITAL",)]


@pytest.mark.parametrize("known", [ANNA, WITHOUT])
def test_a_pseudonym_given_before_the_declaration_stands_for_both(database_url: str, known: PatientIdentity) -> None:
    subject = opened(database_url).subject(known)
    declare(database_url, "HOSPITAL")
    for port in (dry(database_url), opened(database_url)):
        assert port.subject(ANNA) == port.subject(WITHOUT) == subject


def test_two_pseudonyms_given_before_the_declaration_stay_and_the_check_notes_them(database_url: str) -> None:
    before = [opened(database_url).subject(patient) for patient in (ANNA, WITHOUT)]
    declare(database_url, "HOSPITAL")
    assert [opened(database_url).subject(patient) for patient in (ANNA, WITHOUT)] == before
    with ledger_of(database_url) as ledger:
        (noted,) = [one for one in check_integrity(ledger) if one.name == "ids with and without issuer"]
    assert (noted.outcome, noted.findings) == (Outcome.NOTED, 1)
    assert all(subject.patient_id in noted.remarks[0] for subject in before)
    assert names_nothing_identified(noted.remarks[0])


def test_studies_recorded_without_issuer_are_linked_with_the_one_patient(database_url: str) -> None:
    declare(database_url, "HOSPITAL")
    identity_db = opened(database_url)
    for number, patient in enumerate((ANNA, WITHOUT)):
        identity_db.record(identity_db.study_key(f"1.2.{number}"), patient, {}, {})
    assert execute(database_url, "SELECT count(DISTINCT patient_id), count(*) FROM identity_study") == [(1, 2)]


def test_a_declaration_is_taken_back(database_url: str) -> None:
    declare(database_url, "HOSPITAL")
    declare(database_url, "")
    assert opened(database_url).subject(ANNA) != opened(database_url).subject(WITHOUT)
