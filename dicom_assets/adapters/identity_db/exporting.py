"""The whole identity database as one CSV or JSON file. What is written is *identified*."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from dicom_assets.adapters.identity_db.access_log import EXPORT, Asker, note
from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.private_file import private_file
from dicom_assets.adapters.identity_db.records import Record, all_records

COLUMNS = tuple(column.name for column in fields(Record))


def export_csv(ledger: Ledger, path: Path, who: Asker, *, replace: bool = False) -> int:
    """Write a table with a head, UTF-8; returns the number of its rows.

    Raises:
        ConfigurationError: the file is there already or can't be written, or the access log can't be.
    """
    with private_file(path, replace=replace) as draft:
        with ledger.reading() as connection:
            rows = _write_csv(draft, all_records(connection))
        _note(ledger, who, "csv", rows)
    return rows


def export_json(ledger: Ledger, path: Path, who: Asker, *, replace: bool = False) -> int:
    """Write a list of objects, one a line; returns their number.

    Raises:
        ConfigurationError: the file is there already or can't be written, or the access log can't be.
    """
    with private_file(path, replace=replace) as draft:
        with ledger.reading() as connection:
            rows = _write_json(draft, all_records(connection))
        _note(ledger, who, "json", rows)
    return rows


def _write_csv(path: Path, records: Iterable[Record]) -> int:
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for record in records:
            rows += 1
            writer.writerow(_row(record).values())
    return rows


def _write_json(path: Path, records: Iterable[Record]) -> int:
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for record in records:
            file.write(("," if rows else "") + "\n" + json.dumps(_row(record), ensure_ascii=False))
            rows += 1
        file.write("\n]\n")
    return rows


def _row(record: Record) -> dict[str, object]:
    return {column: getattr(record, column) for column in COLUMNS}


def _note(ledger: Ledger, who: Asker, kind: str, rows: int) -> None:
    """Before the file is there under its name: without a row in the log there is none."""
    with ledger.writing() as connection:
        note(connection, ledger, who, EXPORT, attribute=kind, value=None, hits=rows)
