"""`dicom-assets identity lookup`: who or what is behind a value, or stands for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.identity.surroundings import open_ledger, reason_given, refusals
from dicom_assets.cli.tables import Cell, print_rows

if TYPE_CHECKING:
    from dicom_assets.adapters.identity_db.lookup import Found

EXAMPLES = """
\b
Examples:
  dicom-assets identity lookup P4Q7K2M9X1B --reason "incidental finding, ticket 1234"
  dicom-assets identity lookup S4Q7K2M9X1B3T --reason "audit"         all that is recorded of a study
  dicom-assets identity lookup --attribute AccessionNumber            asks for value and reason
  dicom-assets identity lookup --reason "recall" --json < values.txt  a value a line
"""

COLUMNS = ("attribute", "original", "replacement", "study", "issuer", "origin", "matched")


@click.command(epilog=EXAMPLES)
@click.argument("values", nargs=-1, metavar="[VALUE]...")
@click.option("--attribute", default="", metavar="KEYWORD", help="Only this one, as PatientName, StudyKey or UID.")
@click.option("--reason", help="Why you ask; written to the access log.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def lookup(values: tuple[str, ...], attribute: str, reason: str | None, as_json: bool) -> None:
    """Tell what is recorded of a value, in both directions: original or replacement, of any attribute.

    Patient IDs, names, birth dates, accession numbers, UIDs and study keys are recorded, and whatever a legacy file
    brought. A value is compared as a whole. What is printed is identified. A command line is seen by others on this
    machine: without VALUE, values are asked for, or read from standard input, one a line.

    Who asks, when, why, and for what kind of value (the value itself as a keyed hash) is written to the access log
    before anything is shown.

    Exits 0 if every value was found, 1 if one was not, 2 when the command was given wrongly or nothing could be looked
    up.
    """
    why = reason_given(reason)
    rows: list[dict[str, Cell]] = []
    unknown = 0
    with refusals(), open_ledger() as ledger:
        from dicom_assets.adapters.identity_db.access_log import asker
        from dicom_assets.adapters.identity_db.lookup import look_up

        who = asker(why)
        for asked in values or _asked_for():
            found = look_up(ledger, asked, who, attribute)
            unknown += not found
            rows += [_row(one) for one in found]
    print_rows(rows, COLUMNS, as_json=as_json)
    if unknown:
        click.echo(f"{unknown} not found.", err=True)
    sys.exit(1 if unknown else 0)


def _asked_for() -> list[str]:
    if sys.stdin.isatty():
        return [str(click.prompt("Value", err=True))]
    asked = [line.strip() for line in sys.stdin if line.strip()]
    if not asked:
        raise click.UsageError("Give a value to look up, or values on standard input.")
    return asked


def _row(found: Found) -> dict[str, Cell]:
    return {
        "attribute": found.attribute,
        "original": found.original,
        "replacement": found.replacement,
        "study": found.study_key,
        "issuer": found.issuer,
        "origin": found.origin,
        "matched": found.matched,
    }
