"""`dicom-assets identity rotate-secret`: a new secret, and everything recorded stays."""

from __future__ import annotations

from pathlib import Path

import click

from dicom_assets.cli.identity.surroundings import confirm, open_ledger, refusals

EXAMPLES = """
\b
Examples:
  dicom-assets identity rotate-secret /srv/secret.2026 --make     makes the new secret, too
  dicom-assets identity rotate-secret /srv/secret.2026 --yes
"""


@click.command("rotate-secret", epilog=EXAMPLES)
@click.argument("new_secret_file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--make", is_flag=True, help="Make the new secret, mode 0600, where there is no such file.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rotate_secret(new_secret_file: Path, make: bool, yes: bool) -> None:
    """Put the secret of NEW_SECRET_FILE in force instead of the one of IDENTITY_SECRET_FILE.

    Pseudonyms, date offsets, study keys and UIDs that are recorded stay as they are; what is new from then on is
    derived with the new secret. Keyed hashes in instances (the action `hash` of a profile) are not recorded and differ
    from those of before. Nobody can record meanwhile, and what runs has to start again.

    Then have IDENTITY_SECRET_FILE name the new file everywhere: with the old one the database is refused. Keep the old
    one for `check --former-secret`, or destroy it if it is known to somebody.

    Exits 0, or 2 when the command was given wrongly or it could not be done: nothing is changed then.
    """
    with refusals():
        from dicom_assets.adapters.identity_db.governing import rotate_secret as rotate
        from dicom_assets.adapters.identity_db.secret import make_secret, read_secret

        confirm("From then on the secret of IDENTITY_SECRET_FILE is retired for ever.", yes=yes)
        with open_ledger() as ledger:
            if make and not new_secret_file.exists():
                make_secret(new_secret_file)
            done = rotate(ledger, read_secret(new_secret_file, "NEW_SECRET_FILE"))
    click.echo(f"The secret with fingerprint {done.fingerprint} is in force, the {done.generation}. of this database.")
    click.echo(f"Now set IDENTITY_SECRET_FILE={new_secret_file.absolute()} wherever the database is used.")
