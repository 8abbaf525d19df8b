"""`dicom-assets verify`: a second opinion on a de-identified folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.progress import progress_bar
from dicom_assets.cli.tables import json_option, print_json
from dicom_assets.errors import DicomAssetsError

if TYPE_CHECKING:
    from dicom_assets.verification import Settings, Verdict

EXAMPLES = """
\b
Examples:
  dicom-assets verify hospital/ research/                        what is wrong with research/, as a table
  dicom-assets verify hospital/ research/ --report report.jsonl  every file of hospital/ accounted for, too
  dicom-assets verify hospital/ research/ --json                 everything, all places, for machines
  dicom-assets verify hospital/ research/ --without-iod          without asking dciodvfy about every file
"""
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


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
@json_option
def verify(
    source: Path,
    dest: Path,
    report: Path | None,
    without_iod: bool,
    show_source: bool,
    limit: int,
    show_all: bool,
    as_json: bool,
) -> None:
    """Check the de-identified folder DEST against its identified source folder SOURCE.

    Reads both with pydicom and knows nothing of how DEST was made: it searches DEST for names, ids, dates and UIDs
    of SOURCE, follows UIDs and dates from one to the other, compares pixels, and asks dciodvfy for errors that SOURCE
    does not have. No value of a data set is shown. Changes nothing.

    Exits 0 without findings, 1 with findings, 2 when the command was given wrongly or a folder can't be read.
    """
    from dicom_assets.cli.verdict_table import show, verdict_as_json
    from dicom_assets.verification import Settings

    settings = Settings(source, dest, report, with_iod=not without_iod, show_source=show_source)
    verdict = _verdict(settings)
    if as_json:
        print_json(verdict_as_json(verdict))
    else:
        show(verdict, sys.maxsize if show_all else limit)
    sys.exit(1 if verdict.findings else 0)


def _verdict(settings: Settings) -> Verdict:
    from dicom_assets.verification import verify as verify_folders

    try:
        with progress_bar() as progress:
            return verify_folders(settings, progress)
    except DicomAssetsError as error:
        raise UnusableInputError(str(error)) from None
