"""Whether what is recorded hangs together. Findings name pseudonyms, study keys and counts, no originals."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sqlalchemy import Connection, func, inspect, select, text

from dicom_assets.adapters.identity_db import derivations
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.queries import chunks
from dicom_assets.adapters.identity_db.schema import head
from dicom_assets.adapters.identity_db.standing import shown
from dicom_assets.adapters.identity_db.tables import access, metadata, patient, secret, study, uid, value
from dicom_assets.adapters.identity_db.verdict import CheckResult, Outcome, result


def check_integrity(ledger: Ledger, former_secrets: Sequence[bytes] = ()) -> list[CheckResult]:
    """All checks, in one state of the database. `former_secrets` are needed to derive anew what they derived.

    Raises:
        ConfigurationError: a value does not decrypt, or the database goes by something else by now.
    """
    file = _database_file(ledger)
    if file.outcome is Outcome.FAILED:  # nothing that it says can be relied upon
        return [file, CheckResult("everything else", Outcome.NOTED, 0, 0, ("not checked; restore a backup",))]
    secrets = derivations.by_generation(ledger, former_secrets)
    with ledger.reading() as connection:
        return [
            file,
            _schema(connection),
            _secret(ledger, connection),
            _one_pseudonym_each(connection),
            _unique_replacements(connection),
            _no_replacement_is_an_original(connection),
            *derivations.check_derivations(ledger, connection, secrets),
            _references(connection),
            _access_log(connection),
            _issuers(connection),
            _patients_of_studies(connection),
        ]


def _count(connection: Connection, *tables: str) -> int:
    return sum(
        connection.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one() for table in tables
    )


def _database_file(ledger: Ledger) -> CheckResult:
    """In no transaction: a damaged file may not even let one end."""
    engine = ledger.database.engine
    if engine.dialect.name != "sqlite":
        return CheckResult("database file", Outcome.PASSED, 0, 0, ("the server's own affair",))
    connection = engine.raw_connection()
    try:
        # What SQLite says names tables, indices and rows by number, never values.
        rows = connection.cursor().execute("PRAGMA integrity_check(100)").fetchall()
        said = [" ".join(str(row[0]).split()) for row in rows]
    except sqlite3.DatabaseError as error:
        said = [error.sqlite_errorname]
    finally:
        connection.invalidate()
    return result("database file", 1, [one for one in said if one != "ok"])


def _schema(connection: Connection) -> CheckResult:
    tables = set(inspect(connection).get_table_names())
    missing = [f"no table {name}" for name in metadata.tables if name not in tables]
    return result(f"schema, revision {head()}", len(metadata.tables), missing)


def _secret(ledger: Ledger, connection: Connection) -> CheckResult:
    rows = connection.execute(select(secret.c.generation, secret.c.mark, secret.c.retired_at)).all()
    in_force = [row for row in rows if row.retired_at is None]
    wrong = [] if len(in_force) == 1 else [f"{len(in_force)} secrets are in force at once"]
    name = f"secret, generation {ledger.standing.generation} ({shown(in_force[0].mark) if in_force else 'none'})"
    return result(name, len(rows), wrong)


def _one_pseudonym_each(connection: Connection) -> CheckResult:
    twice = (
        select(func.min(patient.c.pseudonym), func.count())
        .group_by(patient.c.original_id, patient.c.issuer)
        .having(func.count() > 1)
    )
    found = [
        f"{pseudonym} and {count - 1} more are one patient" for pseudonym, count in connection.execute(twice).all()
    ]
    shared = select(patient.c.pseudonym).group_by(patient.c.pseudonym).having(func.count() > 1)
    found += [f"{pseudonym} stands for several patients" for pseudonym in connection.execute(shared).scalars()]
    return result("one pseudonym for each patient", _count(connection, patient.name), found)


def _unique_replacements(connection: Connection) -> CheckResult:
    shared = select(uid.c.replacement).group_by(uid.c.replacement).having(func.count() > 1)
    twice = select(func.min(uid.c.replacement)).group_by(uid.c.original).having(func.count() > 1)
    found = [f"{replacement} stands for several UIDs" for replacement in connection.execute(shared).scalars()]
    found += [f"the UID that {one} stands for has another replacement" for one in connection.execute(twice).scalars()]
    return result("one replacement for each UID", _count(connection, uid.name), found)


def _no_replacement_is_an_original(connection: Connection) -> CheckResult:
    found: list[str] = []
    # Chunk by chunk, not by a join: where originals are encrypted, no join would find one.
    for replacements in chunks(list(connection.execute(select(uid.c.replacement)).scalars())):
        asked = select(uid.c.original).where(uid.c.original.in_(replacements))
        found += [f"{one} is an original, too" for one in connection.execute(asked).scalars()]
    for pseudonyms in chunks(list(connection.execute(select(patient.c.pseudonym)).scalars())):
        asked = select(patient.c.original_id).where(patient.c.original_id.in_(pseudonyms))
        found += [f"{one} is an original, too" for one in connection.execute(asked).scalars()]
    return result("no replacement is an original", _count(connection, uid.name, patient.name), found)


def _references(connection: Connection) -> CheckResult:
    """What one row says of another that is not there."""
    found = []
    wanted = [(table, column) for table in (uid, value) for column in (table.c.study_key,)]
    for table, column in [*wanted, (study, study.c.patient_id)]:
        target = next(iter(column.foreign_keys)).column
        lost = select(func.count()).where(
            column.is_not(None), ~select(target).where(target == column).correlate(table).exists()
        )
        if number := connection.execute(lost).scalar_one():
            found.append(f"{number} rows of {table.name} refer to a row of {target.table.name} that is not there")
    return result("references between rows", _count(connection, uid.name, value.name, study.name), found)


def _access_log(connection: Connection) -> CheckResult:
    """Whether what keeps the log from being changed is there."""
    if connection.dialect.name == "sqlite":
        asked = text("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :log")
        needed = 3
    else:
        asked = text(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(:log) AND tgenabled = 'O' AND NOT tgisinternal"
        )
        needed = 2
    there = connection.execute(asked, {"log": access.name}).scalar_one()
    found = [] if there >= needed else [f"{needed - there} of its {needed} triggers are missing or disabled"]
    return result("access log is append-only", _count(connection, access.name), found)


def _issuers(connection: Connection) -> CheckResult:
    """Ids that are filed with and without an issuer: perhaps one patient, who then has two pseudonyms."""
    with_issuer = patient.alias()
    pairs = select(patient.c.pseudonym, with_issuer.c.pseudonym).where(
        patient.c.issuer == "", with_issuer.c.issuer != "", with_issuer.c.original_id == patient.c.original_id
    )
    found = [
        f"{without} and {other} have one Patient ID, with and without an issuer"
        for without, other in connection.execute(pairs).all()
    ]
    return result("ids with and without issuer", _count(connection, patient.name), found, Outcome.NOTED)


def _patients_of_studies(connection: Connection) -> CheckResult:
    several = (
        select(value.c.study_key)
        .where(value.c.keyword == "PatientID", value.c.study_key.is_not(None))
        .group_by(value.c.study_key)
        .having(func.count(value.c.original.distinct()) > 1)
    )
    found = [f"{key} was recorded under several Patient IDs" for key in connection.execute(several).scalars()]
    return result("one Patient ID for each study", _count(connection, study.name), found, Outcome.NOTED)
