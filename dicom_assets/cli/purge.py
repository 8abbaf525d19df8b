"""`dicom-assets purge`: room under DATA_DIR."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.surroundings import data_dir, open_log, plain_errors
from dicom_assets.cli.tables import Cell, json_option, print_rows
from dicom_assets.study import Fact

if TYPE_CHECKING:
    from dicom_assets.adapters.between_runs import BetweenRuns
    from dicom_assets.adapters.purge import StoredStudy
    from dicom_assets.adapters.study_store import FolderStudyStore

EXAMPLES = """
\b
Examples:
  dicom-assets purge --before 2026-01-01 --dry-run    what would go
  dicom-assets purge --before 2026-01-01              images of studies published before that day
  dicom-assets purge --before 2026-01-01 --force      those of unfinished studies of that time, too
"""

COLUMNS = ("study", "stage", "since", "megabytes", "done")


@click.command(epilog=EXAMPLES)
@click.option("--before", required=True, type=click.DateTime(["%Y-%m-%d"]), help="A day (UTC), as 2026-01-01.")
@click.option("--force", is_flag=True, help="Studies that were not published, too.")
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would be removed.")
@json_option
def purge(before: datetime, force: bool, dry_run: bool, as_json: bool) -> None:
    """Remove the images of studies that were published before a day; manifests and the audit trail stay.

    Studies that did not get that far are left alone unless forced; those that a run works on always are. A study that
    is run again later is pulled again. Works in DATA_DIR.

    Exits 0, also where studies were left alone, 1 when images can't be removed, 2 when the command was given wrongly.
    """
    from dicom_assets.adapters.purge import stored_studies
    from dicom_assets.adapters.study_store import FolderStudyStore

    limit = before.replace(tzinfo=UTC)
    rows: list[dict[str, Cell]] = []
    with plain_errors():
        log = None if dry_run else open_log()
        store = FolderStudyStore(data_dir() / "studies")
        for study in stored_studies(store.root):
            if study.finished_at < limit:
                rows.append(_row(study, _remove(store, study, log, force=force)))
    print_rows(rows, COLUMNS, as_json=as_json)
    freed = sum(float(row["megabytes"] or 0) for row in rows if row["done"] in ("removed", "would be removed"))
    verb = "would be freed" if dry_run else "freed"
    click.echo(f"{freed:.1f} MB {verb}.", err=True)


def _remove(store: FolderStudyStore, study: StoredStudy, log: BetweenRuns | None, *, force: bool) -> str:
    """Remove a study's images, or without a log say what would be done; returns what was."""
    from dicom_assets.adapters.between_runs import login
    from dicom_assets.adapters.purge import purge as purge_study

    if not study.is_finished and not force:
        return "kept: not published (--force)"
    if log is None:
        return "would be removed"
    if not purge_study(store, study):
        return "kept: a run works on it"
    facts: dict[str, Fact] = {"by": login(), "bytes": study.image_bytes, "forced": "no" if study.is_finished else "yes"}
    log.event("images_purged", study.study_key, facts | ({"stage": study.stage} if study.stage else {}))
    return "removed"


def _row(study: StoredStudy, done: str) -> dict[str, Cell]:
    return {
        "study": study.study_key,
        "stage": str(study.stage or ""),
        "since": f"{study.finished_at:%Y-%m-%d}",
        "megabytes": round(study.image_bytes / 1e6, 1),
        "done": done,
    }
