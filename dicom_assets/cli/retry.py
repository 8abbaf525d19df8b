"""`dicom-assets retry`: studies whose error was mended are taken up again."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.completion import study_keys
from dicom_assets.cli.surroundings import data_dir, open_identity_db, open_log, plain_errors, setting
from dicom_assets.cli.tables import json_option, print_rows
from dicom_assets.study import StudyKey

if TYPE_CHECKING:
    from dicom_assets.adapters.identity_db import DryRunIdentityDatabase
    from dicom_assets.adapters.review_db import ReviewDatabase

EXAMPLES = """
\b
Examples:
  dicom-assets retry                   the studies that wait for a person, and why
  dicom-assets retry S4Q7K2M9X1B3T     the next run takes this one again
  dicom-assets retry --all             the next run takes all of them again
"""

COLUMNS = ("study", "since", "reason")


@click.command(epilog=EXAMPLES)
@click.argument("keys", nargs=-1, metavar="[KEY]...", shell_complete=study_keys)
@click.option("--all", "everything", is_flag=True, help="Every study that is marked with an error.")
@json_option
def retry(keys: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Clear the error of studies in the review database, so that the next run takes them again.

    Without a key it changes nothing and lists the studies that are marked with an error, oldest first. Needs
    REVIEW_DB_URL with the right to update, IDENTITY_DB_URL, IDENTITY_SECRET_FILE, and DATA_DIR, where it is written
    down.

    Exits 0, or 1 when a key names no study that is marked or a database does not open, 2 when the command was given
    wrongly.
    """
    from dicom_assets.adapters.between_runs import login
    from dicom_assets.adapters.review_db import ReviewDatabase

    changes = bool(keys) or everything
    with plain_errors(), open_identity_db() as identity_db:
        log = open_log() if changes else None
        review_db = ReviewDatabase.open(setting("REVIEW_DB_URL"), read_only=not changes)
        try:
            marked = _marked(review_db, identity_db)
            chosen = marked if everything or not keys else [row for row in marked if row["study"] in keys]
            print_rows([{name: row[name] for name in COLUMNS} for row in chosen], COLUMNS, as_json=as_json)
            held_back = _held_back(chosen) if changes else set()
            if log is not None:
                for row in chosen:
                    if row["study"] not in held_back:
                        review_db.clear_error(row["uid"])
                        # Others write errors, too, and may have quoted anything.
                        log.event("error_cleared", StudyKey(row["study"]), {"by": login()})
        finally:
            review_db.close()
    unknown = set(keys) - {row["study"] for row in marked}
    for key in sorted(unknown):
        click.echo(f"No study of the key {key} is marked with an error.", err=True)
    for key in sorted(held_back):
        click.echo(f"{key} is withdrawn, which `dicom-assets withdraw {key} --lift` alone ends.", err=True)
    if changes:
        click.echo(f"{len(chosen) - len(held_back)} cleared: the next run takes them again.", err=True)
    sys.exit(1 if unknown or held_back & set(keys) else 0)


def _held_back(rows: Sequence[Mapping[str, str]]) -> set[str]:
    """The keys of withdrawn studies: no run takes these, whatever the review database says."""
    from dicom_assets.adapters.withdrawals import FolderWithdrawals

    withdrawals = FolderWithdrawals(data_dir())
    found = (withdrawals.of(StudyKey(row["study"])) for row in rows)
    return {one.study_key for one in found if one is not None and one.holds_back}


def _marked(review_db: ReviewDatabase, identity_db: DryRunIdentityDatabase) -> list[dict[str, str]]:
    return [
        {
            "study": str(identity_db.study_key(error.study_uid)),
            "since": f"{error.marked_at:%Y-%m-%d %H:%M}" if error.marked_at else "",
            "reason": error.message,
            "uid": error.study_uid,
        }
        for error in review_db.errors()
    ]
