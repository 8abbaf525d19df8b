"""Published studies that a reviewer objects to: noticed by a sensor, red in the web interface until they are gone."""

from collections import Counter
from collections.abc import Iterable, Sequence

import dagster as dg

from dicom_assets.adapters.between_runs import BetweenRuns
from dicom_assets.adapters.identity_db import DryRunIdentityDatabase, IdentityDatabase
from dicom_assets.adapters.outbox import Outbox
from dicom_assets.adapters.review_db import Objection, ReviewDatabase
from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.defs.notices import withdrawal_notice
from dicom_assets.defs.partitions import STUDIES
from dicom_assets.defs.resources import DataDirResource, IdentityDbResource, NotificationsResource, ReviewDbResource
from dicom_assets.study import Stage, StudyKey
from dicom_assets.withdrawal import Withdrawal, WithdrawalState

SENSOR = "withdrawn_reviews"
CHECK = "not_withdrawn"
MAX_NOTICED_PER_TICK = 100
DAGSTER = "dagster"
PEOPLE = "people"

_PUBLISHED = dg.AssetKey(str(Stage.PUBLISHED))


@dg.asset_check(
    asset=_PUBLISHED,
    name=CHECK,
    description="No study is published that a reviewer objects to by now, or that was withdrawn and is still there.",
)
def not_withdrawn(data_dir: DataDirResource) -> dg.AssetCheckResult:
    """All studies taken together; the sensor and `dicom-assets withdraw` record an evaluation for each study, too."""
    found = evaluation_of_all(FolderWithdrawals(data_dir.folder()).all())
    return dg.AssetCheckResult(
        passed=found.passed, metadata=found.metadata, severity=found.severity, description=found.description
    )


@dg.sensor(
    name=SENSOR,
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Notices published studies that a reviewer objects to by now, holds them back and raises an alert. Removes "
        "nothing: that is for `dicom-assets withdraw`."
    ),
)
def withdrawn_reviews(
    context: dg.SensorEvaluationContext,
    review_db: ReviewDbResource,
    identity_db: IdentityDbResource,
    data_dir: DataDirResource,
    notifications: NotificationsResource,
) -> dg.SkipReason:
    """Notice, then tell Dagster and people of what they do not know yet. No cursor: the records say what is known."""
    folder = data_dir.folder()
    withdrawals = FolderWithdrawals(folder)
    with review_db.open(read_only=True) as reviews, identity_db.open(dry_run=False) as identities:
        noticed = _notice(reviews, identities, withdrawals, BetweenRuns(folder))
    told = tell_dagster(context.instance, withdrawals)
    tell_people(withdrawals, Outbox(folder), notifications)
    for one in told:
        context.log.warning("%s %s", one.study_key, one.said())
    still_open = sum(one.is_open for one in withdrawals.all())
    return dg.SkipReason(f"{noticed} newly noticed, {still_open} published studies to be removed.")


def _notice(
    reviews: ReviewDatabase,
    identities: IdentityDatabase | DryRunIdentityDatabase,
    withdrawals: FolderWithdrawals,
    audit: BetweenRuns,
) -> int:
    """Write down which published studies are objected to; returns how many nobody knew of."""
    in_flight = {identities.original_study_uid(key): key for key in withdrawals.in_flight()}
    objections = reviews.objections(in_flight)
    noticed = 0
    for objection in objections:
        key = in_flight.get(objection.study_uid) or identities.study_key(objection.study_uid)
        if _is_news(objection, withdrawals.of(key), reviews):
            facts = {"reason": ", ".join(objection.reasons)}
            audit.event("withdrawal_noticed", key, facts)
            withdrawals.notice(Withdrawal(key, objection.reasons, objection.version), SENSOR)
            noticed += 1
        if noticed == MAX_NOTICED_PER_TICK:
            break
    _settle(in_flight, objections, reviews, withdrawals)
    return noticed


def _is_news(objection: Objection, known: Withdrawal | None, reviews: ReviewDatabase) -> bool:
    """Whether nobody knows; one that was withdrawn meanwhile looked published when the question was asked."""
    if known is not None and known.state is WithdrawalState.WITHDRAWN:
        return reviews.is_published(objection.study_uid)
    return known is None or not known.is_open


