"""`dicom-assets identity`: what the honest broker does with the identity database."""

from __future__ import annotations

import click

from dicom_assets.cli.identity.access_log import access_log
from dicom_assets.cli.identity.check import check
from dicom_assets.cli.identity.default_issuer import default_issuer
from dicom_assets.cli.identity.encrypt import encrypt
from dicom_assets.cli.identity.export import export
from dicom_assets.cli.identity.importing import import_files
from dicom_assets.cli.identity.lookup import lookup
from dicom_assets.cli.identity.rotate_secret import rotate_secret
from dicom_assets.cli.identity.stats import stats

__all__ = ["identity"]

EXAMPLES = """
\b
Examples:
  dicom-assets identity check                          is everything in it in order?
  dicom-assets identity lookup P4Q7K2M9X1B --reason "incidental finding"
  dicom-assets identity import /old/identity.db        take over what dicom-anon recorded
"""


@click.group(epilog=EXAMPLES)
def identity() -> None:
    """Work with the identity database: the only home of real <-> pseudonym.

    All commands need IDENTITY_DB_URL and IDENTITY_SECRET_FILE, and IDENTITY_KEY_FILE where the database is encrypted.
    They exit with 0 where all is well, 1 where something was found that a person has to look at (each command's help
    says what), and 2 where it could not be done; nothing is changed then.
    """


identity.add_command(access_log)
identity.add_command(check)
identity.add_command(default_issuer)
identity.add_command(encrypt)
identity.add_command(export)
identity.add_command(import_files)
identity.add_command(lookup)
identity.add_command(rotate_secret)
identity.add_command(stats)
