"""From an accession number to encounters: one hospital's tables, so a query of the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import SQLAlchemyError

from dicom_assets.adapters.database_errors import error_code
from dicom_assets.errors import ConfigurationError

PARAMETER = "accession_number"

DEFAULT_ACCESSION_QUERY = """
SELECT source.target_id
  FROM clarity_imaging_accessions accession
  JOIN clarity_imaging_procedures imaging ON imaging.order_proc_id = accession.order_proc_id
  JOIN core_datasource source ON source.id_1 = imaging.pat_enc_csn_id
 WHERE accession.acc_num = :accession_number
   AND source.id = (
       SELECT MAX(newest.id)
         FROM core_datasource newest
        WHERE newest.id_1 = source.id_1
          AND newest.target = 'staging_encounter'
          AND newest.field_1 IN (
              'mriencounter.pat_enc_csn_id', 'ctencounter.pat_enc_csn_id', 'encounter.pat_enc_csn_id'
              )
       )
"""
"""Ids of `staging_encounter` in the first column; of several data sources of one contact, the newest counts."""


@dataclass(frozen=True, slots=True)
class AccessionQuery:
    """A SELECT with the parameter `:accession_number` whose first column is an encounter's id."""

    sql: str = DEFAULT_ACCESSION_QUERY

    def clause(self) -> TextClause:
        """The query.

        Raises:
            ConfigurationError: it does not have exactly the one parameter.
        """
        clause = text(self.sql)
        if set(clause.compile().params) != {PARAMETER}:
            raise ConfigurationError(f"The accession query must have the parameter :{PARAMETER} and no other.")
        return clause

    def highest_encounter(self, connection: Connection, accession_number: str) -> int | None:
        """The encounter with the highest id, or None.

        Raises:
            ConfigurationError: the query returns something else than ids.
        """
        rows = connection.execute(self.clause(), {PARAMETER: accession_number})
        try:
            return max((int(row[0]) for row in rows if row[0] is not None), default=None)
        except (TypeError, ValueError):
            raise ConfigurationError("The accession query's first column is not an encounter's id.") from None

    def try_out(self, connection: Connection, setting: str) -> None:
        """Ask for an accession number that nobody has, to see a mistake at start.

        Raises:
            ConfigurationError: the database does not take the query.
        """
        try:
            self.highest_encounter(connection, "")
        except SQLAlchemyError as error:
            raise ConfigurationError(
                f"The database of {setting} does not take the accession query ({error_code(error)}): "
                "the tables that it names must be there and readable, or another query configured."
            ) from None
