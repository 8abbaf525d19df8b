"""What processes of their own do in the identity database's tests."""

from __future__ import annotations

from collections.abc import Mapping
from multiprocessing.synchronize import Barrier

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.study import PatientIdentity

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
