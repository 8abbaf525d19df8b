"""`dicom-assets`: the terminal's way in, for what Dagster's commands do not do.

A command's module imports what it works with inside its functions, so that `--help` answers at once.
"""

from __future__ import annotations

from pathlib import Path

import click
from dotenv import load_dotenv

from dicom_assets import __version__
from dicom_assets.cli.canary import canary
from dicom_assets.cli.deidentify import deidentify
from dicom_assets.cli.doctor import doctor
from dicom_assets.cli.identity import identity
from dicom_assets.cli.latest import latest
from dicom_assets.cli.notify import notify
from dicom_assets.cli.purge import purge
from dicom_assets.cli.rerun_last import rerun_last
from dicom_assets.cli.retry import retry
from dicom_assets.cli.runs import runs, show
from dicom_assets.cli.studies import studies
from dicom_assets.cli.verify import verify
from dicom_assets.cli.withdraw import withdraw

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Reviewed DICOM studies, de-identified, from a staging PACS to a research PACS.

    The job itself is Dagster's: `dagster job execute -m dicom_assets.definitions -j publish_reviewed_studies`.
    Settings are read from the environment and, as Dagster does, from the file .env in this folder;
    the README has a table of them.
    """
    load_dotenv(Path.cwd() / ".env")


main.add_command(canary)
main.add_command(deidentify)
main.add_command(doctor)
main.add_command(identity)
main.add_command(latest)
main.add_command(notify)
main.add_command(purge)
main.add_command(rerun_last)
main.add_command(retry)
main.add_command(runs)
main.add_command(show)
main.add_command(studies)
main.add_command(verify)
main.add_command(withdraw)
