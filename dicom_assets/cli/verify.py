"""`dicom-assets verify`: a second opinion on a de-identified folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_assets.errors import DicomAssetsError

if TYPE_CHECKING:
    from dicom_assets.verification import Settings, Verdict

EXAMPLES = """
\b
Examples:
  dicom-assets verify hospital/ research/                        what is wrong with research/, as a table
  dicom-assets verify hospital/ research/ --report report.jsonl  every file of hospital/ accounted for, too
  dicom-assets verify hospital/ research/ --all --json found.json
  dicom-assets verify hospital/ research/ --without-iod          without asking dciodvfy about every file
"""
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


class UnusableInputError(click.ClickException):
    """Ends with exit code 2, as wrong usage does; 1 stands for findings."""

    exit_code = 2


@click.command(epilog=EXAMPLES)
@click.argument("source", type=FOLDER)
@click.argument("dest", type=FOLDER)
@click.option("--report", type=FILE, help="The de-identification's report (JSON Lines or CSV): pairs files by it.")
@click.option("--without-iod", is_flag=True, help="Do not ask dciodvfy (Debian package dicom3tools).")
@click.option("--show-source", is_flag=True, help="Name files of SOURCE by path, which may identify, not by number.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(min=0), help="Most places to show a rule.")
@click.option("--all", "show_all", is_flag=True, help="Show all places.")
@click.option("--json", "json_file", type=NEW_FILE, help="Write everything into this file, for machines.")
def verify(
    source: Path,
    dest: Path,
    report: Path | None,
    without_iod: bool,
    show_source: bool,
    limit: int,
    show_all: bool,
    json_file: Path | None,
) -> None:
    """Check the de-identified folder DEST against its identified source folder SOURCE.

    Reads both with pydicom and knows nothing of how DEST was made: it searches DEST for names, ids, dates and UIDs
    of SOURCE, follows UIDs and dates from one to the other, compares pixels, and asks dciodvfy for errors that SOURCE
    does not have. No value of a data set is shown. Changes nothing.

    Exits 0 without findings, 1 with findings, 2 where usage is wrong or a folder can't be read.
    """
    from dicom_assets.cli.verdict_table import as_json, show
    from dicom_assets.verification import Settings

    settings = Settings(source, dest, report, with_iod=not without_iod, show_source=show_source)
    verdict = _verdict(settings)
    show(verdict, sys.maxsize if show_all else limit)
    if json_file is not None:
        _write(json_file, json.dumps(as_json(verdict), indent=2))
    sys.exit(1 if verdict.findings else 0)


def _verdict(settings: Settings) -> Verdict:
    from dicom_assets.verification import verify as verify_folders

    try:
        with _progress_bar() as progress:
            return verify_folders(settings, progress)
    except DicomAssetsError as error:
        raise UnusableInputError(str(error)) from None


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UnusableInputError(f"the JSON file can't be written: {error.strerror}") from None


@contextmanager
def _progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error while it is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("listing files", total=None)
        current = ""

        def show(what: str, done: int, total: int) -> None:
            nonlocal current
            if what != current:
                bar.reset(task)
                current = what
            bar.update(task, description=what, completed=done, total=total)

        yield show
