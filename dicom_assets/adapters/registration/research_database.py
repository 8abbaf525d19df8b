"""The default hook of the old pipeline: patient, encounter and study of a research database, linked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from sqlalchemy import Column, Connection, DateTime, Integer, MetaData, String, Table, select
from sqlalchemy.types import TypeEngine

from dicom_assets.adapters.database_columns import UtcDateTime, reflected_columns
from dicom_assets.adapters.databases import Database, open_database
from dicom_assets.adapters.production import retract_studies
from dicom_assets.adapters.registration.encounter_query import EncounterQuery
from dicom_assets.adapters.registration.study_row import StudyLink, compare_study, write_study
from dicom_assets.adapters.registration.unlinking import unlink_study
from dicom_assets.adapters.time_limit import limit_statements
from dicom_assets.errors import RegistrationRefusedError
from dicom_assets.study import PatientIdentity, RegisteredStudy

SETTING = "RESEARCH_DB_URL"

NO_ENCOUNTER = "Unable to find encounter in EHR"
"""What the old pipeline wrote into the study's row whenever it could not link it."""
NO_PATIENT = f"{NO_ENCOUNTER}: the research database does not know the patient"
SEVERAL_ACCESSION_NUMBERS = f"{NO_ENCOUNTER}: the study has several accession numbers, and one leads to its encounter"
OTHER_PATIENT = f"{NO_ENCOUNTER}: the one that the accession number leads to belongs to another patient"
OTHER_ALIAS = f"{NO_ENCOUNTER}: the patient's alias is not the one in the instances; de-identify the study again"

_STUDY_COLUMNS = ("id", "original_study_uid", "study_uid")

_metadata = MetaData()
_patient = Table("staging_patient", _metadata, Column("id", Integer), Column("alias", String))
_phi = Table("staging_patientphi", _metadata, Column("mrn", String), Column("patient_id", Integer))
_encounter = Table("staging_encounter", _metadata, Column("id", Integer), Column("patient_id", Integer))


class _Linked(NamedTuple):
    id: int
    alias: str


class _Opened(NamedTuple):
    """The database as it is looked at, which can't write, and as it is written to, which in a dry run can't either."""

    looking: Database
    writing: Database
    study_table: Table
    closing: ExitStack


