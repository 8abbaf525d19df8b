"""`dicom-assets deidentify`: a folder in, a folder out, without Dagster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.folder_job import FolderJob, run_folder_job
from dicom_assets.cli.surroundings import plain_errors
from dicom_assets.cli.tables import json_option

if TYPE_CHECKING:
    from dicom_assets.adapters.identity_db import DryRunIdentityDatabase, IdentityDatabase
    from dicom_assets.deidentification import Profile

EXAMPLES = """
\b
Examples:
  dicom-assets deidentify identified/ research/
  dicom-assets deidentify identified/ research/ --profile research --quarantine held/ --report report.jsonl
  dicom-assets deidentify identified/ research/ --dry-run --report would.jsonl
  dicom-assets deidentify --explain identified/series1/slice1.dcm --profile research
"""


@click.command(epilog=EXAMPLES)
@click.argument("source", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("dest", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--profile",
    "profile_name",
    envvar="DEIDENTIFICATION_PROFILE",
    default="basic",
    show_default=True,
    help="A shipped profile's name, or a YAML file.",
)
@click.option(
    "--identity-db",
    "identity_url",
    envvar="IDENTITY_DB_URL",
    default="sqlite:///identity.db",
    show_default=True,
    help="SQLAlchemy URL of the identity database; made when it is not there.",
)
@click.option(
    "--secret-file",
    envvar="IDENTITY_SECRET_FILE",
    default="identity.secret",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The secret that replacements are derived with; made, mode 0600, when it is not there.",
)
@click.option(
    "--key-file",
    envvar="IDENTITY_KEY_FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The key of an encrypted identity database.",
)
@click.option(
    "--quarantine",
    type=click.Path(file_okay=False, path_type=Path),
    help="Copy what is kept back to this folder, as it came.",
)
@click.option(
    "--modalities",
    envvar="MODALITIES",
    default="CT,MR",
    show_default=True,
    help="Instances of other modalities are kept back.",
)
@click.option("--uid-root", envvar="UID_ROOT", default="2.25", show_default=True, help="What new UIDs begin with.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default="processors",
    help="Processes that de-identify.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what became of each file, one JSON object a line. Identified: it names source paths.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing but the report.")
@json_option
@click.option(
    "--explain",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Print what would happen to each attribute of one file, and by which rule. Shows no values.",
)
def deidentify(
    source: Path | None,
    dest: Path | None,
    profile_name: str,
    identity_url: str,
    secret_file: Path,
    key_file: Path | None,
    quarantine: Path | None,
    modalities: str,
    uid_root: str,
    workers: int,
    report: Path | None,
    dry_run: bool,
    as_json: bool,
    explain: Path | None,
) -> None:
    """De-identify the DICOM files below SOURCE into DEST, which gets the same tree.

    Files are named by their new SOP Instance UID; folders keep their names unless these tell of a patient.
    What may not leave is kept back, with a reason in the report; it fails nothing. Running again writes
    the same files again.

    Exits 0 if every file was written or kept back, 1 if one failed, 2 when the command was given wrongly.
    """
    with plain_errors():
        from dicom_assets.deidentification import find_profile

        profile = find_profile(profile_name)
        if explain is not None:
            _explain(explain, profile, as_json=as_json)
            return
        if source is None or dest is None:
            raise click.UsageError("Give SOURCE and DEST, or --explain FILE.")
        job = FolderJob(source, dest, quarantine, profile, modalities, uid_root, workers, report, dry_run, as_json)
        with _identity(identity_url, secret_file, key_file, dry_run=dry_run) as (identity_db, secret):
            failed = run_folder_job(job, identity_db, secret)
    sys.exit(1 if failed else 0)


@contextmanager
def _identity(
    url: str, secret_file: Path, key_file: Path | None, *, dry_run: bool
) -> Iterator[tuple[IdentityDatabase | DryRunIdentityDatabase, bytes]]:
    """The identity database and the secret; both are made at first use, but not by a dry run."""
    from dicom_assets.adapters.identity_db import IdentityDatabase
    from dicom_assets.adapters.identity_db.secret import make_secret, new_secret, read_key, read_secret

    if dry_run and not secret_file.exists():
        secret = new_secret()
    else:
        if not secret_file.exists():
            make_secret(secret_file)
            click.echo(f"Made the secret {secret_file}: keep it with the identity database, and safe.", err=True)
        secret = read_secret(secret_file)
    opener = IdentityDatabase.open_for_dry_run if dry_run else IdentityDatabase.open
    database = opener(url, secret, key=None if key_file is None else read_key(key_file))
    try:
        yield database, secret
    finally:
        database.close()


def _explain(file: Path, profile: Profile, *, as_json: bool) -> None:
    from dicom_assets.adapters.identity_db.secret import new_secret
    from dicom_assets.cli.explanation import print_explanation

    print_explanation(file, profile, new_secret(), as_json=as_json)
