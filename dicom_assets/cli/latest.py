"""`dicom-assets latest`: where the last run wrote."""

from __future__ import annotations

from pathlib import Path

import click

from dicom_assets.cli.surroundings import setting

EXAMPLES = """
\b
Examples:
  cat "$(dicom-assets latest)/overview.txt"    what the last run did
"""


@click.command(epilog=EXAMPLES)
def latest() -> None:
    """Print the path of the last run's folder (DATA_DIR).

    Exits 1 when there was no run.
    """
    from dicom_assets.adapters.audit_trail import latest_run

    folder = latest_run(Path(setting("DATA_DIR")))
    if folder is None:
        raise click.ClickException("There was no run yet under DATA_DIR.")
    click.echo(folder)
