"""`dicom-assets identity default-issuer`: whose ids those without an issuer are."""

from __future__ import annotations

import click

from dicom_assets.cli.identity.surroundings import open_for_reading, open_ledger, refusals

EXAMPLES = """
\b
Examples:
  dicom-assets identity default-issuer              which one is declared
  dicom-assets identity default-issuer HOSPITAL     an id without an issuer is one of HOSPITAL
  dicom-assets identity default-issuer --none       it is nobody's again
"""


@click.command("default-issuer", epilog=EXAMPLES)
@click.argument("issuer", required=False)
@click.option("--none", is_flag=True, help="Declare none.")
def default_issuer(issuer: str | None, none: bool) -> None:
    """Declare the Issuer of Patient ID (0010,0021) that goes without saying, or tell which one does.

    From then on a Patient ID without an issuer and the same one with this issuer are one patient, with one pseudonym.
    Pseudonyms that were given before stay, so that a patient who has two keeps them; `check` names such pairs. What
    runs has to start again.

    Exits 0, or 2 when the command was given wrongly or it could not be done.
    """
    if issuer is not None and (none or not issuer.strip()):
        raise click.UsageError("Give ISSUER, or --none.")
    with refusals():
        if issuer is None and not none:
            with open_for_reading() as ledger:
                click.echo(ledger.standing.default_issuer)
            return
        from dicom_assets.adapters.identity_db.governing import declare_default_issuer

        with open_ledger(make=True) as ledger:
            declare_default_issuer(ledger, issuer or "")