def _settle(
    in_flight: dict[str, StudyKey],
    objections: Iterable[Objection],
    reviews: ReviewDatabase,
    withdrawals: FolderWithdrawals,
) -> None:
    """Forget studies that a killed run had marked as published, just before it could say so itself."""
    objected = {objection.study_uid for objection in objections}
    for uid, key in in_flight.items():
        if uid not in objected and reviews.is_published(uid):
            withdrawals.is_settled(key)


def tell_dagster(instance: dg.DagsterInstance, withdrawals: FolderWithdrawals) -> Sequence[Withdrawal]:
    """Record every change that Dagster does not know: an observation and an evaluation of the check for the study.

    The evaluation of all studies together comes last, because the web interface shows the latest one.
    """
    every = withdrawals.all()
    untold = [one for one in every if not one.knows(DAGSTER)]
    if not untold:
        return []
    instance.add_dynamic_partitions(STUDIES, [one.study_key for one in untold])
    for one in untold:
        instance.report_runless_asset_event(
            dg.AssetObservation(_PUBLISHED, partition=one.study_key, description=one.said(), metadata=_metadata(one))
        )
        _report_evaluation(instance, evaluation_of(one))
    instance.report_runless_asset_event(evaluation_of_all(every))
    for one in untold:
        withdrawals.told(one, DAGSTER)
    return untold


def _report_evaluation(instance: dg.DagsterInstance, evaluation: dg.AssetCheckEvaluation) -> None:
    """Record a study's evaluation as one of the run that published it; of other studies Dagster has nothing to check.

    Without a run Dagster takes one evaluation of a check for each partition and refuses all later ones (1.13).
    """
    wanted = dg.AssetRecordsFilter(asset_key=_PUBLISHED, asset_partitions=[str(evaluation.partition)])
    records = instance.fetch_materializations(wanted, limit=1).records
    if records and records[0].run_id:
        event = dg.DagsterEvent(
            event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
            job_name=records[0].event_log_entry.job_name or "",
            event_specific_data=evaluation,
        )
        instance.report_dagster_event(event, run_id=records[0].run_id)


def tell_people(withdrawals: FolderWithdrawals, outbox: Outbox, notifications: NotificationsResource) -> None:
    """Put one message into the outbox for all that people do not know, if there is somebody to be told."""
    if not notifications.urls_file.strip():
        return
    untold = [
        one for one in withdrawals.all() if not one.knows(PEOPLE) and one.state is not WithdrawalState.WITHDRAWING
    ]
    if not untold:
        return
    path = f"/assets/{Stage.PUBLISHED}" + (f"?partition={untold[0].study_key}" if len(untold) == 1 else "")
    notice = withdrawal_notice(untold, notifications.link(path))
    first = untold[0]
    outbox.put(f"withdrawal-{first.study_key}-{len(first.changes)}", notice.title, notice.body)
    for one in untold:
        withdrawals.told(one, PEOPLE)


def evaluation_of(one: Withdrawal) -> dg.AssetCheckEvaluation:
    """One study: passed when lifted, a warning when it is gone, an error as long as researchers may see it."""
    return dg.AssetCheckEvaluation(
        asset_key=_PUBLISHED,
        check_name=CHECK,
        passed=not one.holds_back,
        severity=dg.AssetCheckSeverity.ERROR if one.is_open else dg.AssetCheckSeverity.WARN,
        description=one.said(),
        metadata=_metadata(one),
        partition=one.study_key,
    )


def evaluation_of_all(every: Sequence[Withdrawal]) -> dg.AssetCheckEvaluation:
    """All studies: failed as long as researchers may see one that they should not."""
    still_open = [one for one in every if one.is_open]
    counts = Counter(str(one.state) for one in every)
    said = f"{len(still_open)} published studies have to be removed" if still_open else "none has to be removed"
    return dg.AssetCheckEvaluation(
        asset_key=_PUBLISHED,
        check_name=CHECK,
        passed=not still_open,
        severity=dg.AssetCheckSeverity.ERROR,
        description=said,
        metadata={
            "withdrawals": dg.MetadataValue.json(dict(counts)),
            "to_be_removed": dg.MetadataValue.md(
                "\n".join(f"- {one.study_key} {one.said()}" for one in still_open[:50])
            ),
        },
    )


def _metadata(one: Withdrawal) -> dict[str, dg.MetadataValue]:
    return {
        "withdrawal": dg.MetadataValue.text(str(one.state)),
        "reason": dg.MetadataValue.text(one.reason),
        "by": dg.MetadataValue.text(one.changes[-1].by),
        "since": dg.MetadataValue.timestamp(one.since),
    }
