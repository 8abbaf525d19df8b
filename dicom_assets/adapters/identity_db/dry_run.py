"""The identity database of a dry run: what is recorded is read, what would be recorded stays in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from dicom_assets.adapters.identity_db import queries
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.queries import IssuedStudy, PatientEntry, entry_of
from dicom_assets.adapters.identity_db.refusals import (
    ATTEMPTS,
    no_free_derivation,
    no_study_uid,
    replacement_in_use,
    require_uid,
    unknown_key,
)
from dicom_assets.deidentification import EpochRequest
from dicom_assets.deidentification.derivation import derive_date_offset_days, derive_pseudonym, derive_study_key
from dicom_assets.study import PatientIdentity, StudyKey, Subject, UidLevel

T = TypeVar("T")


class DryRunIdentityDatabase:
    """Answers as the real one would, collisions included, and forgets everything at the end. Safe among threads."""

    def __init__(self, ledger: Ledger | None, secret: bytes) -> None:
        self._ledger = ledger
        self._secret = secret
        self._default_issuer = ledger.standing.default_issuer if ledger else ""
        self._lock = threading.RLock()
        self._study_uids: dict[StudyKey, str] = {}
        self._subjects: dict[PatientEntry, Subject] = {}
        self._replacements: dict[str, str] = {}

    def close(self) -> None:
        """Give back all connections."""
        if self._ledger:
            self._ledger.close()

    def study_key(self, study_uid: str) -> StudyKey:
        """The key that was, or would be, issued.

        Raises:
            StudyError: there is no UID to issue one for.
        """
        if not study_uid.strip():
            raise no_study_uid()
        with self._lock:
            if found := self.find_key(study_uid):
                return found
            for attempt in range(ATTEMPTS):
                key = derive_study_key(self._secret, study_uid, attempt)
                if self._find_study_uid(key) is None:
                    self._study_uids[key] = study_uid
                    return key
        raise no_free_derivation("study key")

    def find_key(self, study_uid: str) -> StudyKey | None:
        """The study's key if one was issued, or would have been in this dry run."""
        recorded = self._ask(lambda connection: queries.find_key(connection, study_uid))
        added = (key for key, uid in self._study_uids.items() if uid == study_uid)
        return recorded or next(added, None)

    def original_study_uid(self, study_key: StudyKey) -> str:
        """The study behind a key.

        Raises:
            ConfigurationError: no such key was issued.
        """
        found = self._find_study_uid(study_key)
        if found is None:
            raise unknown_key(study_key)
        return found

    def studies(self) -> Iterable[IssuedStudy]:
        """The recorded studies."""
        return self._ask(queries.issued_studies) or []

    def subject(self, patient: PatientIdentity, epoch: EpochRequest | None = None) -> Subject:
        """What stands, or would stand, for the patient.

        Raises:
            StudyError: nothing tells the patient from others, or no date of a new patient is known.
        """
        entry = entry_of(patient)
        with self._lock:
            recorded = self._ask(partial(queries.find_patient, entry=entry, default_issuer=self._default_issuer))
            if recorded:
                return recorded.subject
            filed = queries.with_default_issuer(entry, self._default_issuer)
            if filed not in self._subjects:
                self._subjects[filed] = self._derive_subject(filed, epoch)
            return self._subjects[filed]

    def replacements(self, uids: Iterable[str]) -> Mapping[str, str]:
        """The replacements that are recorded, or would be."""
        asked = set(uids)
        with self._lock:
            added = {uid: self._replacements[uid] for uid in asked & self._replacements.keys()}
            recorded = self._ask(lambda connection: queries.find_replacements(connection, asked))
            return added | (recorded or {})

    def record(
        self,
        study_key: StudyKey,
        patient: PatientIdentity,
        uids: Mapping[str, str],
        values: Mapping[str, Mapping[str, str]],  # noqa: ARG002 - the port's; nothing looks values up in a dry run
        levels: Mapping[str, UidLevel] | None = None,  # noqa: ARG002 - likewise
    ) -> Mapping[str, str]:
        """The UID mappings that would be in force; they are, for the rest of this dry run.

        Raises:
            ConfigurationError: no such key was issued.
            StudyError: a replacement is in use for another UID, a UID is none, or nothing tells the patient from
                others.
        """
        with self._lock:
            self.original_study_uid(study_key)
            self.subject(patient)
            in_force = self.replacements(uids)
            new = {require_uid(uid): require_uid(uids[uid]) for uid in uids if uid not in in_force}
            in_use = self._ask(lambda connection: queries.find_taken(connection, new.values())) or set()
            in_use |= set(new.values()) & set(self._replacements.values())
            clashes = len(new) - len(set(new.values()) - in_use)
            if clashes:
                raise replacement_in_use(study_key, clashes)
            self._replacements.update(new)
            return {**in_force, **new}

    def _find_study_uid(self, study_key: StudyKey) -> str | None:
        recorded = self._ask(lambda connection: queries.find_study_uid(connection, study_key))
        return recorded or self._study_uids.get(study_key)

    def _derive_subject(self, entry: PatientEntry, epoch: EpochRequest | None) -> Subject:
        derived = derive_date_offset_days(self._secret, entry.issuer, entry.original_id)
        offset = derived if epoch is None else epoch.offset_days()
        in_use = {subject.patient_id for subject in self._subjects.values()}
        for attempt in range(ATTEMPTS):
            pseudonym = derive_pseudonym(self._secret, entry.issuer, entry.original_id, attempt)
            if pseudonym not in in_use and not self._ask(partial(queries.is_pseudonym_taken, pseudonym=pseudonym)):
                return Subject(pseudonym, offset)
        raise no_free_derivation("pseudonym")

    def _ask(self, question: Callable[[Connection], T]) -> T | None:
        if self._ledger is None:
            return None
        with self._ledger.reading() as connection:
            return question(connection)
