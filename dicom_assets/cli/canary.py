"""`dicom-assets canary`: the test object that shows where a C-MOVE goes."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.surroundings import plain_errors, setting, settings_as_resources

if TYPE_CHECKING:
    from dicom_assets.adapters.pacs.association import LocalNode
    from dicom_assets.adapters.pacs.canary_object import CanaryObject
    from dicom_assets.defs.resources import StagingPacsResource

EXAMPLES = "\n\b\nExamples:\n"
SEND = """\
  dicom-assets canary send           make a canary, store it in the staging PACS, print the line to set
  dicom-assets canary send --yes     the same without asking
"""
CHECK = """\
  dicom-assets canary check          have it moved here and say whether it arrived
"""
MAKE = """\
  dicom-assets canary make bird.dcm  write one to a file, for PACSs that take objects by other ways only
"""
NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(epilog=EXAMPLES + SEND + CHECK + MAKE)
def canary() -> None:
    """Prove where the staging PACS's C-MOVE goes, with a test object that anybody may see.

    A canary is a study of one tiny synthetic image, of no patient (Patient ID CANARY). A run over C-MOVE has it moved
    before anything else (STAGING_PACS_CANARY_UID), and stops where it does not arrive.
    """


@canary.command(epilog=EXAMPLES + SEND)
@click.option("--yes", is_flag=True, help="Do not ask.")
def send(yes: bool) -> None:
    """Store a canary in the staging PACS by C-STORE and see by C-FIND that it is there.

    Asks first. Prints the line to put into the settings. Where STAGING_PACS_CANARY_UID is set already and the PACS
    has that study, nothing is sent; where it has not, the new canary gets that Study Instance UID.

    Exits 0 when the canary is there, 1 when it is not, 2 when the command was given wrongly.
    """
    with plain_errors():
        staging, local = _staging_pacs()
        if staging.canary_uid and staging.scout(local).find_study(staging.canary_uid).total:
            click.echo(f"{staging.node().name} has the study of STAGING_PACS_CANARY_UID already; nothing was sent.")
            return
        made = _new_canary(staging.canary_uid)
        click.echo(
            f"This stores one object in {staging.node().name}, the staging PACS: a synthetic image of "
            f"{len(made.content)} bytes, Patient ID CANARY, modality OT, Study Instance UID {made.study_uid}.\n"
            "It holds nobody's data. It has to stay there as long as studies come by C-MOVE."
        )
        if not yes:
            click.confirm("Store it?", abort=True)
        _store(staging, local, made)
        click.echo(f"It is there. Put this line into the settings:\nSTAGING_PACS_CANARY_UID={made.study_uid}")


@canary.command(epilog=EXAMPLES + CHECK)
def check() -> None:
    """Have the canary moved here and say whether it arrived.

    Nothing else is moved, and what arrives is not kept.

    Exits 0 when it arrived, 1 when it did not, 2 when the command was given wrongly.
    """
    from dicom_assets.adapters.pacs.canary import move_canary

    with plain_errors():
        staging, local = _staging_pacs()
        if not staging.canary_uid:
            raise click.ClickException("STAGING_PACS_CANARY_UID is not set: see `dicom-assets canary send`.")
        scout = staging.scout(local)
        move_canary(scout, staging.canary_uid)
        click.echo(f"The canary arrived: {scout.name} takes {local.ae_title} for {local.host} port {local.port}.")


@canary.command(epilog=EXAMPLES + MAKE)
@click.argument("file", type=NEW_FILE)
def make(file: Path) -> None:
    """Write a canary to FILE, which must not be there yet, and print the line to put into the settings.

    Exits 0, or 1 when the file can't be written, 2 when the command was given wrongly.
    """
    with plain_errors():
        made = _new_canary(setting("STAGING_PACS_CANARY_UID"))
        try:
            with file.open("xb") as new:
                new.write(made.content)
        except OSError as error:
            raise click.ClickException(f"{file} can't be written: {error.strerror}.") from None
        click.echo(f"STAGING_PACS_CANARY_UID={made.study_uid}")


def _staging_pacs() -> tuple[StagingPacsResource, LocalNode]:
    from dicom_assets.adapters.pacs.association import silence_dicom_libraries

    silence_dicom_libraries()
    resources = settings_as_resources()
    return resources.staging_pacs, resources.local.node()


def _new_canary(study_uid: str) -> CanaryObject:
    from dicom_assets.adapters.pacs.canary_object import CanaryObject, is_uid

    if study_uid and not is_uid(study_uid):
        raise click.ClickException("STAGING_PACS_CANARY_UID is not a UID: correct it, or leave it empty for a new one.")
    return CanaryObject.make(setting("UID_ROOT"), datetime.now().astimezone(), study_uid)


def _store(staging: StagingPacsResource, local: LocalNode, made: CanaryObject) -> None:
    from dicom_assets.adapters.pacs.store import CStorePacs

    pacs = CStorePacs(local, staging.scout(local).pacs)
    with tempfile.TemporaryDirectory() as folder:
        for outcome in pacs.store([made.write_to(Path(folder) / "canary.dcm")]):
            if outcome.problem:
                raise click.ClickException(
                    f"{pacs.name} did not take the canary: {outcome.problem}. Let {local.ae_title} store there for "
                    "once, or bring one in another way: `dicom-assets canary make FILE`."
                )
    if not pacs.find_study(made.study_uid).total:
        raise click.ClickException(
            f"{pacs.name} took the canary, but does not list it. Some PACSs need a while: look for Patient ID CANARY "
            f"there, then set STAGING_PACS_CANARY_UID={made.study_uid}"
        )
