"""`dicom-assets`: the terminal's way in, for what Dagster's commands do not do.

A command's module imports what it works with inside its functions, so that `--help` answers at once.
"""

from __future__ import annotations

import click

from dicom_assets import __version__
from dicom_assets.cli.canary import canary
from dicom_assets.cli.deidentify import deidentify
from dicom_assets.cli.doctor import doctor
from dicom_assets.cli.filter import filter_instances
from dicom_assets.cli.identity import identity
from dicom_assets.cli.latest import latest
from dicom_assets.cli.notify import notify
from dicom_assets.cli.purge import purge
from dicom_assets.cli.rerun_last import rerun_last
from dicom_assets.cli.retry import retry
from dicom_assets.cli.runs import runs, show
from dicom_assets.cli.studies import studies
from dicom_assets.cli.summary import summary
from dicom_assets.cli.surroundings import load_settings
from dicom_assets.cli.verify import verify
from dicom_assets.cli.withdraw import withdraw

__all__ = ["main"]


EPILOG = """
\b
Completion in the shell, for bash (4.4 or newer), zsh and fish; for bash, in ~/.bashrc:
  eval "$(_DICOM_ASSETS_COMPLETE=bash_source dicom-assets)"

All commands exit with 0 when all went well, 1 when something did not, 2 when the command was given wrongly; what that
means for each of them is at the end of its help and in docs/commands.md.
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.version_option(__version__)
def main() -> None:
    """Reviewed DICOM studies, de-identified, from a staging PACS to a research PACS.

    The job itself is Dagster's: `dagster job execute -m dicom_assets.definitions -j publish_reviewed_studies`.
    Settings are read from the environment and, as Dagster does, from the file .env in this folder;
    the README has a table of them.
    """
    load_settings()


main.add_command(canary)
main.add_command(deidentify)
main.add_command(doctor)
main.add_command(filter_instances)
main.add_command(identity)
main.add_command(latest)
main.add_command(notify)
main.add_command(purge)
main.add_command(rerun_last)
main.add_command(retry)
main.add_command(runs)
main.add_command(show)
main.add_command(studies)
main.add_command(summary)
main.add_command(verify)
main.add_command(withdraw)
