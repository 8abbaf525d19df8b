"""The identity database: the only home of real <-> pseudonym."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Self

from sqlalchemy import Connection, or_, update

from dicom_assets.adapters.identity_db import queries, schema, tables
from dicom_assets.adapters.identity_db.dry_run import DryRunIdentityDatabase
from dicom_assets.adapters.identity_db.issuing import issue_study_keys
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.queries import (
    IssuedStudy,
    PatientEntry,
    PatientRow,
    entry_of,
    insert_or_ignore,
    storable,
)
from dicom_assets.adapters.identity_db.refusals import (
    ATTEMPTS,
    no_free_derivation,
    no_study_uid,
    replacement_in_use,
    require_uid,
    unknown_key,
)
from dicom_assets.deidentification import EpochRequest
from dicom_assets.deidentification.derivation import derive_date_offset_days, derive_pseudonym
from dicom_assets.study import PatientIdentity, StudyKey, Subject, UidLevel


class IdentityDatabase:
    """What is recorded is in force for ever, before anything that could be derived.

    Processes may share a database: each asks, inserts what is missing unless another was faster, and reads back what
    is in force. Inserts go in one order everywhere (patient, study, UIDs sorted, values sorted), so that on PostgreSQL
    two of them never wait for each other.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @classmethod
    def open(
        cls,
        url: str,
        secret: bytes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        key: bytes | None = None,
    ) -> Self:
        """The database, made and brought to the newest schema as needed; `key` is that of an encrypted one.

        Raises:
            ConfigurationError: it does not open, holds something else, is newer than this program, or goes by another
                secret or key.
        """
        return cls(schema.open_upgraded(url, secret, key, clock))

    @staticmethod
    def open_for_dry_run(url: str, secret: bytes, *, key: bytes | None = None) -> DryRunIdentityDatabase:
        """The database as it is, with what a dry run adds kept in memory; it is not created where there is none.

        Raises:
            ConfigurationError: as for `open`.
        """
        return DryRunIdentityDatabase(schema.open_existing(url, secret, key), secret)

    def close(self) -> None:
        """Give back all connections."""
        self._ledger.close()

    def study_key(self, study_uid: str) -> StudyKey:
        """The study's key, issued now if this is the first time it is asked for.

        Raises:
            StudyError: there is no UID to issue one for.
        """
        if not study_uid.strip():
            raise no_study_uid()
        if found := self.find_key(study_uid):
            return found
        with self._ledger.writing() as connection:
            return issue_study_keys(connection, self._ledger, [study_uid])[study_uid]

    def find_key(self, study_uid: str) -> StudyKey | None:
        """The study's key if one was issued; never issues one."""
        with self._ledger.reading() as connection:
            return queries.find_key(connection, study_uid)

    def original_study_uid(self, study_key: StudyKey) -> str:
        """The study behind a key.

        Raises:
            ConfigurationError: no such key was issued.
        """
        with self._ledger.reading() as connection:
            found = queries.find_study_uid(connection, study_key)
        if found is None:
            raise unknown_key(study_key)
        return found

    def studies(self) -> Iterable[IssuedStudy]:
        """All studies that have a key, in the order the keys were issued."""
        with self._ledger.reading() as connection:
            return queries.issued_studies(connection)

    def subject(self, patient: PatientIdentity, epoch: EpochRequest | None = None) -> Subject:
        """What stands for the patient, the same in all studies and for ever; issued now if need be.

        A new patient's offset is reckoned from `epoch` where there is one; a recorded offset wins over it.

        Raises:
            StudyError: nothing tells the patient from others, or no date of a new patient is known.
        """
        entry = entry_of(patient)
        with self._ledger.reading() as connection:
            found = self._find_patient(connection, entry)
        if found:
            return found.subject
        with self._ledger.writing() as connection:
            return self._issue_patient(connection, entry, epoch).subject

    def replacements(self, uids: Iterable[str]) -> Mapping[str, str]:
        """The recorded replacements of those of `uids` that have one."""
        with self._ledger.reading() as connection:
            return queries.find_replacements(connection, uids)

    def record(
        self,
        study_key: StudyKey,
        patient: PatientIdentity,
        uids: Mapping[str, str],
        values: Mapping[str, Mapping[str, str]],
        levels: Mapping[str, UidLevel] | None = None,
    ) -> Mapping[str, str]:
        """Record a study's mappings in one transaction and return the UID mappings in force.

        Where a UID was recorded before, the recorded replacement wins and is what comes back. `values` maps an
        attribute's keyword to its original -> replacement pairs; of these, every pair ever recorded stays. `levels`
        maps an original UID to what it names in this study.

        Raises:
            ConfigurationError: no such key was issued.
            StudyError: a replacement is in use for another UID, a UID is none, or nothing tells the patient from
                others.
        """
        entry = entry_of(patient)
        with self._ledger.writing() as connection:
            self._link_patient(connection, study_key, self._issue_patient(connection, entry).row)
            in_force = self._record_uids(connection, study_key, uids, levels or {})
            self._record_values(connection, study_key, values)
        return in_force

    def _find_patient(self, connection: Connection, entry: PatientEntry) -> PatientRow | None:
        return queries.find_patient(connection, entry, self._ledger.standing.default_issuer)

    def _issue_patient(
        self, connection: Connection, entry: PatientEntry, epoch: EpochRequest | None = None
    ) -> PatientRow:
        if found := self._find_patient(connection, entry):
            return found
        filed = queries.with_default_issuer(entry, self._ledger.standing.default_issuer)
        derived = derive_date_offset_days(self._ledger.secret, filed.issuer, filed.original_id)
        offset = derived if epoch is None else epoch.offset_days()
        for attempt in range(ATTEMPTS):
            pseudonym = derive_pseudonym(self._ledger.secret, filed.issuer, filed.original_id, attempt)
            row = {
                **filed._asdict(),
                "pseudonym": pseudonym,
                "date_offset_days": offset,
                "issued_at": self._ledger.clock(),
                "secret_generation": self._ledger.standing.generation,
            }
            insert_or_ignore(connection, tables.patient, [row])
            if issued := self._find_patient(connection, entry):
                return issued
        raise no_free_derivation("pseudonym")

    def _link_patient(self, connection: Connection, study_key: StudyKey, patient_row: int) -> None:
        """Have a study lead to the patient of its instances as they are now; a PACS may have been repaired since."""
        study = tables.study
        if queries.find_study_uid(connection, study_key) is None:
            raise unknown_key(study_key)
        is_other = or_(study.c.patient_id.is_(None), study.c.patient_id != patient_row)
        connection.execute(update(study).where(study.c.key == study_key, is_other).values(patient_id=patient_row))

    def _record_uids(
        self,
        connection: Connection,
        study_key: StudyKey,
        uids: Mapping[str, str],
        levels: Mapping[str, UidLevel],
    ) -> dict[str, str]:
        before = queries.find_mapped(connection, uids)
        missing = sorted(set(uids) - set(before))
        rows = [
            {
                "original": require_uid(uid),
                "replacement": require_uid(uids[uid]),
                "study_key": study_key,
                "level": levels.get(uid),
                "secret_generation": self._ledger.standing.generation,
            }
            for uid in missing
        ]
        insert_or_ignore(connection, tables.uid, rows)
        added = queries.find_mapped(connection, missing)
        in_force = before | added
        if len(in_force) < len(uids):
            raise replacement_in_use(study_key, len(uids) - len(in_force))
        # What another study only referred to is this study's, now that it is seen what it names.
        newly = {
            uid: (level, study_key) for uid, level in levels.items() if uid in in_force and not in_force[uid].level
        }
        queries.tell_levels(connection, newly)
        return {original: mapped.replacement for original, mapped in in_force.items()}

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
                "fingerprint": self._ledger.keyed_hash(keyword, original, replacement),
            }
            for keyword, original, replacement in triples
        ]
        queries.insert_values(connection, sorted(rows, key=lambda row: row["fingerprint"]))
