"""Running `dicom-assets deidentify`: progress while it works, a report by file, a summary at the end."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from dicom_assets.cli.tables import Cell, print_rows
from dicom_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_assets.adapters.identity_db import DryRunIdentityDatabase, IdentityDatabase
    from dicom_assets.deidentification import Profile
    from dicom_assets.steps.deidentify_folder import InstanceReport

PROGRESS_SECONDS = 0.5
PLAIN_PROGRESS_FILES = 1000
"""Where there is no terminal, a line is printed after so many files."""


@dataclass(frozen=True, slots=True)
class FolderJob:
    """What was asked for."""

    source: Path
    target: Path
    quarantine: Path | None
    profile: Profile
    modalities: str
    uid_root: str
    workers: int
    report: Path | None
    dry_run: bool
    as_json: bool = False


def run_folder_job(job: FolderJob, identity_db: IdentityDatabase | DryRunIdentityDatabase, secret: bytes) -> int:
    """Do it, print the summary, and return how many files failed.

    Raises:
        DicomAssetsError: it could not start, or could not go on.
    """
    from dicom_assets.adapters.dicom_folder import DicomFolder
    from dicom_assets.defs.workers import worker_processes
    from dicom_assets.steps.deidentify_batch import DeidentificationSettings
    from dicom_assets.steps.deidentify_folder import deidentify_folder

    settings = DeidentificationSettings(job.profile, secret, job.uid_root, _modality_codes(job.modalities))
    counts: Counter[tuple[str, str]] = Counter()
    with (
        DicomFolder(job.source, job.target, job.quarantine, dry_run=job.dry_run) as folder,
        _report(job) as write,
        _progress() as (on_total, advance),
        worker_processes(job.workers) as executor,
    ):

        def on_report(report: InstanceReport) -> None:
            counts[report.outcome, report.reason] += 1
            write(asdict(report))
            advance()

        deidentify_folder(
            folder,
            settings=settings,
            identity_db=identity_db,
            executor=executor,
            workers=job.workers,
            on_total=on_total,
            on_report=on_report,
        )
    _print_summary(job, counts)
    return sum(count for (outcome, _), count in counts.items() if outcome == "failed")


def _modality_codes(text: str) -> frozenset[str]:
    codes = frozenset(code.strip().upper() for code in text.split(",")) - {""}
    if not codes:
        raise ConfigurationError("--modalities names no modality, so every file would be kept back.")
    return codes


@contextmanager
def _report(job: FolderJob) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Where each file's line goes; the first line says how it was done."""
    if job.report is None:
        yield lambda _line: None
        return
    with _open_private(job.report) as file:

        def write(line: dict[str, Any]) -> None:
            file.write(json.dumps(line) + "\n")

        write(
            {
                "profile": job.profile.name,
                "fingerprint": job.profile.fingerprint,
                "dry_run": job.dry_run,
                "accepted_risks": job.profile.accepted_risks,
            }
        )
        yield write


def _open_private(path: Path) -> TextIO:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"The report can't be written ({type(error).__name__}).") from None


@contextmanager
def _progress() -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """A bar on a terminal, else a line now and then; both on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("files", total=None)
            yield lambda total: bar.update(task, total=total), lambda: bar.advance(task)
        return
    counts = {"total": 0, "done": 0}

    def advance() -> None:
        counts["done"] += 1
        if counts["done"] % PLAIN_PROGRESS_FILES == 0:
            click.echo(f"{counts['done']} of {counts['total']} files", err=True)

    yield lambda total: counts.update(total=total), advance


def _print_summary(job: FolderJob, counts: Counter[tuple[str, str]]) -> None:
    order = {"written": 0, "quarantined": 1, "failed": 2}
    rows: list[dict[str, Cell]] = [
        {"outcome": outcome, "reason": reason, "files": count}
        for (outcome, reason), count in sorted(counts.items(), key=lambda item: (order[item[0][0]], -item[1]))
    ]
    title = f"{'Dry run: ' if job.dry_run else ''}{sum(counts.values())} files, profile {job.profile.name}"
    print_rows(rows, ("outcome", "reason", "files"), as_json=job.as_json, title=title)
    for what, why in job.profile.accepted_risks.items():
        click.echo(f"Risk accepted in the profile, {what}: {why}", err=True)
    if job.report is None and any(outcome == "failed" for outcome, _ in counts):
        click.echo("Run again with --report FILE to see which files failed and why.", err=True)
