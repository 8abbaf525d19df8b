"""`dicom-assets withdraw`: a published study leaves the research PACS, and everybody is told."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_assets.cli.completion import study_keys
from dicom_assets.cli.surroundings import plain_errors, setting, settings_as_resources
from dicom_assets.cli.tables import Cell, json_option, print_rows
from dicom_assets.study import StudyKey
from dicom_assets.withdrawal import Withdrawal, WithdrawalState

if TYPE_CHECKING:
    from dicom_assets.adapters.withdrawals import FolderWithdrawals
    from dicom_assets.defs.surroundings import Resources
    from dicom_assets.steps.withdraw_study import Plan, Surroundings, Withdrawn

EXAMPLES = """
\b
Examples:
  dicom-assets withdraw                              the withdrawn studies, and what is left to do
  dicom-assets withdraw S4Q7K2M9X1B3T --dry-run      what would be removed, and how
  dicom-assets withdraw S4Q7K2M9X1B3T                remove it from the research PACS, after a question
  dicom-assets withdraw S4Q7K2M9X1B3T --confirm-removed    it was removed by hand: see that it is gone
  dicom-assets withdraw S4Q7K2M9X1B3T --lift         its reviews agree again: let it be published again
"""
COLUMNS = ("study", "state", "since", "by", "reasons", "to_remove")
WAITS = 3


@click.command(epilog=EXAMPLES)
@click.argument("key", required=False, shell_complete=study_keys)
@click.option("--reason", metavar="TEXT", help="Why; kept in DATA_DIR/runs/between_runs/identified alone.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be removed, and how.")
@click.option("--confirm-removed", is_flag=True, help="It was removed by hand: delete nothing, see that it is gone.")
@click.option("--lift", is_flag=True, help="Let it be published again; its reviews have to agree.")
@click.option("--study-uid", "uids", multiple=True, metavar="UID", help="A Study Instance UID that it has there.")
@click.option("--same-pacs", is_flag=True, help="The PACS it was published to is the one of the settings, renamed.")
@json_option
def withdraw(
    key: str | None,
    reason: str | None,
    yes: bool,
    dry_run: bool,
    confirm_removed: bool,
    lift: bool,
    uids: tuple[str, ...],
    same_pacs: bool,
    as_json: bool,
) -> None:
    """Remove a study from the research PACS for good, see that it is gone, and tell everybody.

    From the first moment no run publishes it, until a person lifts that. It is deleted where RESEARCH_PACS_REST_URL
    (Orthanc) or RESEARCH_PACS_DICOMWEB_URL (servers that take DELETE) allow; else this prints which Study Instance UID
    is to be removed by hand. A study that was published to several PACSs is withdrawn from each in turn, with the
    settings that name it. Doing it again goes on where it was interrupted. Without KEY it lists withdrawn studies.

    Exits 0 when it is gone, 1 when something failed, 2 when the command was given wrongly, 3 when a person has to
    remove it.
    """
    with plain_errors():
        if key is None:
            _list(as_json)
            return
        if lift and (confirm_removed or dry_run):
            raise click.UsageError("--lift goes with neither --confirm-removed nor --dry-run.")
        resources = settings_as_resources()
        study_key = StudyKey(key)
        done: Withdrawal | None
        if lift:
            done = _lift(study_key, resources, yes)
        else:
            done = _withdraw(study_key, resources, uids, reason, yes, dry_run, confirm_removed, same_pacs)
        if done is None:
            return
        _tell(resources)
    click.echo(f"{study_key} {done.said()}")
    if done.state is WithdrawalState.AWAITING_REMOVAL:
        sys.exit(WAITS)


def _withdraw(
    key: StudyKey,
    resources: Resources,
    uids: Sequence[str],
    reason: str | None,
    yes: bool,
    dry_run: bool,
    confirm_removed: bool,
    same_pacs: bool,
) -> Withdrawal | None:
    from dicom_assets.adapters.between_runs import BetweenRuns
    from dicom_assets.defs.withdrawing import open_withdrawing
    from dicom_assets.steps.withdraw_study import plan_withdrawal, withdraw_study

    with open_withdrawing(resources, _by(), read_only=dry_run, may_delete=not confirm_removed) as around:
        plan = plan_withdrawal(key, around, uids)
        _show(plan, around)
        if dry_run:
            click.echo("Dry run: nothing was changed.")
            return None
        if not yes and not confirm_removed:
            click.confirm("Withdraw it?", abort=True)
        if reason:
            BetweenRuns(resources.data_dir.folder()).reason(key, _by(), reason)
        outcome = withdraw_study(plan, around, may_be_elsewhere=same_pacs)
        if outcome.problem:
            _show_what_to_do(outcome, around.research_pacs.name)
        return outcome.withdrawal


def _lift(key: StudyKey, resources: Resources, yes: bool) -> Withdrawal:
    from dicom_assets.defs.withdrawing import open_withdrawing
    from dicom_assets.steps.withdraw_study import lift_withdrawal

    with open_withdrawing(resources, _by()) as around:
        if not yes:
            click.confirm(f"The next run publishes {key} again, if its reviews agree. Lift the withdrawal?", abort=True)
        return lift_withdrawal(key, around)


def _show(plan: Plan, around: Surroundings) -> None:
    key = plan.found.study_key
    click.echo(f"{key}: {plan.found.reason}.")
    if plan.unasked:
        click.echo(f"The research PACS can't be asked: {plan.unasked} The study is held back all the same.")
    elif not plan.listed:
        click.echo(f"The research PACS {around.research_pacs.name} lists nothing of it.")
    for uid, total in plan.listed.items():
        click.echo(f"The research PACS {around.research_pacs.name} lists {total} instance(s), {_named(uid, plan)}.")
    if plan.strange:
        click.echo(f"{plan.strange} of them were not published from here and would go, too.")
    if plan.listed:
        how = "nothing is set by which it could be told to delete them: a person has to"
        click.echo(f"To be removed by: {around.remover.name if around.remover else how}.")
    if plan.elsewhere:
        others = " and ".join(plan.elsewhere)
        click.echo(f"It was published to {others}, which the settings do not name (--same-pacs: they do).")


def _show_what_to_do(outcome: Withdrawn, here: str) -> None:
    done, elsewhere = outcome.withdrawal, outcome.plan.elsewhere
    click.echo(f"It is not seen to be gone: {outcome.problem}.", err=True)
    if here not in done.gone_from:
        for uid in outcome.plan.study_uids:
            click.echo(f"Remove from the research PACS ({here}) the study with {_named(uid, outcome.plan)}", err=True)
        click.echo(f"Then: dicom-assets withdraw {done.study_key} --confirm-removed", err=True)
    for other in elsewhere:
        click.echo(f"With settings that name {other}: dicom-assets withdraw {done.study_key}", err=True)
    if elsewhere:
        click.echo(
            f"Where that is {here} under another name: dicom-assets withdraw {done.study_key} --confirm-removed "
            "--same-pacs",
            err=True,
        )


def _named(uid: str, plan: Plan) -> str:
    """By which Study Instance UID to find it there; an original one `identity lookup` tells, which asks why."""
    if uid != plan.original_study_uid:
        return f"Study Instance UID {uid}"
    return f"its original Study Instance UID (dicom-assets identity lookup {plan.found.study_key})"


def _tell(resources: Resources) -> None:
    """Tell who is not part of the withdrawal itself; whom it can't reach now, the sensor tells later."""
    from dicom_assets.adapters.outbox import Outbox
    from dicom_assets.adapters.withdrawals import FolderWithdrawals
    from dicom_assets.defs.withdrawals import tell_people

    data_dir = resources.data_dir.folder()
    withdrawals = FolderWithdrawals(data_dir)
    _tell_dagster(withdrawals)
    if resources.notifications is not None:
        tell_people(withdrawals, Outbox(data_dir), resources.notifications)


