"""`dicom-assets runs` and `dicom-assets show`: what happened, from the audit trail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.surroundings import plain_errors, setting
from dicom_assets.cli.tables import Cell, print_rows
from dicom_assets.study import StudyKey

if TYPE_CHECKING:
    from dicom_assets.adapters.run_history import Event, PastRun

RUN_COLUMNS = ("run", "started", "minutes", "state", "pulled", "deidentified", "registered", "published", "failed")
EVENT_COLUMNS = ("at", "run", "event", "facts")

RUNS_EXAMPLES = """
\b
Examples:
  dicom-assets runs              all runs, the newest last
  dicom-assets runs --last 5     the last five
"""
SHOW_EXAMPLES = """
\b
Examples:
  dicom-assets show run_at_20260301T200000Z_0a1b2c3d    what that run did
  dicom-assets show 0a1b2c3d                            the same: a part of its name will do
  dicom-assets show S4Q7K2M9X1B3T                       all that ever happened to a study, over all runs
"""


@click.command(epilog=RUNS_EXAMPLES)
@click.option("--last", type=click.IntRange(min=1), help="So many of the newest runs. Default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def runs(last: int | None, as_json: bool) -> None:
    """List the runs of DATA_DIR with how many studies got how far. Times are UTC."""
    from dicom_assets.adapters.run_history import past_runs

    with plain_errors():
        found = past_runs(Path(setting("DATA_DIR")))
    rows = [_run_row(run) for run in found[-last if last else 0 :]]
    print_rows(rows, RUN_COLUMNS, as_json=as_json)


def _run_row(run: PastRun) -> dict[str, Cell]:
    row: dict[str, Cell] = {"run": run.name, "started": f"{run.started_at:%Y-%m-%d %H:%M:%S}"}
    if run.finished_at is None:
        row |= {"minutes": None, "state": "not finished"}
    else:
        row["minutes"] = round((run.finished_at - run.started_at).total_seconds() / 60, 1)
        row["state"] = "dry run" if run.settings.get("dry_run") == "yes" else "finished"
    return row | {name: run.counts.get(name) for name in RUN_COLUMNS[4:]}


@click.command(epilog=SHOW_EXAMPLES)
@click.argument("name", metavar="RUN|STUDY")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the events.")
def show(name: str, as_json: bool) -> None:
    """Tell what a run did, or one study's whole story over all runs. Times are UTC.

    Exits 1 when there is no such run or study.
    """
    from dicom_assets.adapters.between_runs import FOLDER
    from dicom_assets.adapters.run_history import events_of, past_runs
    from dicom_assets.adapters.withdrawals import FolderWithdrawals

    data_dir = Path(setting("DATA_DIR"))
    between_runs = data_dir / "runs" / FOLDER
    with plain_errors():
        found = past_runs(data_dir)
        named = [run for run in found if name in run.name]
        if len(named) > 1 and name not in {run.name for run in named}:
            raise click.ClickException(f"{len(named)} runs have {name} in their names: write more of it.")
        if named:
            _show_run(named[0], list(events_of(named[0].folder)), as_json)
            return
        story = [(run.name, event) for run in found for event in events_of(run.folder) if event.study_key == name]
        story += [(FOLDER, event) for event in events_of(between_runs) if event.study_key == name]
        withdrawal = FolderWithdrawals(data_dir).of(StudyKey(name)) if story else None
    if not story:
        raise click.ClickException(f"No run and no study of a run has the name {name} (dicom-assets runs, studies).")
    story.sort(key=lambda one: one[1].at)
    rows = [_event_row(run, event) for run, event in story if event.name != "stage_progress"]
    print_rows(rows, EVENT_COLUMNS, as_json=as_json)
    if withdrawal is not None:
        click.echo(f"{name} {withdrawal.said()}", err=True)


def _show_run(run: PastRun, events: list[Event], as_json: bool) -> None:
    if as_json:
        print_rows([_event_row(run.name, event) for event in events], EVENT_COLUMNS, as_json=True)
    else:
        click.echo((run.folder / "overview.txt").read_text(encoding="utf-8"), nl=False)


def _event_row(run: str, event: Event) -> dict[str, Cell]:
    facts = ", ".join(f"{name} {_plain(value)}" for name, value in event.facts.items() if value != "")
    return {
        "at": f"{event.at:%Y-%m-%d %H:%M:%S}",
        "run": run.rpartition("_")[2] if run.startswith("run_at_") else run.replace("_", " "),
        "study": event.study_key,
        "event": event.name.replace("_", " "),
        "facts": facts,
    }


def _plain(value: object) -> str:
    return " ".join(f"{key}={count}" for key, count in value.items()) if isinstance(value, dict) else str(value)