class ResearchDatabaseRegistration:
    """Links a study with the patient that has its Patient ID and the encounter that has its accession number.

    A patient whom the research database does not know has no alias, and `register` refuses the study.
    """

    def __init__(self, opened: _Opened, query: EncounterQuery, clock: Callable[[], datetime]) -> None:
        self._opened = opened
        self._query = query
        self._clock = clock

    @classmethod
    def open(
        cls,
        url: str,
        *,
        encounter_query: EncounterQuery = EncounterQuery(),  # noqa: B008  frozen
        timeout_seconds: float = 60.0,
        read_only: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """The research database; with `read_only`, for dry runs, it refuses to write.

        A server ends each statement after `timeout_seconds`, and the study fails for now.

        Raises:
            ConfigurationError: it does not open, lacks a table or a column, or does not take the query.
        """
        encounter_query.clause()
        with ExitStack() as stack:
            looking = open_database(url, SETTING, read_only=True)
            stack.callback(looking.close)
            limit_statements(looking, timeout_seconds)
            for table in (_patient, _phi, _encounter):
                reflected_columns(looking, table.name, table.c.keys())
            study_table = _reflected_study_table(looking)
            with looking.reading() as connection:
                encounter_query.try_out(connection, SETTING)
            writing = looking
            if not read_only:
                writing = open_database(url, SETTING)
                stack.callback(writing.close)
                limit_statements(writing, timeout_seconds)
            return cls(_Opened(looking, writing, study_table, stack.pop_all()), encounter_query, clock)

    @property
    def name(self) -> str:
        """The hook, which database it writes to, without credentials, and by which query if not by the shipped one."""
        query = f", encounter query {self._query.mark}" if self._query.mark else ""
        return f"research_database {self._opened.looking.place}{query}"

    def close(self) -> None:
        """Give back all connections."""
        self._opened.closing.close()

    def alias_for(self, patient: PatientIdentity) -> str | None:
        """The alias of the patient who has the Patient ID as MRN, else as alias; None for an unknown patient."""
        with self._opened.looking.reading() as connection:
            found = _find_patient(connection, patient)
        return found.alias if found else None

    def check(self, study: RegisteredStudy) -> None:
        """Raise what `register` would raise; write nothing.

        Raises:
            RegistrationRefusedError: the study can't be linked.
        """
        with self._opened.looking.reading() as connection:
            _link(connection, study, self._encounter_of(study))

    def register(self, study: RegisteredStudy) -> Mapping[str, int]:
        """Link the study in one transaction; doing it again changes nothing.

        Returns:
            Counts of rows inserted, updated and left as they were.

        Raises:
            RegistrationRefusedError: patient or encounter unknown, or not each other's.
        """
        encounter_id = self._encounter_of(study)
        with self._opened.writing.writing() as connection:
            link = _link(connection, study, encounter_id)
            return write_study(connection, self._opened.study_table, study, link, self._clock())

    def read_back(self, study: RegisteredStudy) -> Mapping[str, int]:
        """How many rows of the study are there, and how many say what `register` would write; writes nothing.

        Raises:
            RegistrationRefusedError: the study could not be linked now.
        """
        encounter_id = self._encounter_of(study)
        with self._opened.looking.reading() as connection:
            link = _link(connection, study, encounter_id)
            return compare_study(connection, self._opened.study_table, study, link)

    def unlink(self, original_study_uid: str, study_uids: Collection[str]) -> Mapping[str, int]:
        """Take a withdrawn study's link with its images back, and its rows in production; again changes nothing.

        Production, which researchers see, comes first; each is one transaction.
        """
        retracted = retract_studies(self._opened.writing, study_uids)
        with self._opened.writing.writing() as connection:
            rows = unlink_study(connection, self._opened.study_table, original_study_uid, study_uids, self._clock())
        return {**rows, **{f"production_{what}": count for what, count in retracted.items()}}

    def _encounter_of(self, study: RegisteredStudy) -> int | None:
        """The encounter that the accession number leads to, asked for where a query that writes can do no harm."""
        accession_no = "".join(study.accession_numbers).strip()
        if not accession_no or len(study.accession_numbers) > 1:
            return None
        with self._opened.looking.reading() as connection:
            return self._query.highest_encounter(connection, accession_no)


def _link(connection: Connection, study: RegisteredStudy, encounter_id: int | None) -> StudyLink:
    patient = _find_patient(connection, study.patient)
    if patient is None:
        raise RegistrationRefusedError(NO_PATIENT)
    if patient.alias != study.alias:
        raise RegistrationRefusedError(OTHER_ALIAS)
    if len(study.accession_numbers) > 1:
        raise RegistrationRefusedError(SEVERAL_ACCESSION_NUMBERS)
    of_encounter = select(_encounter.c.patient_id).where(_encounter.c.id == encounter_id)
    patient_id = connection.execute(of_encounter).scalar_one_or_none() if encounter_id is not None else None
    if encounter_id is None or patient_id is None:
        raise RegistrationRefusedError(NO_ENCOUNTER)
    if patient_id != patient.id:
        raise RegistrationRefusedError(OTHER_PATIENT)
    return StudyLink(patient.id, encounter_id)


def _find_patient(connection: Connection, patient: PatientIdentity) -> _Linked | None:
    """By MRN, else by alias; only what is equal to the letter, as some databases compare without cases."""
    patient_id = patient.patient_id.strip()
    if not patient_id:
        return None
    by_mrn = select(_phi.c.mrn, _patient.c.id, _patient.c.alias).join(_phi, _phi.c.patient_id == _patient.c.id)
    by_alias = select(_patient.c.alias, _patient.c.id, _patient.c.alias.label("same"))
    for statement in (by_mrn.where(_phi.c.mrn == patient_id), by_alias.where(_patient.c.alias == patient_id)):
        for key, id_, alias in connection.execute(statement):
            if key == patient_id:
                return _Linked(id_, alias)
    return None


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
