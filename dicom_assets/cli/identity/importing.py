"""`dicom-assets identity import`: what dicom-anon recorded stays in force."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.identity.surroundings import open_ledger, refusals
from dicom_assets.cli.tables import Cell, print_rows

if TYPE_CHECKING:
    from dicom_assets.adapters.identity_db.legacy import ImportReport, TableReport

EXAMPLES = """
\b
Examples:
  dicom-assets identity import /old/identity.db --dry-run    what would come of it
  dicom-assets identity import /old/identity.db
  dicom-assets identity import 2012.db 2015.db --json        the oldest first: of two mappings the first stays
"""

COLUMNS = ("file", "layout", "table", "attribute", "new", "already_there", "in_conflict", "refused", "why")


@click.command("import", epilog=EXAMPLES)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would come of it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_files(files: tuple[Path, ...], dry_run: bool, as_json: bool) -> None:
    """Import legacy identity.db files of dicom-anon, of any generation, each wholly or not at all.

    Study, Series and SOP Instance UIDs that were replaced before keep those replacements from then on, unless this
    database replaced them otherwise already; all else can be looked up. Importing again adds nothing. The files are
    not changed. Nobody can record meanwhile: import when no job runs.

    Exits 0 if everything was taken or was there already, 1 if some rows are in conflict or were refused (the others
    are imported; the table says why), 2 when the command was given wrongly or a file can't be imported: nothing is
    changed by it, those before it are in.
    """
    rows: list[dict[str, Cell]] = []
    clean = True
    try:
        with refusals(), open_ledger(make=True) as ledger:
            from dicom_assets.adapters.identity_db.legacy import import_legacy

            for file in files:
                report = import_legacy(ledger, file, dry_run=dry_run)
                clean = clean and report.is_clean
                rows += [_row(file, report, table) for table in report.tables]
    finally:
        print_rows(rows, COLUMNS, as_json=as_json)
    sys.exit(0 if clean else 1)


def _row(file: Path, report: ImportReport, table: TableReport) -> dict[str, Cell]:
    reasons = table.conflicts + table.refused
    return {
        "file": file.name,
        "layout": report.layout,
        "table": table.table,
        "attribute": table.attribute,
        "new": table.new,
        "already_there": table.already,
        "in_conflict": table.conflicts.total(),
        "refused": table.refused.total(),
        "why": "; ".join(f"{number} {reason}" for reason, number in reasons.most_common()),
    }
