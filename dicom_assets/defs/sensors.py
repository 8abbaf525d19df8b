"""The sensor that reacts to new approvals."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby

import dagster as dg

from dicom_assets.adapters.review_db import ReviewPosition
from dicom_assets.defs.jobs import publish_reviewed_studies
from dicom_assets.defs.partitions import STUDIES, studies
from dicom_assets.defs.resources import IdentityDbResource, ReviewDbResource
from dicom_assets.study import ReviewedStudy, StudyKey

MAX_STUDIES_PER_TICK = 250
MAX_STUDIES_PER_RUN = 25
MAX_RUNS_PER_TICK = 25
OVERLAP = timedelta(minutes=10)
"""How far back each tick looks again: a transaction may be committed after a later one was seen."""

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"

Approval = tuple[ReviewPosition, StudyKey, ReviewedStudy]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the sensor has seen, and which approvals since the overlap's start it has acted on.

    Study key to review version; holds no original value.
    """

    position: ReviewPosition | None = None
    acted_on: Mapping[StudyKey, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """The cursor that `str` wrote; a fresh one for None."""
        if not text:
            return cls()
        content = json.loads(text)
        position = content["position"]
        return cls(None if position is None else ReviewPosition.parse(position), content["acted_on"])

    def __str__(self) -> str:
        """The form that Dagster stores."""
        position = None if self.position is None else str(self.position)
        return json.dumps({"position": position, "acted_on": dict(self.acted_on)})

    def look_from(self) -> ReviewPosition | None:
        """Where the next look starts: the overlap before the position."""
        return None if self.position is None else ReviewPosition(self.position.changed_at - OVERLAP, 0)


@dg.sensor(
    job=publish_reviewed_studies,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Adds a partition for every new approval and requests runs for them, some studies a run.",
)
def reviewed_study_sensor(
    context: dg.SensorEvaluationContext, review_db: ReviewDbResource, identity_db: IdentityDbResource
) -> dg.SensorResult:
    """Request runs for approvals not seen before; never twice for the same one."""
    cursor = Cursor.parse(context.cursor)
    with review_db.open(read_only=True) as reviews, identity_db.open(dry_run=False) as identities:
        page = reviews.approvals(cursor.look_from())
        seen = [(position, identities.study_key(study.study_uid), study) for position, study in page.approvals]
    new = [one for one in seen if cursor.acted_on.get(one[1]) != one[2].version]
    if not new:
        done = Cursor(page.position, {key: study.version for _, key, study in seen})
        return dg.SensorResult(skip_reason="No new approval.", cursor=str(done))
    existing = context.instance.get_dynamic_partitions(STUDIES)
    taken, batches = take(new, existing)
    position = page.position if len(taken) == len(new) else taken[-1][0]
    acted_on = {key: study.version for at, key, study in seen if cursor.acted_on.get(key) == study.version}
    acted_on |= {key: study.version for _, key, study in taken}
    to_add = [key for _, key, _ in taken if key not in set(existing)]
    return dg.SensorResult(
        run_requests=[_request(batch) for batch in batches],
        dynamic_partitions_requests=[studies.build_add_request(to_add)] if to_add else [],
        cursor=str(Cursor(position, acted_on)),
    )


def take(new: Sequence[Approval], existing: Sequence[str]) -> tuple[Sequence[Approval], list[list[Approval]]]:
    """As many approvals as one tick may request, oldest first, and their batches.

    A batch is a range of neighbours in the order of the partitions, since that is what one run can be
    asked for; new keys are neighbours, so there are many batches only where old studies were reviewed again.
    """
    taken = new[:MAX_STUDIES_PER_TICK]
    while len(batches := list(_batches(taken, existing))) > MAX_RUNS_PER_TICK:
        taken = taken[: len(taken) // 2]
    return taken, batches


def _batches(approvals: Sequence[Approval], existing: Sequence[str]) -> Iterator[list[Approval]]:
    place = {key: number for number, key in enumerate(existing)}
    for _, key, _ in approvals:
        place.setdefault(key, len(place))
    ordered = sorted(approvals, key=lambda approval: place[approval[1]])
    numbered = enumerate(ordered)
    for _, neighbours in groupby(numbered, key=lambda pair: place[pair[1][1]] - pair[0]):
        batch = [approval for _, approval in neighbours]
        for start in range(0, len(batch), MAX_STUDIES_PER_RUN):
            yield batch[start : start + MAX_STUDIES_PER_RUN]


def _request(batch: Sequence[Approval]) -> dg.RunRequest:
    versions = "\n".join(f"{key} {study.version}" for _, key, study in batch)
    digest = hashlib.sha256(versions.encode()).hexdigest()[:16]
    return dg.RunRequest(
        run_key=f"{batch[0][1]}+{len(batch) - 1} {digest}",
        tags={RANGE_START_TAG: batch[0][1], RANGE_END_TAG: batch[-1][1]},
    )
