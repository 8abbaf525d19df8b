"""`dicom-assets doctor`: is everything that is configured in order?"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from dicom_assets import __version__
from dicom_assets.cli.surroundings import setting, settings_as_resources
from dicom_assets.cli.tables import json_option, print_json
from dicom_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_assets.defs.diagnosis import Finding

EXAMPLES = """
\b
Examples:
  dicom-assets doctor                every check a line; what is red says how to mend it
  dicom-assets doctor --write-test   also stores a test object in the research PACS
  dicom-assets doctor --json         for machines
"""
NAME_WIDTH = 34
MUST_BE_SET = ("DATA_DIR", "IDENTITY_SECRET_FILE", "IDENTITY_DB_URL", "REVIEW_DB_URL", "RESEARCH_DB_URL")


@click.command(epilog=EXAMPLES)
@json_option
@click.option("--write-test", is_flag=True, help="Store a test object in the research PACS, to be deleted there.")
def doctor(as_json: bool, write_test: bool) -> None:
    """Check everything that the settings name, in the order in which one would mend it.

    Settings, secret, disk, clock, profile, databases, then both PACSs from their host names to what they offer.
    Green: in order. Yellow: not configured, not checked, or soon a problem. Red: to be mended, with the way to do it.
    Each check is bounded in time. Nothing is changed: a scratch file in DATA_DIR is removed again, the canary is moved
    here and dropped; only --write-test leaves something, in the research PACS, and says what to delete.

    Exits 0 if nothing is red, else 1, and 2 when the command was given wrongly.
    """
    findings: list[Finding] = []
    for finding in _findings(write_test=write_test):
        findings.append(finding)
        if not as_json:
            _show(finding)
    red = sum(finding.state == "red" for finding in findings)
    if as_json:
        print_json(_as_json(findings))
    else:
        click.echo(f"{len(findings)} checks, {red} red." if red else f"{len(findings)} checks, none red.")
    sys.exit(1 if red else 0)


def _findings(*, write_test: bool) -> Iterator[Finding]:
    from dicom_assets.definitions import SETTINGS
    from dicom_assets.defs.diagnosis import Finding, State, diagnose

    try:
        resources = settings_as_resources()
    except ConfigurationError as error:
        yield Finding("settings", State.RED, "can't be used, so nothing else was checked", str(error))
        return
    demo_settings = [name for name in MUST_BE_SET if setting(name) == SETTINGS[name]]
    yield from diagnose(resources, demo_settings, write_test=write_test)


def _show(finding: Finding) -> None:
    state = click.style(f"{finding.state:6}", fg=finding.state)
    click.echo(f"{state}  {finding.name:{NAME_WIDTH}}  {finding.finding}")
    if finding.remedy:
        width = max(60, shutil.get_terminal_size().columns - 8) if sys.stdout.isatty() else sys.maxsize
        click.echo(textwrap.indent(textwrap.fill(finding.remedy, width, break_on_hyphens=False), " " * 8))


def _as_json(findings: Iterable[Finding]) -> dict[str, object]:
    checks = [
        {"check": one.name, "state": one.state.value, "finding": one.finding, "remedy": one.remedy} for one in findings
    ]
    return {
        "dicom_assets": __version__,
        "in_order": all(check["state"] != "red" for check in checks),
        "checks": checks,
    }
