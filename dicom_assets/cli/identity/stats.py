"""`dicom-assets identity stats`: how much there is."""

from __future__ import annotations

import click

from dicom_assets.cli.identity.surroundings import open_for_reading, refusals
from dicom_assets.cli.tables import Cell, print_rows

EXAMPLES = """
\b
Examples:
  dicom-assets identity stats
  dicom-assets identity stats --json
"""

COLUMNS = ("what", "detail", "number")


@click.command(epilog=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(as_json: bool) -> None:
    """Count what the identity database holds; no value is shown.

    Exits 0, or 2 when the command was given wrongly or the database can't be read.
    """
    with refusals(), open_for_reading() as ledger:
        from dicom_assets.adapters.identity_db.statistics import statistics

        rows: list[dict[str, Cell]] = [count._asdict() for count in statistics(ledger)]
    print_rows(rows, COLUMNS, as_json=as_json)
