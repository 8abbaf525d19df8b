"""The check finds what does not hang together, and names no original."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_assets.adapters.identity_db.integrity import check_integrity
from dicom_assets.adapters.identity_db.verdict import CheckResult, Outcome
from dicom_assets.deidentification.derivation import derive_uid
from dicom_assets.study import PatientIdentity
from dicom_assets_tests.adapters.builders import names_nothing_identified, sqlite_file
from dicom_assets_tests.adapters.identity_builders import execute, ledger_of, opened
from dicom_assets_tests.adapters.identity_processes import SECRET

STUDY, INSTANCE = "1.2.840.99999.1", "1.2.840.99999.1.1.1"
PATIENT = PatientIdentity("SENTINEL-1", "HOSPITAL")


def filled(url: str) -> str:
    identity_db = opened(url)
    for number, root in enumerate(("2.25", "1.2.276.0.7230010.3")):
        study_uid = f"{STUDY}.{number}"
        uids = {uid: derive_uid(SECRET, root, uid) for uid in (study_uid, f"{study_uid}.1")}
        values = {"PatientID": {"SENTINEL-1": "P"}, "AccessionNumber": {f"SENTINEL-{number}": ""}}
        identity_db.record(identity_db.study_key(study_uid), PATIENT, uids, values)
    identity_db.close()
    return url


def results(url: str) -> dict[str, CheckResult]:
    with ledger_of(url) as ledger:
        return {one.name.partition(",")[0]: one for one in check_integrity(ledger)}


def test_a_sound_database_passes_whatever_the_root_of_its_uids(database_url: str) -> None:
    found = results(filled(database_url))
    assert {one.outcome for one in found.values()} == {Outcome.PASSED}
    assert found["replacements are derived or imported"].examined == 4


FAULTS = {
    "pseudonym of nobody's derivation": (
        "UPDATE identity_patient SET pseudonym = 'PSENTINE1'",
        "pseudonyms are derived",
    ),
    "patient without a secret": ("UPDATE identity_patient SET secret_generation = NULL", "pseudonyms are derived"),
    "another study's key": (
        "UPDATE identity_study SET original_study_uid = original_study_uid || '.7'",
        "study keys are derived",
    ),
    "replacement altered": (
        "UPDATE identity_uid SET replacement = replacement || '7' WHERE replacement LIKE '2.25.%'",
        "replacements are derived or imported",
    ),
    "replacement without a root": (
        "UPDATE identity_uid SET replacement = '7' WHERE original LIKE '%.0.1'",
        "replacements are derived or imported",
    ),
    "value altered": ("UPDATE identity_value SET original = original || 'x'", "values are as they were recorded"),
    "value's attribute altered": ("UPDATE identity_value SET keyword = 'Other'", "values are as they were recorded"),
    "replacement is an original": (
        "UPDATE identity_uid SET original = (SELECT max(replacement) FROM identity_uid) WHERE original LIKE '%.0.1'",
        "no replacement is an original",
    ),
    "pseudonym is a Patient ID": (
        "UPDATE identity_patient SET original_id = pseudonym",
        "no replacement is an original",
    ),
    "log unprotected": ("DROP TRIGGER identity_access_no_update", "access log is append-only"),
}


@pytest.mark.parametrize(("statement", "name"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_and_told_without_originals(database_url: str, statement: str, name: str) -> None:
    url = filled(database_url)
    execute(url, f"{statement} ON identity_access" if "TRIGGER" in statement and "sqlite" not in url else statement)
    found = results(url)[name]
    assert found.outcome is Outcome.FAILED
    assert 0 < found.findings <= found.examined or name == "access log is append-only"
    assert len(found.remarks) == min(found.findings, 10)
    if "original" not in name:  # there, an original is what stands for something
        assert names_nothing_identified(str(found.remarks))


def test_rows_that_a_constraint_would_have_kept_out_are_found(tmp_path: Path) -> None:
    url = filled(f"sqlite:///{tmp_path / 'identity.db'}")
    for table in ("uid", "patient"):
        execute(url, f"CREATE TABLE copied AS SELECT * FROM identity_{table}")
        execute(url, "PRAGMA foreign_keys = OFF")
        execute(url, f"DROP TABLE identity_{table}")
        execute(url, f"ALTER TABLE copied RENAME TO identity_{table}")
        execute(url, f"INSERT INTO identity_{table} SELECT * FROM identity_{table}")
    execute(url, "UPDATE identity_value SET study_key = 'SNONE' WHERE keyword = 'AccessionNumber'")
    found = results(url)
    assert found["one pseudonym for each patient"].findings == 2
    assert found["one replacement for each UID"].findings == 8
    assert found["references between rows"].remarks == (
        "2 rows of identity_value refer to a row of identity_study that is not there",
    )


def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    url = filled(f"sqlite:///{tmp_path / 'identity.db'}")
    ((page,),) = execute(url, "SELECT rootpage FROM sqlite_master WHERE name = 'identity_value_original'")
    content = bytearray(sqlite_file(url).read_bytes())
    start = (int(str(page)) - 1) * 4096
    content[start + 8 : start + 16] = b"\xff" * 8
    sqlite_file(url).write_bytes(content)
    found = results(url)
    assert found["database file"].outcome is Outcome.FAILED
    assert found["everything else"].outcome is Outcome.NOTED
    assert names_nothing_identified(str(found))


def test_a_study_under_two_patient_ids_is_noted(database_url: str) -> None:
    identity_db = opened(filled(database_url))
    key = identity_db.study_key(f"{STUDY}.0")
    identity_db.record(key, PatientIdentity("SENTINEL-2"), {}, {"PatientID": {"SENTINEL-2": "P2"}})
    found = results(database_url)["one Patient ID for each study"]
    assert (found.outcome, found.remarks) == (Outcome.NOTED, (f"{key} was recorded under several Patient IDs",))
