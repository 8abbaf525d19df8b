"""People are told of what needs them: runs that failed, studies that have to be removed."""

import dagster as dg

from dicom_assets.adapters.between_runs import BetweenRuns
from dicom_assets.adapters.outbox import Outbox
from dicom_assets.defs.jobs import publish_reviewed_studies
from dicom_assets.defs.notices import FailedRun, failed_run_notice
from dicom_assets.defs.resources import DataDirResource, NotificationsResource
from dicom_assets.study import STAGES

NOBODY = "NOTIFY_URLS_FILE is not set: nobody is to be told."


@dg.run_failure_sensor(
    name="failed_runs",
    # Runs of `dagster job execute` belong to no code location; others than ours are passed over.
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    description="Has people told of a run that failed (NOTIFY_URLS_FILE).",
)
def failed_runs(
    context: dg.RunFailureSensorContext, data_dir: DataDirResource, notifications: NotificationsResource
) -> dg.SkipReason | None:
    """Put a message into the outbox; `notifications` sends it."""
    run = context.dagster_run
    if not is_ours(run):
        return dg.SkipReason(f"Run {run.run_id} is not of ours.")
    if not notifications.urls_file.strip():
        return dg.SkipReason(NOBODY)
    folder = data_dir.folder()
    failed = FailedRun.of(folder, run.run_id, run.job_name, _reason(context))
    notice = failed_run_notice(failed, notifications.link(f"/runs/{run.run_id}"))
    Outbox(folder).put(f"run-{run.run_id}", notice.title, notice.body)
    return None


@dg.sensor(
    name="notifications",
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends the messages that wait, again and again for three days where somebody does not take them.",
)
def notifications_sensor(
    context: dg.SensorEvaluationContext, data_dir: DataDirResource, notifications: NotificationsResource
) -> dg.SkipReason:
    """Send what is due; a mail server that is away is said, and fails nothing."""
    notifier = notifications.notifier()
    if notifier is None:
        return dg.SkipReason(NOBODY)
    folder = data_dir.folder()
    round_ = Outbox(folder).deliver(notifier)
    for title in round_.given_up:
        BetweenRuns(folder).event("notification_given_up", facts={"message": title})
    if round_.absent or round_.given_up:
        context.log.warning(round_.said())
    return dg.SkipReason(round_.said())


def is_ours(run: dg.DagsterRun) -> bool:
    """Whether a run advances studies: the job, or a selection of its assets from the web interface."""
    selected = {key.to_user_string() for key in run.asset_selection or ()}
    return run.job_name == publish_reviewed_studies.name or bool(selected & set(map(str, STAGES)))


def _reason(context: dg.RunFailureSensorContext) -> str:
    """What our own failure says; other texts, of Dagster or of the machine, may quote anything."""
    for event in context.get_step_failure_events():
        data = event.step_failure_data.user_failure_data
        if data is not None and data.description:
            return data.description
    return "It did not say why; see its page in Dagster's web interface."
