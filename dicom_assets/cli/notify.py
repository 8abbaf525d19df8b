"""`dicom-assets notify`: do messages reach the people that they are for?"""

from __future__ import annotations

import sys

import click

from dicom_assets.cli.surroundings import plain_errors, settings_as_resources
from dicom_assets.cli.tables import Cell, json_option, print_rows

EXAMPLES = "\n\b\nExamples:\n"
TEST = """\
  dicom-assets notify test              send a test message to every address of NOTIFY_URLS_FILE
"""
WAITING = """\
  dicom-assets notify waiting           the messages that were not taken yet
  dicom-assets notify waiting --json    for machines
"""


@click.group(epilog=EXAMPLES + TEST + WAITING)
def notify() -> None:
    """People are told of runs that failed and of studies that have to be removed (NOTIFY_URLS_FILE).

    The sensors `failed_runs` and `withdrawn_reviews` write the messages, `notifications` sends them.
    """


@notify.command(epilog=EXAMPLES + TEST)
def test() -> None:
    """Send a test message now and say who took it.

    Addresses are named by their lines in the file, as they hold secrets.

    Exits 0 when all took it, 1 when one did not or nobody is to be told, 2 when the command was given wrongly.
    """
    from dicom_assets.defs.notices import trial_notice

    with plain_errors():
        settings = settings_as_resources().notifications
        notifier = settings.notifier() if settings is not None else None
        if settings is None or notifier is None:
            raise click.ClickException("NOTIFY_URLS_FILE is not set: nobody is to be told.")
        notice = trial_notice(settings.link("/"))
        absent = notifier.send(notice.title, notice.body)
    for target in notifier.targets:
        click.echo(f"{target}: {'did not take it' if target in absent else 'took it'}")
    sys.exit(1 if absent else 0)


@notify.command(epilog=EXAMPLES + WAITING)
@json_option
def waiting(as_json: bool) -> None:
    """List the messages that somebody did not take yet, the oldest first. Times are UTC.

    Exits 0, or 1 when they can't be read, 2 when the command was given wrongly.
    """
    from dicom_assets.adapters.outbox import Outbox

    with plain_errors():
        messages = Outbox(settings_as_resources().data_dir.folder()).waiting()
    rows: list[dict[str, Cell]] = [
        {"made_at": message.made_at[:16].replace("T", " "), "tries": message.tries, "title": message.title}
        for message in messages
    ]
    print_rows(rows, ("made_at", "tries", "title"), as_json=as_json)
    click.echo(f"{len(messages)} message(s) wait.", err=True)