def _tell_dagster(withdrawals: FolderWithdrawals) -> None:
    if not os.environ.get("DAGSTER_HOME"):
        click.echo("DAGSTER_HOME is not set: the sensor withdrawn_reviews tells Dagster at its next tick.", err=True)
        return
    import dagster as dg

    from dicom_assets.defs.withdrawals import tell_dagster

    try:
        with dg.DagsterInstance.get() as instance:
            tell_dagster(instance, withdrawals)
    except Exception as error:  # noqa: BLE001  Dagster's storage may be away in any way; the study is withdrawn
        click.echo(
            f"Dagster could not be told ({type(error).__name__}): the sensor withdrawn_reviews does it later.", err=True
        )


def _list(as_json: bool) -> None:
    from dicom_assets.adapters.withdrawals import FolderWithdrawals

    rows = [_row(one) for one in FolderWithdrawals(Path(setting("DATA_DIR"))).all()]
    print_rows(rows, COLUMNS, as_json=as_json)


def _row(one: Withdrawal) -> dict[str, Cell]:
    return {
        "study": one.study_key,
        "state": str(one.state),
        "since": f"{one.since:%Y-%m-%d %H:%M}",
        "by": one.changes[-1].by,
        "reasons": one.reason,
        "to_remove": " ".join(one.study_uids) if one.is_open else "",
    }


def _by() -> str:
    """Who types this, as the machine knows him."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"user {os.getuid()}"
