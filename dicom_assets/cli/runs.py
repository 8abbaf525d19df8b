"""`dicom-assets runs` and `dicom-assets show`: what happened, from the audit trail."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.completion import runs_and_studies
from dicom_assets.cli.surroundings import data_dir, plain_errors
from dicom_assets.cli.tables import Cell, json_option, print_json, print_rows
from dicom_assets.study import StudyKey

if TYPE_CHECKING:
    from dicom_assets.adapters.run_history import Event, PastRun

RUN_COLUMNS = ("run", "started", "minutes", "state", "pulled", "deidentified", "registered", "published", "failed")
EVENT_COLUMNS = ("at", "run", "event", "facts")
ENDS = frozenset({"stage_finished", "stage_skipped", "study_failed", "study_busy"})
"""Of a stage: that it began goes without saying then."""

RUNS_EXAMPLES = """
\b
Examples:
  dicom-assets runs                  all runs, the newest last
  dicom-assets runs --last 5         the last five
  dicom-assets runs --last 1 --json  for machines
"""
SHOW_EXAMPLES = """
\b
Examples:
  dicom-assets show run_at_20260301T200000Z_0a1b2c3d    what that run did
  dicom-assets show 0a1b2c3d                            the same: a part of its name will do
  dicom-assets show S4Q7K2M9X1B3T                       all that ever happened to a study, over all runs
  dicom-assets show S4Q7K2M9X1B3T --json                the same for machines, progress included
"""


@click.command(epilog=RUNS_EXAMPLES)
@click.option("--last", type=click.IntRange(min=1), help="So many of the newest runs. Default: all.")
@json_option
def runs(last: int | None, as_json: bool) -> None:
    """List the runs of DATA_DIR with how many studies got how far. Times are UTC.

    Exits 0, or 1 when a run's events are damaged, 2 when the command was given wrongly.
    """
    from dicom_assets.adapters.run_history import past_runs

    with plain_errors():
        found = past_runs(data_dir(), last)
    print_rows([_run_row(run) for run in found], RUN_COLUMNS, as_json=as_json)
    damaged = [run.damage for run in found if run.damage]
    for damage in damaged:
        click.echo(damage, err=True)
    sys.exit(1 if damaged else 0)


def _run_row(run: PastRun) -> dict[str, Cell]:
    row: dict[str, Cell] = {
        "run": run.name,
        "started": f"{run.started_at:%Y-%m-%d %H:%M:%S}" if run.started_at else None,
        "minutes": None,
        "state": run.state,
    }
    if run.finished_at is not None and run.started_at is not None:
        row["minutes"] = round((run.finished_at - run.started_at).total_seconds() / 60, 1)
    return row | {name: run.counts.get(name) for name in RUN_COLUMNS[4:]}


@click.command(epilog=SHOW_EXAMPLES)
@click.argument("name", metavar="RUN|STUDY", shell_complete=runs_and_studies)
@json_option
def show(name: str, as_json: bool) -> None:
    """Tell what a run did, or one study's whole story over all runs and commands. Times are UTC.

    A study's story: when it was selected and by which review, what became of each stage, quarantine by reason,
    failures, waits, reviews that changed between runs, and what was done by command (held back, released, cleared,
    purged, withdrawn).

    Exits 0, or 1 when there is no such run or study or its events are damaged, 2 when the command was given wrongly.
    """
    with plain_errors():
        run = _run_named(name)
        if run is not None:
            _show_run(run, as_json=as_json)
        else:
            _show_study(StudyKey(name), as_json=as_json)


def _run_named(name: str) -> Path | None:
    from dicom_assets.adapters.audit_trail import run_folders

    named = [run for run in run_folders(data_dir()) if name in run.name]
    if len(named) > 1 and name not in {run.name for run in named}:
        raise click.ClickException(f"{len(named)} runs have {name} in their names: write more of it.")
    return named[0] if named else None


def _show_run(run: Path, *, as_json: bool) -> None:
    from dicom_assets.adapters.audit_trail import EVENTS, OVERVIEW
    from dicom_assets.adapters.run_history import events_of

    if as_json:
        print_json([_event_json(run.name, event) for event in events_of(run / EVENTS)])
        return
    try:
        click.echo((run / OVERVIEW).read_text(encoding="utf-8"), nl=False)
    except OSError as error:
        raise click.ClickException(f"{run / OVERVIEW} can't be read: {error.strerror}.") from None


def _show_study(study_key: StudyKey, *, as_json: bool) -> None:
    from dicom_assets.adapters.run_history import story_of
    from dicom_assets.adapters.withdrawals import FolderWithdrawals

    story = story_of(data_dir(), study_key)
    withdrawal = FolderWithdrawals(data_dir()).of(study_key) if story else None
    if not story:
        raise click.ClickException(
            f"No run and no study of a run has the name {study_key} (dicom-assets runs, studies)."
        )
    if as_json:
        print_json([_event_json(run, event) for run, event in story])
    else:
        print_rows([_event_row(run, event) for run, event in _for_people(story)], EVENT_COLUMNS, as_json=False)
    if withdrawal is not None:
        click.echo(f"{study_key} {withdrawal.said()}", err=True)


def _for_people(story: Sequence[tuple[str, Event]]) -> Iterator[tuple[str, Event]]:
    """The story without progress, and without the beginnings of stages whose ends are told."""
    ended = {(run, event.facts.get("stage")) for run, event in story if event.name in ENDS}
    for run, event in story:
        is_begun_only = event.name == "stage_started" and (run, event.facts.get("stage")) not in ended
        if is_begun_only or event.name not in ("stage_progress", "stage_started"):
            yield run, event


def _event_json(run: str, event: Event) -> dict[str, object]:
    return {"at": event.at.isoformat(), "run": run, "event": event.name, "study": event.study_key, **event.facts}


def _event_row(run: str, event: Event) -> dict[str, Cell]:
    from dicom_assets.adapters.audit_files import plain_fact

    facts = ", ".join(f"{name} {plain_fact(value)}" for name, value in event.facts.items() if value not in ("", {}))
    return {
        "at": f"{event.at:%Y-%m-%d %H:%M:%S}",
        "run": run.rpartition("_")[2] if run.startswith("run_at_") else run.replace("_", " "),
        "event": event.name.replace("_", " "),
        "facts": facts,
    }
