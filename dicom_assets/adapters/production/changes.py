"""Rows that are to be brought into the production tables, and what is there of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Connection, Row, Table, insert, select, update

from dicom_assets.adapters.production.tables import ProductionTables, Twins
from dicom_assets.errors import StudyError

_MODALITIES = {"has_mri": "MR", "has_ct": "CT"}


@dataclass(frozen=True, slots=True)
class Change:
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
            rest = {name: value for name, value in self.values.items() if name != self.where}
            connection.execute(update(self.table).where(row).values(**rest))


def counted(changes: Collection[Change]) -> Mapping[str, int]:
    """How many rows of which table are inserted, updated or left as they were."""
    return Counter(f"{change.table.name.removeprefix('production_')}_{change.verb}" for change in changes)


def twin_change(
    connection: Connection, twins: Twins, row: Row[Any], is_same: Callable[[Row[Any], Row[Any]], bool]
) -> Change:
    """What is to be done for a row of staging in production.

    Raises:
        StudyError: somebody else's row is there.
    """
    values = dict(row._mapping)
    there = row_of(connection, twins, twins.production, row.id)
    if there is None:
        return Change(twins.production, "inserted", "id", values)
    if not is_same(there, row):
        raise taken(twins.production)
    return Change(twins.production, "unchanged" if dict(there._mapping) == values else "updated", "id", values)


def row_of(connection: Connection, twins: Twins, table: Table, id_: int | None) -> Row[Any] | None:
    """The shared columns of a row of either twin."""
    return connection.execute(select(*twins.columns(table)).where(table.c.id == id_)).first()


def studies_of(connection: Connection, tables: ProductionTables, patients: Collection[int]) -> list[Row[Any]]:
    """Which studies of these patients are in production: id, patient_id, modality, study_uid."""
    study = tables.study.production
    columns = (study.c.id, study.c.patient_id, study.c.modality, study.c.study_uid)
    return list(connection.execute(select(*columns).where(study.c.patient_id.in_(sorted(patients)))))


def availability_changes(
    connection: Connection,
    tables: ProductionTables,
    patients: Collection[int],
    studies: Collection[tuple[int, str | None]],
) -> Iterator[Change]:
    """What is to be said of patients whose studies (patient and modality) are these."""
    table = tables.availability
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
        yield Change(table, verb, "patient_id", values)


def taken(table: Table) -> StudyError:
    """That somebody else's row is where this study's should be."""
    return StudyError(
        f"In {table.name} somebody else has the id, or the alias, of this study's row: it is left as it is. See which "
        "of the two is wrong, then copy again."
    )


def _flag(table: Table, name: str, value: bool) -> bool | int:
    return value if isinstance(table.c[name].type, Boolean) else int(value)
