"""`dicom-assets identity encrypt`: identifying columns of an SQLite file, sealed with a key."""

from __future__ import annotations

from pathlib import Path

import click

from dicom_assets.cli.identity.surroundings import confirm, open_ledger, refusals

EXAMPLES = """
\b
Examples:
  dicom-assets identity encrypt /srv/identity.key --make    encrypts, and makes the key
  dicom-assets identity encrypt /srv/new.key                with another key than IDENTITY_KEY_FILE's
  dicom-assets identity encrypt --off                       decrypts
"""


@click.command(epilog=EXAMPLES)
@click.argument("new_key_file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--make", is_flag=True, help="Make the key, mode 0600, where there is no such file.")
@click.option("--off", is_flag=True, help="Decrypt.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def encrypt(new_key_file: Path | None, make: bool, off: bool, yes: bool) -> None:
    """Encrypt the identifying columns of the SQLite file in place with the key of NEW_KEY_FILE, or decrypt them.

    The whole file is written anew, so that nothing stays in it that was there before; give it time and twice its room.
    End what runs first: a process that has the file open is refused afterwards, and may keep its log from being
    emptied. Backups and copies of before are not touched.

    Then have IDENTITY_KEY_FILE name the new file everywhere. Without the key nothing can be read: keep a copy of it
    apart from the database.

    Exits 0, or 2 when the command was given wrongly or it could not be done, or not wholly: the message says which.
    """
    if (new_key_file is None) != off:
        raise click.UsageError("Give NEW_KEY_FILE, or --off.")
    with refusals():
        from dicom_assets.adapters.identity_db.encryption import reseal
        from dicom_assets.adapters.identity_db.secret import make_secret, read_key

        confirm("What runs has to be ended first.", yes=yes)
        with open_ledger() as ledger:
            key = None
            if new_key_file is not None:
                if make and not new_key_file.exists():
                    make_secret(new_key_file)
                key = read_key(new_key_file, "NEW_KEY_FILE")
            reseal(ledger, key)
    named = "" if new_key_file is None else str(new_key_file.absolute())
    click.echo(f"Done. Now set IDENTITY_KEY_FILE={named} wherever the database is used.")
