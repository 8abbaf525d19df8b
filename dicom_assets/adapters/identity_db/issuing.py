"""Study keys for many studies at once."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.queries import chunks, insert_or_ignore
from dicom_assets.adapters.identity_db.refusals import ATTEMPTS, no_free_derivation
from dicom_assets.adapters.identity_db.tables import study
from dicom_assets.deidentification.derivation import derive_study_key
from dicom_assets.study import StudyKey


def issue_study_keys(connection: Connection, ledger: Ledger, study_uids: Iterable[str]) -> dict[str, StudyKey]:
    """The key of each study, issued now where there is none.

    Raises:
        ConfigurationError: every derivation of a key is another study's.
    """
    keys: dict[str, StudyKey] = {}
    for chunk in chunks(sorted(set(study_uids))):
        keys |= _issue(connection, ledger, chunk)
    return keys


def _issue(connection: Connection, ledger: Ledger, study_uids: list[str]) -> dict[str, StudyKey]:
    keys = _find(connection, study_uids)
    for attempt in range(ATTEMPTS):
        missing = [study_uid for study_uid in study_uids if study_uid not in keys]
        if not missing:
            return keys
        rows = [
            {
                "key": derive_study_key(ledger.secret, study_uid, attempt),
                "original_study_uid": study_uid,
                "issued_at": ledger.clock(),
                "secret_generation": ledger.standing.generation,
            }
            for study_uid in missing
        ]
        insert_or_ignore(connection, study, rows)
        keys |= _find(connection, missing)
    if len(keys) < len(study_uids):
        raise no_free_derivation("study key")
    return keys


def _find(connection: Connection, study_uids: list[str]) -> dict[str, StudyKey]:
    asked = select(study.c.original_study_uid, study.c.key).where(study.c.original_study_uid.in_(study_uids))
    return {row.original_study_uid: StudyKey(row.key) for row in connection.execute(asked)}
