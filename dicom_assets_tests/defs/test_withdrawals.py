"""A reviewer objects to a published study: it is noticed, held back, shown in red, and reported once."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from click.testing import Result

from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.defs.withdrawals import not_withdrawn, withdrawn_reviews
from dicom_assets.study import StudyKey
from dicom_assets.withdrawal import Withdrawal, WithdrawalState
from dicom_assets_tests.conftest import SmallSite
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.scripted_pacs import Gate
from dicom_assets_tests.waiting import has_happened, killed_job, wait_until
from dicom_assets_tests.withdrawing import GOES, STAYS, Published, published_site


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    with published_site(tmp_path_factory.mktemp("withdrawals")) as site:
        yield site


@pytest.fixture
def site(running: Published) -> Published:
    running.restore()
    running.site.research.judge = lambda _uid, keep: keep()
    return running


def test_the_sensor_is_on_by_default_and_takes_its_time() -> None:
    assert withdrawn_reviews.default_status is dg.DefaultSensorStatus.RUNNING
    assert (withdrawn_reviews.minimum_interval_seconds or 0) >= 60


def test_nothing_is_noticed_where_nobody_objects(site: Published) -> None:
    assert "0 newly noticed" in str(site.tick().skip_message)
    assert list(FolderWithdrawals(site.deployment.data).all()) == []
    assert site.checks() == []


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("has_phi = 1", "has PHI"),
        ("exclude = 1", "excluded"),
        ("relevant = 0", "not relevant"),
        ("has_reconstruction = 1", "with reconstruction"),
    ],
)
def test_an_objection_is_noticed_and_recorded_without_an_identifier(site: Published, what: str, reason: str) -> None:
    site.object_to(what=what)

    assert "1 newly noticed, 1 published studies to be removed" in str(site.tick().skip_message)

    assert (site.record().state, site.record().reason) == ("noticed", reason)
    [event] = site.between_runs()
    assert (event["event"], event["study"], event["reason"]) == ("withdrawal_noticed", site.key, reason)
    assert leaks(site) == []


def test_the_check_of_the_study_and_that_of_all_are_red(site: Published) -> None:
    site.object_to()
    site.tick()

    of_all, of_study = site.checks()
    assert (of_study.partition, of_study.passed, of_study.severity) == (site.key, False, dg.AssetCheckSeverity.ERROR)
    assert (of_all.partition, of_all.passed, of_all.severity) == (None, False, dg.AssetCheckSeverity.ERROR)
    with site.deployment.instance() as instance:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey("published"), asset_partitions=[site.key])
        [observation] = instance.fetch_observations(wanted, limit=10).records
    assert observation.asset_observation is not None
    assert observation.asset_observation.metadata["withdrawal"].value == "noticed"


def test_what_was_noticed_is_told_once(site: Published) -> None:
    site.object_to()
    site.tick()
    files = {file: file.read_bytes() for file in site.deployment.data.rglob("*") if file.is_file()}

    again = site.tick()

    assert "0 newly noticed, 1 published" in str(again.skip_message)
    assert len(site.checks()) == 2
    assert {file: file.read_bytes() for file in site.deployment.data.rglob("*") if file.is_file()} == files


def test_both_studies_are_noticed_and_only_the_last_removal_turns_the_check_of_all_green(site: Published) -> None:
    site.object_to(GOES)
    site.object_to(STAYS)
    site.tick()
    assert len(site.checks()) == 3

    site.site.research.forget(site.study_uid)
    site.withdraw("--confirm-removed", "--same-pacs")
    site.tick()

    assert site.checks()[0].passed is False
    assert site.checks(site.key)[0].severity is dg.AssetCheckSeverity.WARN


def test_the_check_tells_the_same_when_a_person_has_it_made(site: Published) -> None:
    site.object_to()
    site.tick()

    result = not_withdrawn(site.deployment.definitions().resources["data_dir"])

    assert isinstance(result, dg.AssetCheckResult)
    assert not result.passed
    assert site.key in str(result.metadata["to_be_removed"].value)


def test_a_noticed_study_is_refused_by_every_run_and_named_in_its_overview(site: Published) -> None:
    site.object_to()
    site.tick()
    site.object_to(what="has_phi = 0")  # the reviews agree again, and nobody has lifted it
    site.deployment.sql("review", "UPDATE staging_radiologystudy SET image_published = 0")

    by_key = site.deployment.execute(partition=site.key)
    overview = site.deployment.overview()
    by_queue = site.deployment.execute()

    assert not by_key.success
    assert by_queue.success
    assert f"{site.key} noticed (has PHI)" in overview
    assert not site.deployment.study_row(GOES.study_uid)["image_published"]
    assert site.deployment.study_row(STAYS.study_uid)["image_published"]


def test_reviews_that_agree_again_let_a_person_lift_it(site: Published) -> None:
    site.object_to()
    site.tick()
    site.object_to(what="has_phi = 0")

    assert site.withdraw("--lift", "--yes").exit_code == 0
    assert site.deployment.execute().success

    assert site.deployment.study_row(GOES.study_uid)["image_published"]
    site.tick()
    assert site.checks()[0].passed
    assert site.checks(site.key)[0].passed


def test_an_objection_after_a_lifting_is_noticed_again(site: Published) -> None:
    site.object_to()
    site.tick()
    site.object_to(what="has_phi = 0")
    site.withdraw("--lift", "--yes")
    site.deployment.execute()

    site.object_to(what="relevant = 0")
    site.tick()

    assert [change.state for change in site.record().changes] == ["noticed", "lifted", "noticed"]
    assert site.record().reason == "not relevant"


@pytest.mark.long
def test_a_killed_run_leaves_a_part_that_is_noticed_when_somebody_objects(make_site: SmallSite) -> None:
    site = Published(make_site((1,)))
    study = site.site.study()
    gate = Gate()

    def judge(_uid: str, keep: Callable[[], int]) -> int:
        if len(site.site.research.offered) == 3:
            gate.stop()
        return keep()

    site.site.research.judge = judge
    with killed_job(site.deployment):
        gate.wait_until_reached()
    gate.open()
    assert not site.deployment.study_row(study.study_uid)["image_published"]
    assert "0 newly noticed" in str(site.tick().skip_message)

    site.object_to(study)

    assert "1 newly noticed" in str(site.tick().skip_message)


@pytest.mark.long
def test_a_study_that_is_withdrawn_while_a_run_publishes_it_is_let_go(site: Published) -> None:
    site.site.research.forget(site.study_uid)
    site.deployment.sql("review", "UPDATE staging_radiologystudy SET image_published = 0")
    gate = Gate()
    already = len(site.site.research.offered)

    def judge(_uid: str, keep: Callable[[], int]) -> int:
        if len(site.site.research.offered) == already + 2:
            gate.stop()
        return keep()

    site.site.research.judge = judge
    job = subprocess.Popen(
        site.deployment.job_command(),
        env=site.deployment.process_environment(),
        cwd=site.deployment.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    results: list[Result] = []
    try:
        gate.wait_until_reached()
        command = threading.Thread(target=lambda: results.append(site.withdraw("--yes")))
        command.start()
        withdrawals = FolderWithdrawals(site.deployment.data)
        wait_until(lambda: withdrawals.of(site.key), "the record of the withdrawal")
        gate.open()
        job.wait(120)
        command.join(120)
    finally:
        gate.open()
        job.kill()
        job.wait()

    assert job.returncode != 0
    assert results[0].exit_code == 3
    assert not site.deployment.study_row(GOES.study_uid)["image_published"]
    assert site.deployment.study_row(STAYS.study_uid)["image_published"]
    assert site.record().state == "awaiting-removal"
    assert has_happened(site.deployment, event="study_failed", study=site.key)
    assert not (site.deployment.data / "studies" / site.key / "published" / "withdrawn.json").exists()


def test_a_record_that_can_not_be_read_stops_its_study_and_no_other(site: Published) -> None:
    site.deployment.sql("review", "UPDATE staging_radiologystudy SET image_published = 0")
    FolderWithdrawals(site.deployment.data).set(Withdrawal(site.key, ("x",)), WithdrawalState.LIFTED, "a")
    (site.deployment.data / "withdrawals" / f"{site.key}.json").write_text("{")

    result = site.deployment.execute()

    assert not result.success
    assert site.deployment.study_row(STAYS.study_uid)["image_published"]
    assert not site.deployment.study_row(GOES.study_uid)["image_published"]
    assert "restore it" in site.deployment.overview()


def test_a_review_database_that_is_away_fails_the_tick_with_what_to_do(site: Published) -> None:
    (site.deployment.folder / "review.db").unlink()

    with pytest.raises(Exception, match="REVIEW_DB_URL"):
        site.tick()


def test_more_than_a_tick_can_take_are_noticed_by_the_next(site: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_assets.defs.withdrawals.MAX_NOTICED_PER_TICK", 4)
    uids = [f"1.2.840.99999.{number}" for number in range(10)]
    site.deployment.approve(uids, first_id=8000)
    site.deployment.sql("review", "UPDATE staging_radiologystudy SET image_published = 1, exclude = 1 WHERE id >= 8000")

    noticed = [str(site.tick().skip_message).partition(" ")[0] for _ in range(4)]

    assert noticed == ["4", "4", "2", "0"]
    keys = {StudyKey(one.study_key) for one in FolderWithdrawals(site.deployment.data).all()}
    assert keys == {site.deployment.study_key(uid) for uid in uids}
    assert "1.2.840.99999" not in json.dumps(site.between_runs())
