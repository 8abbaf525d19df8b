"""What processes of their own do in the identity database's tests."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from multiprocessing.synchronize import Barrier
from typing import Any

from sqlalchemy import event

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.deidentification.derivation import derive_uid
from dicom_assets.study import PatientIdentity, UidLevel

SECRET = b"0123456789abcdef0123456789abcdef"

_barrier: Barrier


def meet_at(barrier: Barrier) -> None:
    """Prepares a process of the pool."""
    global _barrier
    _barrier = barrier


def open_and_record(url: str, number: int, uids: tuple[str, ...]) -> tuple[str, str, Mapping[str, str]]:
    """Open a database and record one patient's UIDs, with replacements that only this process would choose."""
    _barrier.wait(60)
    identity_db = IdentityDatabase.open(url, SECRET)
    key = identity_db.study_key("1.2.3")
    _barrier.wait(60)
    patient = PatientIdentity("MRN-1")
    in_force = identity_db.record(key, patient, {uid: f"2.25.{number}{i:05}" for i, uid in enumerate(uids)}, {})
    subject = identity_db.subject(patient)
    identity_db.close()
    return key, subject.patient_id, in_force


def record_studies(url: str, studies: Sequence[int]) -> Mapping[str, tuple[str, str]]:
    """Record studies in this order: pseudonym and new Study Instance UID of each, as this process got them.

    Three studies are one patient's; each refers to instances of the next one, and all to one frame of reference.
    """
    told = {}
    with closing(IdentityDatabase.open(url, SECRET)) as identity_db:
        _barrier.wait(60)
        for study in studies:
            uids = uids_of(study)
            key = identity_db.study_key(uids[0])
            patient = PatientIdentity(f"MRN-{study // 3}", "HOSPITAL", f"Doe^{study // 3}")
            pseudonym = identity_db.subject(patient).patient_id
            mapping = {uid: derive_uid(SECRET, "2.25", uid) for uid in [*uids, *uids_of(study + 1)[:5], "1.2.999"]}
            levels = {uids[0]: UidLevel.STUDY, uids[1]: UidLevel.SERIES} | dict.fromkeys(uids[2:], UidLevel.INSTANCE)
            values = {"PatientID": {patient.patient_id: pseudonym}, "AccessionNumber": {f"A-{study}": ""}}
            in_force = identity_db.record(key, patient, mapping, values, levels)
            told[uids[0]] = pseudonym, in_force[uids[0]]
    return told


def uids_of(study: int) -> list[str]:
    """Those of a study, its series and its instances."""
    return [f"1.2.{study}", f"1.2.{study}.1", *(f"1.2.{study}.1.{number}" for number in range(100))]


def record_and_hang(url: str) -> None:
    """Record a study, then another one, but hang between its rows and the end of the transaction; says so first."""
    identity_db: Any = IdentityDatabase.open(url, SECRET)
    for study in (1, 2):
        key = identity_db.study_key(f"1.2.{study}")
        if study == 2:
            event.listen(identity_db._ledger.database.engine, "after_cursor_execute", _hang_after_uids)
        mapping = {uid: derive_uid(SECRET, "2.25", uid) for uid in uids_of(study)}
        identity_db.record(key, PatientIdentity(f"MRN-{study}"), mapping, {"AccessionNumber": {f"A-{study}": ""}})


def _hang_after_uids(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
    if statement.startswith("INSERT INTO identity_uid"):
        print("in the midst of it", flush=True)
        sys.stdin.read()  # until the process is killed


if __name__ == "__main__":
    record_and_hang(sys.argv[1])
