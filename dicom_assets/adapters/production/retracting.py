"""Studies that are no longer published are taken out of the production tables again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Column, Integer, MetaData, String, Table, delete, select
from sqlalchemy.exc import SQLAlchemyError

from dicom_assets.adapters.database_errors import Cause, cause_of
from dicom_assets.adapters.databases import Database
from dicom_assets.adapters.production.alone import alone
from dicom_assets.adapters.production.changes import availability_changes, counted, studies_of
from dicom_assets.adapters.production.tables import reflect_production

_study = Table("production_radiologystudy", MetaData(), Column("study_uid", String), Column("patient_id", Integer))


def retract_studies(database: Database, study_uids: Collection[str]) -> Mapping[str, int]:
    """Take out the rows of these studies, and say anew what there is of their patients. Doing it again changes nothing.

    Patients and encounters stay, which are true whatever is published. Where this login can't see the tables, it has
    not copied anything there either.

    Returns:
        How many rows of which table were deleted, updated or left as they were.
    """
    named = _study.c.study_uid.in_(sorted(study_uids))
    if not _is_there(database, study_uids):
        return {}
    tables = reflect_production(database)
    with alone(database) as connection:
        patients = {row.patient_id for row in connection.execute(select(_study.c.patient_id).where(named))}
        deleted = connection.execute(delete(_study).where(named)).rowcount
        rest = [(row.patient_id, row.modality) for row in studies_of(connection, tables, patients)]
        changes = list(availability_changes(connection, tables, patients, rest))
        for change in changes:
            change.make(connection)
    return {"radiologystudy_deleted": deleted, **counted(changes)}


def _is_there(database: Database, study_uids: Collection[str]) -> bool:
    named = select(_study.c.patient_id).where(_study.c.study_uid.in_(sorted(study_uids)))
    with database.reading() as connection:
        try:
            return connection.execute(named).first() is not None
        except SQLAlchemyError as error:
            if cause_of(error) in (Cause.SCHEMA, Cause.RIGHTS):
                return False
            raise
