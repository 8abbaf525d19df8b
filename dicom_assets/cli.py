"""`dicom-assets`: the terminal's way in, for what Dagster's commands do not do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from dotenv import load_dotenv

from dicom_assets import __version__
from dicom_assets.errors import DicomAssetsError

if TYPE_CHECKING:
    from dicom_assets.adapters.identity_db import DryRunIdentityDatabase

STUDY_EXAMPLES = """
\b
Examples:
  dicom-assets studies                         every study key with its original Study Instance UID
  dicom-assets studies S4Q7K2M9X1B3T           the study behind a key
  dicom-assets studies 1.2.840.113619.2.55.3   the key of a study
"""

LATEST_EXAMPLES = """
\b
Examples:
  cat "$(dicom-assets latest)/overview.txt"    what the last run did
"""


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except DicomAssetsError as error:
        raise click.ClickException(str(error)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Reviewed DICOM studies, de-identified, from a staging PACS to a research PACS.

    The job itself is Dagster's: `dagster job execute -m dicom_assets.definitions -j publish_reviewed_studies`.
    Settings are read from the environment and, as Dagster does, from the file .env in this folder;
    the README has a table of them.
    """
    load_dotenv(Path.cwd() / ".env")


@main.command(epilog=STUDY_EXAMPLES)
@click.argument("names", nargs=-1, metavar="[KEY|UID]...")
def studies(names: tuple[str, ...]) -> None:
    """Translate study keys to original Study Instance UIDs and back.

    For those who may open the identity database (IDENTITY_DB_URL, IDENTITY_SECRET_FILE). Prints one
    study a line: key, tab, original UID. Exits 1 when a name is unknown.
    """
    with _plain_errors():
        database = _open_identity_db()
        try:
            unknown = _print_studies(database, names)
        finally:
            database.close()
    sys.exit(1 if unknown else 0)


def _open_identity_db() -> DryRunIdentityDatabase:
    """The identity database, for reading only."""
    from dicom_assets.adapters.identity_db import IdentityDatabase
    from dicom_assets.defs.resources import IdentityDbResource

    resource = IdentityDbResource(url=_setting("IDENTITY_DB_URL"), secret_file=_setting("IDENTITY_SECRET_FILE"))
    return IdentityDatabase.open_for_dry_run(resource.url, resource.secret())


def _setting(name: str) -> str:
    from dicom_assets.definitions import SETTINGS

    return os.environ.get(name) or SETTINGS[name]


def _print_studies(database: DryRunIdentityDatabase, names: tuple[str, ...]) -> bool:
    """Print what is asked for; True when something was not found."""
    known = [(study.study_key, study.original_study_uid) for study in database.studies()]
    if not names:
        for key, uid in known:
            click.echo(f"{key}\t{uid}")
        return False
    unknown = [name for name in names if not any(name in pair for pair in known)]
    for key, uid in known:
        if key in names or uid in names:
            click.echo(f"{key}\t{uid}")
    for name in unknown:
        click.echo(f"No study has the key or original Study Instance UID {name}.", err=True)
    return bool(unknown)


@main.command(epilog=LATEST_EXAMPLES)
def latest() -> None:
    """Print the path of the last run's folder (DATA_DIR).

    Exits 1 when there was no run.
    """
    from dicom_assets.adapters.audit_trail import latest_run

    folder = latest_run(Path(_setting("DATA_DIR")))
    if folder is None:
        raise click.ClickException("There was no run yet under DATA_DIR.")
    click.echo(folder)
