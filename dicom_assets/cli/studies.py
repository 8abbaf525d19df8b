"""`dicom-assets studies`: the studies behind their keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.surroundings import open_identity_db, plain_errors, setting

if TYPE_CHECKING:
    from dicom_assets.adapters.identity_db import DryRunIdentityDatabase

EXAMPLES = """
\b
Examples:
  dicom-assets studies                         every study key with its original Study Instance UID
  dicom-assets studies S4Q7K2M9X1B3T           the study behind a key
  dicom-assets studies 1.2.840.113619.2.55.3   the key of a study
"""


@click.command(epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[KEY|UID]...")
def studies(names: tuple[str, ...]) -> None:
    """Translate study keys to original Study Instance UIDs and back.

    For those who may open the identity database (IDENTITY_DB_URL, IDENTITY_SECRET_FILE). Prints one
    study a line: key, tab, original UID; of a withdrawn one another tab and how far that is. Exits 1
    when a name is unknown.
    """
    with plain_errors(), open_identity_db() as database:
        unknown = _print_studies(database, names)
    sys.exit(1 if unknown else 0)


def _print_studies(database: DryRunIdentityDatabase, names: tuple[str, ...]) -> bool:
    """Print what is asked for; True when something was not found."""
    known = [(study.study_key, study.original_study_uid) for study in database.studies()]
    withdrawn = _withdrawn()
    if not names:
        for key, uid in known:
            click.echo(f"{key}\t{uid}{withdrawn.get(key, '')}")
        return False
    unknown = [name for name in names if not any(name in pair for pair in known)]
    for key, uid in known:
        if key in names or uid in names:
            click.echo(f"{key}\t{uid}{withdrawn.get(key, '')}")
    for name in unknown:
        click.echo(f"No study has the key or original Study Instance UID {name}.", err=True)
    return bool(unknown)


def _withdrawn() -> dict[str, str]:
    """Study key to what is to be said of its withdrawal."""
    from dicom_assets.adapters.withdrawals import FolderWithdrawals

    return {one.study_key: f"\t{one.said()}" for one in FolderWithdrawals(Path(setting("DATA_DIR"))).all()}
