"""`dicom-assets identity export`: everything, in a file of its own."""

from __future__ import annotations

from pathlib import Path

import click

from dicom_assets.cli.identity.surroundings import open_ledger, reason_given, refusals

EXAMPLES = """
\b
Examples:
  dicom-assets identity export identity.db --reason "monthly load of the warehouse"     as dicom-anon's newest
  dicom-assets identity export all.csv --format csv --reason "handover"
  dicom-assets identity export all.json --format json --reason "handover" --force
"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "kind", type=click.Choice(["legacy", "csv", "json"]), default="legacy", show_default=True)
@click.option("--reason", help="Why; written to the access log.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def export(file: Path, kind: str, reason: str | None, force: bool) -> None:
    """Write everything that is recorded to FILE, mode 0600, unencrypted.

    `legacy` is the layout of dicom-anon's newest identity.db, for programs that read that. `csv` and `json` have one
    row or object for each pair, with attribute, original, replacement, study key, issuer, date offset (days) and
    origin. Who exports, when and why is written to the access log.

    Exits 0, or 2 when the command was given wrongly or the file can't be written or is there already.
    """
    why = reason_given(reason)
    with refusals(), open_ledger() as ledger:
        from dicom_assets.adapters.identity_db.access_log import asker
        from dicom_assets.adapters.identity_db.exporting import export_csv, export_json
        from dicom_assets.adapters.identity_db.legacy import export_legacy

        who = asker(why)
        if kind == "legacy":
            written = export_legacy(ledger, file, who, replace=force)
            rows, other = written.rows, written.other_uids
        else:
            rows, other = (export_csv if kind == "csv" else export_json)(ledger, file, who, replace=force), 0
    click.echo(f"{rows} rows written to {file}.", err=True)
    if other:
        click.echo(f"{other} UIDs of other kinds, or of unknown ones, are in the table sopinstanceuid.", err=True)
