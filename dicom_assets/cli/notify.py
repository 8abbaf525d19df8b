"""`dicom-assets notify`: do messages reach the people that they are for?"""

from __future__ import annotations

import sys

import click

from dicom_assets.cli.surroundings import plain_errors, settings_as_resources

EXAMPLES = """
\b
Examples:
  dicom-assets notify test       send a test message to every address of NOTIFY_URLS_FILE
  dicom-assets notify waiting    the messages that were not taken yet
"""


@click.group(epilog=EXAMPLES)
def notify() -> None:
    """People are told of runs that failed and of studies that have to be removed (NOTIFY_URLS_FILE).

    The sensors `failed_runs` and `withdrawn_reviews` write the messages, `notifications` sends them.
    """


@notify.command()
def test() -> None:
    """Send a test message now and say who took it.

    Addresses are named by their lines in the file, as they hold secrets. Exits 1 when one did not take it.
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


@notify.command()
def waiting() -> None:
    """List the messages that somebody did not take yet, the oldest first."""
    from dicom_assets.adapters.outbox import Outbox

    with plain_errors():
        messages = Outbox(settings_as_resources().data_dir.folder()).waiting()
    for message in messages:
        click.echo(f"{message.made_at[:16].replace('T', ' ')}\t{message.tries} tries\t{message.title}")
    click.echo(f"{len(messages)} message(s) wait.", err=True)
