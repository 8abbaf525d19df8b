"""Whether what is recorded is what the secret of its time derives, unless it was imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.refusals import ATTEMPTS
from dicom_assets.adapters.identity_db.standing import secret_mark
from dicom_assets.adapters.identity_db.tables import patient, secret, study, uid, value
from dicom_assets.adapters.identity_db.verdict import CheckResult, result
from dicom_assets.deidentification.derivation import derive_pseudonym, derive_study_key, derive_uid
from dicom_assets.errors import ConfigurationError

Secrets = Mapping[int, bytes]
"""By generation, as far as they are known."""

_PAGE = 5000


def by_generation(ledger: Ledger, former: Sequence[bytes]) -> Secrets:
    """The secret in force and those of the former ones that are given.

    Raises:
        ConfigurationError: one of them was never in force.
    """
    with ledger.reading() as connection:
        generations = {
            row.mark: row.generation for row in connection.execute(select(secret.c.mark, secret.c.generation))
        }
    unknown = [one for one in former if secret_mark(one) not in generations]
    if unknown:
        raise ConfigurationError("A secret that is given as a former one was never in force in this database.")
    return {generations[secret_mark(one)]: one for one in (*former, ledger.secret)}


def check_derivations(ledger: Ledger, connection: Connection, secrets: Secrets) -> Iterator[CheckResult]:
    """One result for each kind of thing that is derived."""
    yield _check(
        connection,
        secrets,
        "pseudonyms are derived",
        select(patient.c.secret_generation, patient.c.pseudonym, patient.c.issuer, patient.c.original_id),
        _is_pseudonym,
    )
    yield _check(
        connection,
        secrets,
        "study keys are derived",
        select(study.c.secret_generation, study.c.key, study.c.original_study_uid),
        _is_study_key,
    )
    yield _check(
        connection,
        secrets,
        "replacements are derived or imported",
        select(uid.c.secret_generation, uid.c.replacement, uid.c.original).where(uid.c.import_id.is_(None)),
        _is_replacement,
    )
    yield _fingerprints(ledger, connection)


def _check(
    connection: Connection,
    secrets: Secrets,
    name: str,
    rows: Select[Any],
    is_derived: Callable[..., bool],
) -> CheckResult:
    """`rows` begin with the secret's generation and what was derived; what it was derived from follows."""
    of = rows.selected_columns[0]
    unknown = of.is_not(None) & of.not_in(list(secrets))
    skipped = connection.execute(select(func.count()).select_from(rows.where(unknown).subquery())).scalar_one()
    compared = rows.where(~unknown) if skipped else rows
    found = _not_derived(connection, secrets, compared, is_derived)
    examined = connection.execute(select(func.count()).select_from(compared.subquery())).scalar_one()
    remark = f"{skipped} of former secrets were not compared (--former-secret)" if skipped else ""
    return result(name, examined, found, remark=remark)


def _not_derived(
    connection: Connection,
    secrets: Secrets,
    rows: Select[Any],
    is_derived: Callable[..., bool],
) -> Iterator[str]:
    for row in connection.execution_options(yield_per=_PAGE).execute(rows):
        generation, derived = row[0], row[1]
        if generation is None:
            yield f"{derived} is said to come from no secret"
        elif not is_derived(secrets[generation], derived, *row[2:]):
            yield f"{derived} is not what the secret of generation {generation} derives"


def _is_pseudonym(key: bytes, pseudonym: str, issuer: str, original_id: str) -> bool:
    return any(derive_pseudonym(key, issuer, original_id, attempt) == pseudonym for attempt in range(ATTEMPTS))


def _is_study_key(key: bytes, study_key: str, study_uid: str) -> bool:
    return any(derive_study_key(key, study_uid, attempt) == study_key for attempt in range(ATTEMPTS))


def _is_replacement(key: bytes, replacement: str, original: str) -> bool:
    """Whether it is derived, under whatever root: what is derived is the last number alone."""
    try:
        return derive_uid(key, replacement.rpartition(".")[0], original) == replacement
    except ConfigurationError:  # what stands before the last number is no root
        return False


def _fingerprints(ledger: Ledger, connection: Connection) -> CheckResult:
    rows = select(value.c.id, value.c.keyword, value.c.original, value.c.replacement, value.c.fingerprint)
    examined = connection.execute(select(func.count()).select_from(value)).scalar_one()
    return result("values are as they were recorded", examined, _false_fingerprints(ledger, connection, rows))


def _false_fingerprints(
    ledger: Ledger, connection: Connection, rows: Select[tuple[int, str, str, str, str]]
) -> Iterator[str]:
    row: Row[tuple[int, str, str, str, str]]
    for row in connection.execution_options(yield_per=_PAGE).execute(rows):
        if ledger.keyed_hash(row.keyword, row.original, row.replacement) != row.fingerprint:
            yield f"row {row.id} ({row.keyword}) is not as it was recorded"
