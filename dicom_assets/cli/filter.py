"""`dicom-assets filter`: instances that are not to be published, whatever the profile says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.completion import study_keys
from dicom_assets.cli.surroundings import data_dir, open_log, plain_errors
from dicom_assets.cli.tables import Cell, json_option, print_rows
from dicom_assets.errors import StageNotReadyError, StudyBusyError, StudyError
from dicom_assets.study import Stage, StudyKey

if TYPE_CHECKING:
    from dicom_assets.adapters.between_runs import BetweenRuns
    from dicom_assets.adapters.study_store import FolderStudyStore

EXAMPLES = """
\b
Examples:
  dicom-assets filter                                  what is held back
  dicom-assets filter 2.25.1234 --dry-run              what would be moved out
  dicom-assets filter 2.25.1234                        a study or series (or one instance), by its de-identified UID
  dicom-assets filter S4Q7K2M9X1B3T                    a whole study, by its key
  dicom-assets filter 2.25.1234 --undo                 the next run de-identifies the study again, with it
"""

COLUMNS = ("study", "level", "uid", "instances", "done")
SUCCESSES = {"held back", "released", "would be held back", "would be released"}

Change = Callable[["FolderStudyStore", "BetweenRuns | None", StudyKey, Collection[str]], str]


@dataclass(frozen=True, slots=True)
class Named:
    """What one of the names on the command line stands for in one study."""

    study_key: StudyKey
    uid: str
    level: str = ""
    instances: int | None = None


@click.command("filter", epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[UID|KEY]...", shell_complete=study_keys)
@click.option("--undo", is_flag=True, help="Hold back no longer.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@json_option
def filter_instances(names: tuple[str, ...], undo: bool, dry_run: bool, as_json: bool) -> None:
    """Move instances out of `deidentified`, by study or series, before they are published.

    UIDs are the de-identified ones, as in the files. What is moved out counts as quarantined, with the reason
    held-back, and stays so however often the study is de-identified, until --undo. A study that was published has to
    be withdrawn first; one that a run works on is left alone. Without a name it lists what is held back. Works in
    DATA_DIR.

    Exits 0 when all was done, 1 when something was not (unknown, published, in a run's hands), 2 when the command was
    given wrongly.
    """
    from dicom_assets.adapters.study_store import FolderStudyStore

    if undo and not names:
        raise click.UsageError("--undo needs to be told what.")
    with plain_errors():
        store = FolderStudyStore(data_dir() / "studies")
        if not names:
            held = [_row(one, "held back") for key in store.studies() for one in _held(store, key)]
            print_rows(held, COLUMNS, as_json=as_json)
            return
        find, change = (_held, _release) if undo else (_deidentified, _hold_back)
        named = {key: found for key in store.studies() if (found := list(find(store, key, names)))}
        log = None if dry_run else open_log()
        done = {key: _locked(store, log, key, found, change) for key, found in named.items()}
    everything = [one for found in named.values() for one in found]
    print_rows([_row(one, done[one.study_key]) for one in everything], COLUMNS, as_json=as_json)
    unknown = set(names) - {one.uid for one in everything} - named.keys()
    for name in sorted(unknown):
        click.echo(f"{name} is {'not held back' if undo else 'in no study that is de-identified now'}.", err=True)
    sys.exit(1 if unknown or not set(done.values()) <= SUCCESSES else 0)


def _deidentified(store: FolderStudyStore, key: StudyKey, names: Collection[str]) -> Iterator[Named]:
    """What the names stand for in the study's stage `deidentified`."""
    from dicom_assets.steps.hold_back import levels_of

    folder = store.finished(key, Stage.DEIDENTIFIED)
    if folder is not None:
        manifest = folder.manifest()
        own = {one["study_instance_uid"] for one in manifest["instances"]} if key in names else set()
        for uid, (level, count) in levels_of(manifest, own | set(names)).items():
            yield Named(key, uid, level, count)


def _held(store: FolderStudyStore, key: StudyKey, names: Collection[str] = ()) -> Iterator[Named]:
    """What is held back of a study, of the names if there are any."""
    for uid in sorted(store.held_back(key)):
        if not names or key in names or uid in names:
            yield Named(key, uid)


def _locked(
    store: FolderStudyStore, log: BetweenRuns | None, key: StudyKey, found: Sequence[Named], change: Change
) -> str:
    """Change a study, or without a log say what would be done; returns what was."""
    try:
        with store.lock(key):
            return change(store, log, key, {one.uid for one in found})
    except StudyBusyError:
        return "not done: a run works on it"
    except (StudyError, StageNotReadyError) as error:
        return f"not done: {error}"


def _hold_back(store: FolderStudyStore, log: BetweenRuns | None, key: StudyKey, uids: Collection[str]) -> str:
    from dicom_assets.adapters.between_runs import login
    from dicom_assets.steps.hold_back import hold_back, require_unpublished

    if log is None:
        require_unpublished(store, key)
        return "would be held back"
    if store.is_begun(key, Stage.PUBLISHED):
        click.echo(
            f"{key}: a run had begun to send this study. What it sent is in the research PACS: have it removed there.",
            err=True,
        )
    result = hold_back(store, key, uids)
    log.event("instances_held_back", key, {"by": login(), "instances": result.instances, "left": result.left})
    return "held back"


def _release(store: FolderStudyStore, log: BetweenRuns | None, key: StudyKey, uids: Collection[str]) -> str:
    from dicom_assets.adapters.between_runs import login
    from dicom_assets.steps.hold_back import release

    if log is None:
        return "would be released"
    log.event("instances_released", key, {"by": login(), "uids": release(store, key, uids)})
    return "released"


def _row(one: Named, done: str) -> dict[str, Cell]:
    return {"study": one.study_key, "level": one.level, "uid": one.uid, "instances": one.instances, "done": done}
