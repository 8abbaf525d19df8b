"""`dicom-assets studies`: the studies behind their keys."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from dicom_assets.cli.completion import study_keys
from dicom_assets.cli.surroundings import data_dir, open_identity_db, plain_errors
from dicom_assets.cli.tables import json_option, print_rows

EXAMPLES = """
\b
Examples:
  dicom-assets studies                         every study key with its original Study Instance UID
  dicom-assets studies S4Q7K2M9X1B3T           the study behind a key
  dicom-assets studies 1.2.840.113619.2.55.3   the key of a study
"""

COLUMNS = ("study", "original_study_uid")


@click.command(epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[KEY|UID]...", shell_complete=study_keys)
@json_option
def studies(names: tuple[str, ...], as_json: bool) -> None:
    """Translate study keys to original Study Instance UIDs and back.

    For those who may open the identity database (IDENTITY_DB_URL, IDENTITY_SECRET_FILE). A withdrawn study has a third
    column, which says how far its withdrawal is.

    Exits 0, or 1 when a name is unknown or the identity database does not open, 2 when the command was given wrongly.
    """
    with plain_errors(), open_identity_db() as database:
        known = {str(study.study_key): study.original_study_uid for study in database.studies()}
    wanted = set(names)
    shown = {key: uid for key, uid in known.items() if not wanted or wanted & {key, uid}}
    with plain_errors():
        withdrawals = {key: said for key, said in _withdrawals().items() if key in shown}
    rows = [{"study": key, "original_study_uid": uid, **_column(withdrawals, key)} for key, uid in shown.items()]
    print_rows(rows, (*COLUMNS, "withdrawal") if withdrawals else COLUMNS, as_json=as_json)
    unknown = [name for name in names if name not in known and name not in known.values()]
    for name in unknown:
        click.echo(f"No study has the key or original Study Instance UID {name}.", err=True)
    sys.exit(1 if unknown else 0)


def _withdrawals() -> dict[str, str]:
    """Study key to what is to be said of its withdrawal."""
    from dicom_assets.adapters.withdrawals import FolderWithdrawals

    return {str(one.study_key): one.said() for one in FolderWithdrawals(data_dir()).all()}


def _column(withdrawals: Mapping[str, str], key: str) -> dict[str, str]:
    return {"withdrawal": withdrawals[key]} if key in withdrawals else {}
