"""The `production_*` tables of the research database: what researchers see of published studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import Connection, Row, func, select

from dicom_assets.adapters.databases import Database, open_database
from dicom_assets.adapters.production.alone import alone
from dicom_assets.adapters.production.changes import (
    Change,
    availability_changes,
    counted,
    row_of,
    studies_of,
    taken,
    twin_change,
)
from dicom_assets.adapters.production.tables import ProductionTables, reflect_production
from dicom_assets.adapters.time_limit import limit_statements
from dicom_assets.errors import StudyError

SETTING = "RESEARCH_DB_URL"


class ProductionDatabase:
    """Copies rows of published studies from the staging tables; implements the port `Production`.

    Rows keep their ids: an encounter has nothing else to be known by. What is there already under an id and is somebody
    else's is never written over.
    """

    def __init__(self, database: Database, tables: ProductionTables) -> None:
        self._database = database
        self._tables = tables

    @classmethod
    def open(cls, url: str, *, timeout_seconds: float = 60.0, read_only: bool = False) -> Self:
        """The research database; with `read_only`, for dry runs, `copy` only counts.

        Raises:
            ConfigurationError: it does not open, or lacks a table or a column.
        """
        database = open_database(url, SETTING, read_only=read_only)
        try:
            limit_statements(database, timeout_seconds)
            return cls(database, reflect_production(database))
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Give back all connections."""
        self._database.close()

    def copy(self, original_study_uid: str, study_uid: str) -> Mapping[str, int]:
        """Copy the rows of a study, of its patient and its encounter, and say anew what there is of the patient.

        In one transaction; doing it again changes nothing.

        Returns:
            How many rows of which table were inserted, updated or left as they were.

        Raises:
            StudyError: the study's row does not say that it is published under this UID, or what is in production
                under the same ids belongs to somebody else.
        """
        with self._transaction() as connection:
            changes = self._planned(connection, original_study_uid, study_uid)
            if not self._database.read_only:
                for change in changes:
                    change.make(connection)
            return counted(changes)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One transaction, and no other copies at the same time: both would insert the same patient."""
        how = self._database.reading() if self._database.read_only else alone(self._database)
        with how as connection:
            yield connection

    def _planned(self, connection: Connection, original_study_uid: str, study_uid: str) -> list[Change]:
        tables = self._tables
        changes: dict[tuple[str, int], Change] = {}
        modalities: dict[int, tuple[int, str | None]] = {}
        patients: set[int] = set()
        for row in self._published_rows(connection, original_study_uid, study_uid):
            patient, encounter = self._people(connection, row)
            before = row_of(connection, tables.study, tables.study.production, row.id)
            patients |= {row.patient_id} | ({before.patient_id} if before is not None else set())
            modalities[row.id] = (row.patient_id, row.modality)
            changes["patient", patient.id] = twin_change(connection, tables.patient, patient, _has_same_alias)
            changes["encounter", encounter.id] = twin_change(connection, tables.encounter, encounter, _has_same_patient)
            changes["study", row.id] = twin_change(connection, tables.study, row, _is_same_study)
        there = {row.id: (row.patient_id, row.modality) for row in studies_of(connection, tables, patients)}
        studies = {**there, **modalities}.values()
        return [*changes.values(), *availability_changes(connection, tables, patients, studies)]

    def _published_rows(self, connection: Connection, original_study_uid: str, study_uid: str) -> list[Row[Any]]:
        study = self._tables.study.staging
        original = self._tables.original_study_uid
        is_it = (func.trim(original) == original_study_uid.strip(), study.c.study_uid == study_uid)
        rows = list(connection.execute(select(*self._tables.study.columns(study)).where(*is_it)))
        if not rows:
            raise StudyError(
                "The research database has no row of the study with the Study Instance UID that it was published "
                "under: materialize `registered` with `refresh: true`, then copy again."
            )
        return rows

    def _people(self, connection: Connection, study: Row[Any]) -> tuple[Row[Any], Row[Any]]:
        tables = self._tables
        patient = row_of(connection, tables.patient, tables.patient.staging, study.patient_id)
        encounter = row_of(connection, tables.encounter, tables.encounter.staging, study.encounter_id)
        if patient is None or encounter is None or encounter.patient_id != patient.id:
            raise StudyError(
                "The study's row in the research database names no patient with an encounter of its own: register it "
                "again, then copy again."
            )
        production = tables.patient.production
        namesake = select(production.c.id).where(production.c.alias == patient.alias, production.c.id != patient.id)
        if connection.execute(namesake).first():
            raise taken(production)
        return patient, encounter


def _has_same_alias(there: Row[Any], row: Row[Any]) -> bool:
    return bool(there.alias == row.alias)


def _has_same_patient(there: Row[Any], row: Row[Any]) -> bool:
    return bool(there.patient_id == row.patient_id)


def _is_same_study(there: Row[Any], row: Row[Any]) -> bool:
    """By its UID; or by its link, where it was de-identified anew with another UID."""
    has_same_link = (there.patient_id, there.encounter_id) == (row.patient_id, row.encounter_id)
    return there.study_uid == row.study_uid or has_same_link
