"""The identity database: the only home of real <-> pseudonym."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Self

from sqlalchemy import Connection, select, update

from dicom_assets.adapters.databases import Database
from dicom_assets.adapters.identity_db import queries, schema, tables
from dicom_assets.adapters.identity_db.dry_run import DryRunIdentityDatabase
from dicom_assets.adapters.identity_db.queries import IssuedStudy, PatientEntry, entry_of, insert_or_ignore, storable
from dicom_assets.adapters.identity_db.refusals import (
    ATTEMPTS,
    no_free_derivation,
    replacement_in_use,
    unknown_key,
)
from dicom_assets.deidentification import EpochRequest
from dicom_assets.deidentification.derivation import derive_date_offset_days, derive_pseudonym, derive_study_key
from dicom_assets.study import PatientIdentity, StudyKey, Subject


class IdentityDatabase:
    """What is recorded is in force for ever, before anything that could be derived.

    Processes may share a database: each asks, inserts what is missing unless another was faster, and reads back what
    is in force. Inserts go in one order everywhere (patient, study, UIDs sorted, values sorted), so that on PostgreSQL
    two of them never wait for each other.
    """

    def __init__(self, database: Database, secret: bytes, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._secret = secret
        self._clock = clock

    @classmethod
    def open(cls, url: str, secret: bytes, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Self:
        """The database, made and brought to the newest schema as needed.

        Raises:
            ConfigurationError: it does not open, holds something else, is newer than this program, or was made with
                another secret.
        """
        return cls(schema.open_upgraded(url, secret), secret, clock)

    @staticmethod
    def open_for_dry_run(url: str, secret: bytes) -> DryRunIdentityDatabase:
        """The database as it is, with what a dry run adds kept in memory; it is not created where there is none.

        Raises:
            ConfigurationError: as for `open`.
        """
        return DryRunIdentityDatabase(schema.open_existing(url, secret), secret)

    def close(self) -> None:
        """Give back all connections."""
        self._database.close()

    def study_key(self, study_uid: str) -> StudyKey:
        """The study's key, issued now if this is the first time it is asked for."""
        if found := self.find_key(study_uid):
            return found
        with self._database.writing() as connection:
            for attempt in range(ATTEMPTS):
                key = derive_study_key(self._secret, study_uid, attempt)
                row = {"key": key, "original_study_uid": study_uid, "issued_at": self._clock()}
                insert_or_ignore(connection, tables.study, [row])
                if issued := queries.find_key(connection, study_uid):
                    return issued
        raise no_free_derivation("study key")

    def find_key(self, study_uid: str) -> StudyKey | None:
        """The study's key if one was issued; never issues one."""
        with self._database.reading() as connection:
            return queries.find_key(connection, study_uid)

    def original_study_uid(self, study_key: StudyKey) -> str:
        """The study behind a key.

        Raises:
            ConfigurationError: no such key was issued.
        """
        with self._database.reading() as connection:
            found = queries.find_study_uid(connection, study_key)
        if found is None:
            raise unknown_key(study_key)
        return found

    def studies(self) -> Iterable[IssuedStudy]:
        """All studies that have a key, in the order the keys were issued."""
        with self._database.reading() as connection:
            return queries.issued_studies(connection)

    def subject(self, patient: PatientIdentity, epoch: EpochRequest | None = None) -> Subject:
        """What stands for the patient, the same in all studies and for ever; issued now if need be.

        A new patient's offset is reckoned from `epoch` where there is one; a recorded offset wins over it.

        Raises:
            StudyError: nothing tells the patient from others, or no date of a new patient is known.
        """
        entry = entry_of(patient)
        with self._database.reading() as connection:
            found = queries.find_subject(connection, entry)
        if found:
            return found
        with self._database.writing() as connection:
            return self._issue_subject(connection, entry, epoch)

    def replacements(self, uids: Iterable[str]) -> Mapping[str, str]:
        """The recorded replacements of those of `uids` that have one."""
        with self._database.reading() as connection:
            return queries.find_replacements(connection, uids)

    def record(
        self,
        study_key: StudyKey,
        patient: PatientIdentity,
        uids: Mapping[str, str],
        values: Mapping[str, Mapping[str, str]],
    ) -> Mapping[str, str]:
        """Record a study's mappings in one transaction and return the UID mappings in force.

        Where a UID was recorded before, the recorded replacement wins and is what comes back. `values` maps an
        attribute's keyword to its original -> replacement pairs; of these, every pair ever recorded stays.

        Raises:
            ConfigurationError: no such key was issued.
            StudyError: a replacement is in use for another UID, or nothing tells the patient from others.
        """
        entry = entry_of(patient)
        with self._database.writing() as connection:
            self._issue_subject(connection, entry)
            self._link_patient(connection, study_key, entry)
            in_force = self._record_uids(connection, study_key, uids)
            self._record_values(connection, study_key, values)
        return in_force

    def _issue_subject(self, connection: Connection, entry: PatientEntry, epoch: EpochRequest | None = None) -> Subject:
        if found := queries.find_subject(connection, entry):
            return found
        derived = derive_date_offset_days(self._secret, entry.issuer, entry.original_id)
        offset = derived if epoch is None else epoch.offset_days()
        for attempt in range(ATTEMPTS):
            pseudonym = derive_pseudonym(self._secret, entry.issuer, entry.original_id, attempt)
            row = {
                **entry._asdict(),
                "pseudonym": pseudonym,
                "date_offset_days": offset,
                "issued_at": self._clock(),
            }
            insert_or_ignore(connection, tables.patient, [row])
            if issued := queries.find_subject(connection, entry):
                return issued
        raise no_free_derivation("pseudonym")

    def _link_patient(self, connection: Connection, study_key: StudyKey, entry: PatientEntry) -> None:
        patient, study = tables.patient, tables.study
        if queries.find_study_uid(connection, study_key) is None:
            raise unknown_key(study_key)
        filed = select(patient.c.id).where(patient.c.original_id == entry.original_id, patient.c.issuer == entry.issuer)
        connection.execute(
            update(study)
            .where(study.c.key == study_key, study.c.patient_id.is_(None))
            .values(patient_id=filed.scalar_subquery())
        )

    def _record_uids(self, connection: Connection, study_key: StudyKey, uids: Mapping[str, str]) -> dict[str, str]:
        in_force = queries.find_replacements(connection, uids)
        missing = sorted(set(uids) - set(in_force))
        rows = [{"original": uid, "replacement": uids[uid], "study_key": study_key} for uid in missing]
        insert_or_ignore(connection, tables.uid, rows)
        in_force |= queries.find_replacements(connection, missing)
        if len(in_force) < len(uids):
            raise replacement_in_use(study_key, len(uids) - len(in_force))
        return in_force

    def _record_values(
        self, connection: Connection, study_key: StudyKey, values: Mapping[str, Mapping[str, str]]
    ) -> None:
        triples = [
            (keyword, storable(original), storable(replacement))
            for keyword, pairs in values.items()
            for original, replacement in pairs.items()
        ]
        rows = [
            {
                "study_key": study_key,
                "keyword": keyword,
                "original": original,
                "replacement": replacement,
                "fingerprint": self._fingerprint(keyword, original, replacement),
            }
            for keyword, original, replacement in triples
        ]
        insert_or_ignore(connection, tables.value, sorted(rows, key=lambda row: row["fingerprint"]))

    def _fingerprint(self, *parts: str) -> str:
        whole = "".join(f"{len(part)}:{part}" for part in parts)
        return hmac.digest(self._secret, whole.encode(), hashlib.sha256).hex()
