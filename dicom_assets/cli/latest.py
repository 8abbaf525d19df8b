"""`dicom-assets latest`: where the last run wrote."""

from __future__ import annotations

import click

from dicom_assets.cli.surroundings import data_dir, plain_errors
from dicom_assets.cli.tables import json_option, print_json

EXAMPLES = """
\b
Examples:
  cat "$(dicom-assets latest)/overview.txt"            what the last run did
  xdg-open "$(dicom-assets latest)/overview.html"      the same with plots, in a browser
  dicom-assets latest --json                           its name, too
"""


@click.command(epilog=EXAMPLES)
@json_option
def latest(as_json: bool) -> None:
    """Print the path of the last run's folder (DATA_DIR).

    Exits 0, or 1 when there was no run yet, 2 when the command was given wrongly.
    """
    from dicom_assets.adapters.audit_trail import latest_run

    with plain_errors():
        folder = latest_run(data_dir())
    if folder is None:
        raise click.ClickException("There was no run yet under DATA_DIR.")
    if as_json:
        print_json({"run": folder.name, "path": str(folder)})
    else:
        click.echo(folder)
