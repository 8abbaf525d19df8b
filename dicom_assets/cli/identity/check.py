"""`dicom-assets identity check`: does what is recorded hang together?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dicom_assets.cli.identity.surroundings import open_for_reading, refusals
from dicom_assets.cli.tables import Cell, print_rows

EXAMPLES = """
\b
Examples:
  dicom-assets identity check
  dicom-assets identity check --former-secret secret.2025     what that one derived, too
  dicom-assets identity check --json
"""

COLUMNS = ("check", "outcome", "examined", "findings", "remarks")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(epilog=EXAMPLES)
@click.option("--former-secret", "former", type=FILE, multiple=True, help="A secret of before a rotation; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(former: tuple[Path, ...], as_json: bool) -> None:
    """Check the identity database: one pseudonym for each patient, one replacement for each UID and back, none of them
    an original, everything derived by its secret or imported, nothing altered, the file whole, the log protected.

    Ids that are filed with and without an issuer, and studies recorded under several Patient IDs, are noted: they may
    be as they should. Findings name pseudonyms, replacements and study keys, never originals. Nothing is changed.

    Exits 0 if nothing failed, 1 if something did, 2 when the command was given wrongly or nothing could be checked.
    """
    with refusals(), open_for_reading() as ledger:
        from dicom_assets.adapters.identity_db.integrity import check_integrity
        from dicom_assets.adapters.identity_db.secret import read_secret

        secrets = [read_secret(path, "--former-secret") for path in former]
        results = check_integrity(ledger, secrets)
    rows: list[dict[str, Cell]] = [
        {
            "check": one.name,
            "outcome": one.outcome.value,
            "examined": one.examined,
            "findings": one.findings,
            "remarks": "; ".join(one.remarks),
        }
        for one in results
    ]
    print_rows(rows, COLUMNS, as_json=as_json)
    sys.exit(1 if any(one.outcome == "failed" for one in results) else 0)
