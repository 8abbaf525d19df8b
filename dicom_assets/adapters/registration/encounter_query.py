"""From an accession number to encounters: one hospital's tables, so a query of the configuration."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import sqlparse
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import SQLAlchemyError
from sqlparse import tokens

from dicom_assets.adapters.database_errors import error_code
from dicom_assets.errors import ConfigurationError

PARAMETER = "accession_no"
FILE_SETTING = "REGISTRATION_ENCOUNTER_QUERY_FILE"
MOST_CHARACTERS = 20_000

DEFAULT_ENCOUNTER_QUERY = """
SELECT source.target_id AS encounter_id
  FROM clarity_imaging_accessions accession
  JOIN clarity_imaging_procedures imaging ON imaging.order_proc_id = accession.order_proc_id
  JOIN core_datasource source ON source.id_1 = imaging.pat_enc_csn_id
 WHERE accession.acc_num = :accession_no
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
"""Ids of `staging_encounter`; of several data sources of one contact, the newest counts."""

_CHANGING = frozenset({"INTO", "CALL", "EXEC", "EXECUTE", "LOCK", "COPY"})
_SAID_BY_DEFAULT = "the shipped encounter query"


@dataclass(frozen=True, slots=True)
class EncounterQuery:
    """A SELECT with the parameter `:accession_no` that returns ids of encounters; `source` is where it was read."""

    sql: str = DEFAULT_ENCOUNTER_QUERY
    source: str = _SAID_BY_DEFAULT

    @classmethod
    def of(cls, path: str) -> Self:
        """The query in a file, the shipped one where no file is named.

        Raises:
            ConfigurationError: it can't be read, or is not one SELECT with that parameter.
        """
        if not path.strip():
            return cls()
        query = cls(_read(Path(path.strip())), FILE_SETTING)
        query.clause()
        return query

    @property
    def mark(self) -> str:
        """What tells this query from others; empty for the shipped one."""
        return "" if self.sql == DEFAULT_ENCOUNTER_QUERY else hashlib.sha256(self.sql.encode()).hexdigest()[:12]

    def clause(self) -> TextClause:
        """The query as it is executed.

        Raises:
            ConfigurationError: it is not one SELECT with the one parameter.
        """
        if problem := _problem_of(self.sql):
            raise ConfigurationError(f"{self.source}: {problem}")
        clause = text(self.sql.strip().rstrip(";"))
        if set(clause.compile().params) != {PARAMETER}:
            raise ConfigurationError(f"{self.source}: the query must have the parameter :{PARAMETER} and no other.")
        return clause

    def highest_encounter(self, connection: Connection, accession_no: str) -> int | None:
        """The encounter with the highest id, or None.

        Raises:
            ConfigurationError: the query returns something else than ids.
        """
        result = connection.execute(self.clause(), {PARAMETER: accession_no})
        if len(columns := list(result.keys())) != 1:
            raise ConfigurationError(
                f"{self.source}: the query returns {len(columns)} columns; it must return one, the encounter's id."
            )
        try:
            return max((_whole(value) for value in result.scalars() if value is not None), default=None)
        except (TypeError, ValueError):
            raise ConfigurationError(f"{self.source}: what the query returns is not an encounter's id.") from None

    def try_out(self, connection: Connection, setting: str) -> None:
        """Ask for an accession number that nobody has, to see a mistake at start.

        Raises:
            ConfigurationError: the database does not take the query, or it returns several columns.
        """
        try:
            self.highest_encounter(connection, "")
        except SQLAlchemyError as error:
            raise ConfigurationError(
                f"The database of {setting} does not take the query of {self.source} ({error_code(error)}): the tables "
                f"and columns that it names must be there and readable, or another query named by {FILE_SETTING}."
            ) from None


def _whole(value: Any) -> int:
    """A database's number, or digits, as an id."""
    number = int(value)
    if isinstance(value, bool) or (not isinstance(value, str) and number != value):
        raise ValueError
    return number


def _read(path: Path) -> str:
    try:
        sql = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(f"{FILE_SETTING}: there is no file {path}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{FILE_SETTING}: {path} is not text in UTF-8.") from None
    except OSError as error:
        raise ConfigurationError(f"{FILE_SETTING}: {path} can't be read ({type(error).__name__}).") from None
    if len(sql) > MOST_CHARACTERS:
        raise ConfigurationError(f"{FILE_SETTING}: {path} has more than {MOST_CHARACTERS} characters.")
    return sql


def _problem_of(sql: str) -> str:
    """Why a text is not a single SELECT, if so. What this does not see, the connection prevents, which can't write."""
    statements: list[Any] = [statement for statement in sqlparse.parse(sql) if _says_something(statement)]
    if len(statements) != 1:
        return f"there must be one statement, not {len(statements)}."
    if statements[0].get_type() != "SELECT":
        return "the statement must be a SELECT, or begin with WITH and end in one."
    for part in statements[0].flatten():
        word = part.normalized
        writes = part.ttype in tokens.Keyword.DML and word != "SELECT"
        if writes or part.ttype in tokens.Keyword.DDL or (part.ttype in tokens.Keyword and word in _CHANGING):
            return f"the SELECT must not hold {word}: it may only read."
        if part.ttype in tokens.Comment and part.value.startswith(("/*!", "/*M!")):
            return "the SELECT must not hold comments that MySQL executes (/*! ... */)."
    return ""


def _says_something(statement: Any) -> bool:
    return any(
        not part.is_whitespace and part.ttype not in tokens.Comment and part.value != ";"
        for part in statement.flatten()
    )
