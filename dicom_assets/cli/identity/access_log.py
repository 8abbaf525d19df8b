"""`dicom-assets identity access-log`: who looked something up."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from dicom_assets.cli.identity.surroundings import open_for_reading, refusals
from dicom_assets.cli.tables import Cell, print_rows

EXAMPLES = """
\b
Examples:
  dicom-assets identity access-log                     everybody who looked something up or exported
  dicom-assets identity access-log --since 2026-01-01 --json    for machines
  echo MRN-4711 | dicom-assets identity access-log --of -    who asked for this patient
"""

COLUMNS = ("at", "account", "host", "action", "attribute", "hits", "reason", "secret", "value_hash")


@click.command("access-log", epilog=EXAMPLES)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="A day (UTC), as 2026-01-01.")
@click.option("--of", "value", help="Only who asked for this value; - reads it from standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def access_log(since: datetime | None, value: str | None, as_json: bool) -> None:
    """Print the access log, oldest first: time (UTC), account, host, what was asked by, hits and reason.

    Values are not in it, but keyed hashes of them: `--of` finds who asked for one, since the secret in force now was
    put in force. Triggers of the database keep rows from being changed or deleted.

    Exits 0 if something was found, 1 if nothing was, 2 when the command was given wrongly or the log can't be read.
    """
    asked = sys.stdin.readline().strip() if value == "-" else value
    with refusals(), open_for_reading() as ledger:
        from dicom_assets.adapters.identity_db.access_log import entries

        rows: list[dict[str, Cell]] = [
            {
                "at": f"{entry.at:%Y-%m-%d %H:%M:%S}",
                "account": entry.account,
                "host": entry.host,
                "action": entry.action,
                "attribute": entry.attribute,
                "hits": entry.hits,
                "reason": entry.reason,
                "secret": entry.secret_generation,
                "value_hash": entry.value_hash,
            }
            for entry in entries(ledger, since=since and since.replace(tzinfo=UTC), value=asked)
        ]
    print_rows(rows, COLUMNS, as_json=as_json)
    sys.exit(0 if rows else 1)
