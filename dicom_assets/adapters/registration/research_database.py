"""The default hook of the old pipeline: patient, encounter and study of a research database, linked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from sqlalchemy import Column, Connection, DateTime, Integer, MetaData, String, Table, select
from sqlalchemy.types import TypeEngine

from dicom_assets.adapters.database_columns import UtcDateTime, reflected_columns
from dicom_assets.adapters.databases import Database, open_database
from dicom_assets.adapters.registration.accession_query import AccessionQuery
from dicom_assets.adapters.registration.study_row import StudyLink, compare_study, write_study
from dicom_assets.errors import RegistrationRefusedError
from dicom_assets.study import PatientIdentity, RegisteredStudy

SETTING = "RESEARCH_DB_URL"

NO_PATIENT = "Unable to find patient in research database"
NO_ENCOUNTER = "Unable to find encounter in EHR"
SEVERAL_ACCESSION_NUMBERS = "The study has several accession numbers; one leads to its encounter"
OTHER_PATIENT = "The encounter in EHR belongs to another patient"
OTHER_ALIAS = "The patient's alias is not the one in the instances; de-identify the study again"

_STUDY_COLUMNS = ("id", "original_study_uid", "study_uid")

_metadata = MetaData()
_patient = Table("staging_patient", _metadata, Column("id", Integer), Column("alias", String))
_phi = Table("staging_patientphi", _metadata, Column("mrn", String), Column("patient_id", Integer))
_encounter = Table("staging_encounter", _metadata, Column("id", Integer), Column("patient_id", Integer))


class _Linked(NamedTuple):
    id: int
    alias: str


class ResearchDatabaseRegistration:
    """Links a study with the patient that has its Patient ID and the encounter that has its accession number.

    A patient whom the research database does not know has no alias, and `register` refuses the study.
    """

    def __init__(
        self, database: Database, study_table: Table, query: AccessionQuery, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._study_table = study_table
        self._query = query
        self._clock = clock

    @classmethod
    def open(
        cls,
        url: str,
        *,
        accession_query: str | None = None,
        read_only: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """The research database; with `read_only`, for dry runs, it refuses to write.

        `accession_query` is a SELECT with the parameter `:accession_number`, whose first column is the id of an
        encounter; the default is the old pipeline's.

        Raises:
            ConfigurationError: it does not open, lacks a table or a column, or does not take the query.
        """
        query = AccessionQuery(accession_query) if accession_query else AccessionQuery()
        query.clause()
        database = open_database(url, SETTING, read_only=read_only)
        try:
            for table in (_patient, _phi, _encounter):
                reflected_columns(database, table.name, table.c.keys())
            study_table = _reflected_study_table(database)
            with database.reading() as connection:
                query.try_out(connection, SETTING)
        except BaseException:
            database.close()
            raise
        return cls(database, study_table, query, clock)

    @property
    def name(self) -> str:
        """The hook and which database it writes to, without credentials."""
        return f"research_database {self._database.place}"

    def close(self) -> None:
        """Give back all connections."""
        self._database.close()

    def alias_for(self, patient: PatientIdentity) -> str | None:
        """The alias of the patient who has the Patient ID as MRN, else as alias; None for an unknown patient."""
        with self._database.reading() as connection:
            found = _find_patient(connection, patient)
        return found.alias if found else None

    def check(self, study: RegisteredStudy) -> None:
        """Raise what `register` would raise; write nothing.

        Raises:
            RegistrationRefusedError: the study can't be linked.
        """
        with self._database.reading() as connection:
            self._link(connection, study)

    def register(self, study: RegisteredStudy) -> Mapping[str, int]:
        """Link the study in one transaction; doing it again changes nothing.

        Returns:
            Counts of rows inserted, updated and left as they were.

        Raises:
            RegistrationRefusedError: patient or encounter unknown, or not each other's.
        """
        with self._database.writing() as connection:
            link = self._link(connection, study)
            return write_study(connection, self._study_table, study, link, self._clock())

    def read_back(self, study: RegisteredStudy) -> Mapping[str, int]:
        """How many rows of the study are there, and how many say what `register` would write; writes nothing.

        Raises:
            RegistrationRefusedError: the study could not be linked now.
        """
        with self._database.reading() as connection:
            return compare_study(connection, self._study_table, study, self._link(connection, study))

    def _link(self, connection: Connection, study: RegisteredStudy) -> StudyLink:
        patient = _find_patient(connection, study.patient)
        if patient is None:
            raise RegistrationRefusedError(NO_PATIENT)
        if patient.alias != study.alias:
            raise RegistrationRefusedError(OTHER_ALIAS)
        if len(study.accession_numbers) > 1:
            raise RegistrationRefusedError(SEVERAL_ACCESSION_NUMBERS)
        accession_number = "".join(study.accession_numbers).strip()
        encounter_id = self._query.highest_encounter(connection, accession_number) if accession_number else None
        of_encounter = select(_encounter.c.patient_id).where(_encounter.c.id == encounter_id)
        patient_id = connection.execute(of_encounter).scalar_one_or_none() if encounter_id is not None else None
        if encounter_id is None or patient_id is None:
            raise RegistrationRefusedError(NO_ENCOUNTER)
        if patient_id != patient.id:
            raise RegistrationRefusedError(OTHER_PATIENT)
        return StudyLink(patient.id, encounter_id)


def _find_patient(connection: Connection, patient: PatientIdentity) -> _Linked | None:
    patient_id = patient.patient_id.strip()
    if not patient_id:
        return None
    linked = select(_patient.c.id, _patient.c.alias)
    by_mrn = linked.join(_phi, _phi.c.patient_id == _patient.c.id).where(_phi.c.mrn == patient_id)
    by_alias = linked.where(_patient.c.alias == patient_id)
    found = connection.execute(by_mrn).first() or connection.execute(by_alias).first()
    return _Linked(*found) if found else None


def _reflected_study_table(database: Database) -> Table:
    columns = reflected_columns(database, "staging_radiologystudy", _STUDY_COLUMNS)
    return Table(
        "staging_radiologystudy",
        MetaData(),
        *(
            Column(
                name,
                _time_or(column["type"]),
                primary_key=name == "id",
                nullable=bool(column["nullable"]) and name != "id",
                server_default=column.get("default"),
            )
            for name, column in columns.items()
        ),
    )


def _time_or(reflected: TypeEngine[Any]) -> TypeEngine[Any]:
    return UtcDateTime(timezone=reflected.timezone) if isinstance(reflected, DateTime) else reflected
