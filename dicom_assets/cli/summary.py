"""`dicom-assets summary`: what is in a folder of DICOM files."""

from __future__ import annotations

from pathlib import Path

import click

from dicom_assets.cli.progress import progress_bar
from dicom_assets.cli.surroundings import plain_errors
from dicom_assets.cli.tables import json_option, print_json, print_rows

EXAMPLES = """
\b
Examples:
  dicom-assets summary research/                                       a folder of files
  dicom-assets summary .demo/data/studies/S4Q7K2M9X1B3T/deidentified/  a study as it may be published
  dicom-assets summary research/ --only SeriesDescription              which series descriptions there are
  dicom-assets summary research/ --json                                for machines
"""

COLUMNS = ("attribute", "value", "studies", "series", "instances")


@click.command(epilog=EXAMPLES)
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--only", metavar="ATTRIBUTE", multiple=True, help="Show this attribute alone; may be given several times."
)
@json_option
def summary(folder: Path, only: tuple[str, ...], as_json: bool) -> None:
    """Count patients, studies, series and instances below DIR, and list their unique values.

    Modalities, SOP Classes, study and series descriptions, patients' names and ids, manufacturers and models, each with
    how many studies, series and instances have it. It reads headers only and changes nothing; files that can't be read
    are counted.

    It PRINTS IDENTIFIERS: over an identified folder, patients' names and ids as they are there. That is what it is for:
    to see what came from a hospital, and that nothing of it is left in what goes to research.

    Exits 0 also where files were unreadable, 1 when a folder can't be listed, 2 when the command was given wrongly.
    """
    from dicom_assets.adapters.folder_summary import SHOWN, summarize, value_rows

    unknown = [name for name in only if name not in SHOWN]
    if unknown:
        raise click.UsageError(f"--only takes {', '.join(SHOWN)}.")
    with plain_errors(), progress_bar() as progress:
        found = summarize(folder, progress)
    rows = [row for row in value_rows(found) if not only or row["attribute"] in only]
    if as_json:
        print_json({**found.counts(), "values": rows})
        return
    counts = found.counts()
    print_rows(rows, COLUMNS, as_json=False)
    said = ", ".join(f"{counts[name]} {name}" for name in ("patients", "studies", "series", "instances"))
    click.echo(f"{counts['files']} files ({counts['bytes'] / 1e6:.1f} MB): {said}.", err=True)
    if counts["unreadable"] or counts["no_instance"]:
        click.echo(f"Not among them: {counts['unreadable']} unreadable, {counts['no_instance']} no instance.", err=True)
