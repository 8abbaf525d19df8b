"""The `production_*` tables of the research database: what researchers see of published studies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Boolean, Connection, Row, Table, delete, func, insert, select, update

from dicom_assets.adapters.databases import Database, open_database
from dicom_assets.adapters.production.alone import alone
from dicom_assets.adapters.production.tables import ProductionTables, Twins, reflect_production
from dicom_assets.adapters.registration.research_database import SETTING
from dicom_assets.adapters.registration.time_limit import limit_statements
from dicom_assets.errors import StudyError

AVAILABILITY = "production_dataavailability"
_MODALITIES = {"has_mri": "MR", "has_ct": "CT"}


@dataclass(frozen=True, slots=True)
class _Change:
    """A row that is to be brought into a production table; `verb` is what has to be done for it."""

    table: Table
    verb: str
    where: str
    values: Mapping[str, Any]

    def make(self, connection: Connection) -> None:
        """Do it."""
        if self.verb == "inserted":
            connection.execute(insert(self.table).values(**self.values))
        elif self.verb == "updated":
            row = self.table.c[self.where] == self.values[self.where]
            connection.execute(update(self.table).where(row).values(**self.values))


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
            return self._made(connection, changes)

    def retract(self, study_uids: Collection[str]) -> Mapping[str, int]:
        """Take out the rows of studies that are no longer published, and say anew what there is of their patients.

        Patients and encounters stay, which are true whatever is published. Doing it again changes nothing.

        Returns:
            How many rows of which table were deleted or updated.
        """
        study = self._tables.study.production
        with self._transaction() as connection:
            gone = connection.execute(select(study.c.patient_id).where(study.c.study_uid.in_(list(study_uids)))).all()
            if not gone:
                return {}
            if not self._database.read_only:
                connection.execute(delete(study).where(study.c.study_uid.in_(list(study_uids))))
            ids = {row.patient_id for row in gone}
            rest = [row for row in self._studies_of(connection, ids) if row.study_uid not in study_uids]
            changes = list(self._availability(connection, ids, [(row.patient_id, row.modality) for row in rest]))
            return {"radiologystudy_deleted": len(gone), **self._made(connection, changes)}

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One transaction, and no other copies at the same time: both would insert the same patient."""
        if self._database.read_only:
            with self._database.reading() as connection:
                yield connection
            return
        with alone(self._database, AVAILABILITY) as connection:
            yield connection

    def _made(self, connection: Connection, changes: Collection[_Change]) -> Mapping[str, int]:
        if not self._database.read_only:
            for change in changes:
                change.make(connection)
        return Counter(f"{change.table.name.removeprefix('production_')}_{change.verb}" for change in changes)

    def _planned(self, connection: Connection, original_study_uid: str, study_uid: str) -> list[_Change]:
        tables = self._tables
        changes: dict[tuple[str, int], _Change] = {}
        modalities: dict[int, tuple[int, str | None]] = {}
        patients: set[int] = set()
        for row in self._published_rows(connection, original_study_uid, study_uid):
            patient, encounter = self._people(connection, row)
            before = _row(connection, tables.study.production, row.id)
            patients |= {row.patient_id} | ({before.patient_id} if before is not None else set())
            modalities[row.id] = (row.patient_id, row.modality)
            changes["patient", patient.id] = _twin(connection, tables.patient, patient, _has_same_alias)
            changes["encounter", encounter.id] = _twin(connection, tables.encounter, encounter, _has_same_patient)
            changes["study", row.id] = _twin(connection, tables.study, row, _is_same_study)
        there = {row.id: (row.patient_id, row.modality) for row in self._studies_of(connection, patients)}
        availability = self._availability(connection, patients, list({**there, **modalities}.values()))
        return [*changes.values(), *availability]

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
        patient = _row(connection, tables.patient.staging, study.patient_id, tables.patient)
        encounter = _row(connection, tables.encounter.staging, study.encounter_id, tables.encounter)
        if patient is None or encounter is None or encounter.patient_id != patient.id:
            raise StudyError(
                "The study's row in the research database names no patient with an encounter of its own: register it "
                "again, then copy again."
            )
        production = tables.patient.production
        namesake = select(production.c.id).where(production.c.alias == patient.alias, production.c.id != patient.id)
        if connection.execute(namesake).first():
            raise _taken(production)
        return patient, encounter

    def _studies_of(self, connection: Connection, patients: Collection[int]) -> list[Row[Any]]:
        study = self._tables.study.production
        columns = (study.c.id, study.c.patient_id, study.c.modality, study.c.study_uid)
        return list(connection.execute(select(*columns).where(study.c.patient_id.in_(sorted(patients)))))

    def _availability(
        self, connection: Connection, patients: Collection[int], studies: Collection[tuple[int, str | None]]
    ) -> Iterator[_Change]:
        table = self._tables.availability
        for patient_id in sorted(patients):
            modalities = {(modality or "").strip().upper() for of, modality in studies if of == patient_id}
            flags = {name: modality in modalities for name, modality in _MODALITIES.items()}
            flags["has_radiology_study"] = bool(modalities)
            values = {name: _flag(table, name, value) for name, value in flags.items()} | {"patient_id": patient_id}
            there = connection.execute(select(table).where(table.c.patient_id == patient_id)).first()
            if there is None:
                verb = "inserted"
            else:
                is_same = all(bool(there._mapping[name]) == value for name, value in flags.items())
                verb = "unchanged" if is_same else "updated"
            yield _Change(table, verb, "patient_id", values)


def _twin(
    connection: Connection, twins: Twins, row: Row[Any], is_same: Callable[[Row[Any], Row[Any]], bool]
) -> _Change:
    values = dict(row._mapping)
    there = _row(connection, twins.production, row.id, twins)
    if there is None:
        return _Change(twins.production, "inserted", "id", values)
    if not is_same(there, row):
        raise _taken(twins.production)
    return _Change(twins.production, "unchanged" if dict(there._mapping) == values else "updated", "id", values)


def _row(connection: Connection, table: Table, id_: int | None, twins: Twins | None = None) -> Row[Any] | None:
    columns = twins.columns(table) if twins is not None else list(table.c)
    return connection.execute(select(*columns).where(table.c.id == id_)).first()


def _has_same_alias(there: Row[Any], row: Row[Any]) -> bool:
    return bool(there.alias == row.alias)


def _has_same_patient(there: Row[Any], row: Row[Any]) -> bool:
    return bool(there.patient_id == row.patient_id)


def _is_same_study(there: Row[Any], row: Row[Any]) -> bool:
    """By its UID; or by its link, where it was de-identified anew with another UID."""
    has_same_link = (there.patient_id, there.encounter_id) == (row.patient_id, row.encounter_id)
    return there.study_uid == row.study_uid or has_same_link


def _flag(table: Table, name: str, value: bool) -> bool | int:
    return value if isinstance(table.c[name].type, Boolean) else int(value)


def _taken(table: Table) -> StudyError:
    return StudyError(
        f"In {table.name} somebody else has the id, or the alias, of this study's row: it is left as it is. See which "
        "of the two is wrong, then copy again."
    )
