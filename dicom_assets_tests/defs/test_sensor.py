"""The sensor, evaluated against a real review database and a real instance of Dagster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from dicom_assets.adapters.review_db import ReviewPosition
from dicom_assets.defs.partitions import STUDIES
from dicom_assets.defs.sensors import (
    MAX_RUNS_PER_TICK,
    MAX_STUDIES_PER_RUN,
    MAX_STUDIES_PER_TICK,
    RANGE_END_TAG,
    RANGE_START_TAG,
    Approval,
    reviewed_study_sensor,
    take,
)
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import ReviewedStudy, StudyKey
from dicom_assets_tests.deployment import Deployment, deploy

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Ticks:
    """Evaluates the sensor as the daemon does: keeps the cursor, adds the partitions."""

    deployment: Deployment
    cursor: str | None = None

    def next(self) -> dg.SensorResult:
        definitions = self.deployment.definitions()
        with self.deployment.instance() as instance:
            context = dg.build_sensor_context(
                instance=instance,
                cursor=self.cursor,
                repository_def=definitions.get_repository_def(),
                resources={name: definitions.resources[name] for name in ("review_db", "identity_db")},
            )
            result = reviewed_study_sensor(context)
            assert isinstance(result, dg.SensorResult)
            for request in result.dynamic_partitions_requests or []:
                instance.add_dynamic_partitions(STUDIES, list(request.partition_keys))
        self.cursor = result.cursor
        return result


@pytest.fixture
def ticks(tmp_path_factory: pytest.TempPathFactory) -> Ticks:
    return Ticks(deploy(tmp_path_factory.mktemp("sensor") / "site", []))


def keys_of(ticks: Ticks, *study_uids: str) -> list[str]:
    return [ticks.deployment.study_key(uid) for uid in study_uids]


def test_sensor_is_off_by_default() -> None:
    assert reviewed_study_sensor.default_status is dg.DefaultSensorStatus.STOPPED


def test_new_approvals_become_partitions_and_one_run_over_their_range(ticks: Ticks) -> None:
    ticks.deployment.approve(["1.2.3.1", "1.2.3.2"])

    result = ticks.next()

    first, second = keys_of(ticks, "1.2.3.1", "1.2.3.2")
    [request] = result.run_requests or []
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == (first, second)
    with ticks.deployment.instance() as instance:
        assert instance.get_dynamic_partitions(STUDIES) == [first, second]


def test_approval_is_requested_once_only(ticks: Ticks) -> None:
    ticks.deployment.approve(["1.2.3.1"])
    ticks.next()

    again = ticks.next()

    assert not again.run_requests
    assert again.skip_reason
    assert "No new approval" in str(again.skip_reason.skip_message)


def test_review_that_changes_is_a_new_approval(ticks: Ticks) -> None:
    ticks.deployment.approve(["1.2.3.1"])
    [before] = ticks.next().run_requests or []
    ticks.deployment.sql("review", "UPDATE staging_radiologystudyreview SET modified = '2026-02-01 00:00:00'")

    [after] = ticks.next().run_requests or []

    assert after.run_key != before.run_key
    assert after.tags[RANGE_START_TAG] == before.tags[RANGE_START_TAG]


def test_approval_that_is_committed_late_is_still_seen(ticks: Ticks) -> None:
    ticks.deployment.approve(["1.2.3.1"])
    ticks.next()
    ticks.deployment.approve(["1.2.3.2"], first_id=2001, at=datetime(2025, 12, 31, 23, 55))

    result = ticks.next()

    [late] = keys_of(ticks, "1.2.3.2")
    [request] = result.run_requests or []
    assert request.tags[RANGE_START_TAG] == request.tags[RANGE_END_TAG] == late


def test_cursor_run_keys_and_tags_hold_no_original_value(ticks: Ticks) -> None:
    ticks.deployment.approve(["1.2.840.99999.1"])

    result = ticks.next()

    assert "1.2.840.99999.1" not in repr((result.cursor, result.run_requests, result.dynamic_partitions_requests))


def test_five_hundred_new_approvals_are_each_requested_once(ticks: Ticks) -> None:
    uids = [f"1.2.840.99999.{number}" for number in range(500)]
    ticks.deployment.approve(uids)

    results = [ticks.next() for _ in range(3)]

    requests = [list(result.run_requests or []) for result in results]
    assert [len(one) for one in requests] == [10, 10, 0]
    with ticks.deployment.instance() as instance:
        keys = list(instance.get_dynamic_partitions(STUDIES))
    assert set(keys) == set(keys_of(ticks, *uids))
    asked_for = []
    for request in requests[0] + requests[1]:
        start, end = keys.index(request.tags[RANGE_START_TAG]), keys.index(request.tags[RANGE_END_TAG])
        assert end - start < MAX_STUDIES_PER_RUN
        asked_for += keys[start : end + 1]
    assert sorted(asked_for) == sorted(keys)
    assert len({request.run_key for request in requests[0] + requests[1]}) == 20
    assert "99999" not in repr([(one.cursor, one.run_requests) for one in results])


@pytest.mark.parametrize(
    ("file", "setting"), [("review.db", "REVIEW_DB_URL"), ("secret", "IDENTITY_SECRET_FILE")], ids=["review", "secret"]
)
def test_what_is_away_fails_the_tick_in_one_sentence_and_is_caught_up_with(
    ticks: Ticks, file: str, setting: str
) -> None:
    ticks.deployment.approve(["1.2.3.1"])
    path = ticks.deployment.folder / file
    aside = path.rename(path.with_suffix(".aside"))

    with pytest.raises(ConfigurationError) as error:
        ticks.next()
    aside.rename(path)

    assert setting in str(error.value)
    assert error.value.__cause__ is None
    assert len(str(error.value).splitlines()) == 1
    assert len(ticks.next().run_requests or []) == 1


def test_unreachable_review_database_fails_the_tick_with_what_to_do(ticks: Ticks) -> None:
    (ticks.deployment.folder / "review.db").unlink()

    with pytest.raises(Exception, match="REVIEW_DB_URL"):
        ticks.next()


class TestBatches:
    def approvals(self, *numbers: int) -> list[Approval]:
        study = ReviewedStudy("1.2.3", START, "v")
        return [
            (ReviewPosition(START + timedelta(seconds=n), n), StudyKey(f"S{n:06d}"), replace(study, version=f"v{n}"))
            for n in numbers
        ]

    def test_many_new_studies_are_shared_out_among_runs(self) -> None:
        taken, batches = take(self.approvals(*range(60)), existing=[])

        assert len(taken) == 60
        assert [len(batch) for batch in batches] == [MAX_STUDIES_PER_RUN, MAX_STUDIES_PER_RUN, 10]

    def test_one_tick_takes_no_more_than_its_share(self) -> None:
        taken, batches = take(self.approvals(*range(1000)), existing=[])

        assert len(taken) == MAX_STUDIES_PER_TICK
        assert len(batches) == MAX_STUDIES_PER_TICK // MAX_STUDIES_PER_RUN

    def test_scattered_studies_do_not_ask_for_more_runs_than_a_tick_may(self) -> None:
        existing = [f"S{n:06d}" for n in range(1000)]

        taken, batches = take(self.approvals(*range(0, 1000, 10)), existing)

        assert 0 < len(taken) < 100
        assert len(batches) <= MAX_RUNS_PER_TICK

    def test_batches_never_span_a_partition_that_was_not_approved(self) -> None:
        existing = ["S000001", "S000002", "S000003"]

        _, batches = take(self.approvals(1, 3, 4), existing)

        assert [[key for _, key, _ in batch] for batch in batches] == [["S000001"], ["S000003", "S000004"]]
