"""Published studies are copied to the production tables by a job of their own, each as its own partition."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.study import StudyKey
from dicom_assets.withdrawal import BY_HAND, Withdrawal, WithdrawalState
from dicom_assets_tests.conftest import Site, running_site
from dicom_assets_tests.deployment import COPY_JOB
from dicom_assets_tests.event_schema import misfits
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.small_studies import small_study

ASSET = "copy_to_production"
STUDIES = [small_study(number, f"number {number}") for number in (21, 22, 23)]
PUBLISHED, ALSO_PUBLISHED, REGISTERED = range(3)


@pytest.fixture(scope="module")
def after_publishing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path]]:
    """A site that has published two studies and registered a third one, and a copy of all that it has in files."""
    folder = tmp_path_factory.mktemp("published")
    with running_site(folder, STUDIES) as site:
        assert site.deployment.execute({"publish": False}).success
        for place in (PUBLISHED, ALSO_PUBLISHED):
            assert site.deployment.execute(partition=key_of(site, place)).success
        shutil.copytree(site.deployment.folder, folder / "copy")
        yield site, folder / "copy"


@pytest.fixture
def site(after_publishing: tuple[Site, Path]) -> Site:
    """The site as it was after publishing."""
    site, copy = after_publishing
    shutil.rmtree(site.deployment.folder)
    shutil.copytree(copy, site.deployment.folder)
    return site


def key_of(site: Site, place: int = PUBLISHED) -> StudyKey:
    return site.deployment.study_key(site.study(place=place).study_uid)


def production(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the production tables."""
    with closing(sqlite3.connect(site.deployment.folder / "research.db")) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'production%'")
        return {name: list(connection.execute(f"SELECT * FROM {name} ORDER BY id")) for (name,) in list(tables)}


def copied(site: Site) -> set[str]:
    with site.deployment.instance() as instance:
        return instance.get_materialized_partitions(dg.AssetKey(ASSET))


def said_of_failing(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    [failure] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    return str(failure.step_failure_data.user_failure_data.description)


def test_publishing_does_not_copy(site: Site) -> None:
    assert not any(production(site).values())
    assert copied(site) == set()


def test_all_published_studies_are_copied_each_with_its_counts(site: Site) -> None:
    result = site.deployment.execute(job=COPY_JOB)

    assert result.success
    events = {event.partition: event.materialization.metadata for event in result.get_asset_materialization_events()}
    assert events.keys() == copied(site) == {key_of(site, PUBLISHED), key_of(site, ALSO_PUBLISHED)}
    for metadata in events.values():
        assert metadata["rows"].value == {
            f"{table}_inserted": 1 for table in ("patient", "encounter", "radiologystudy", "dataavailability")
        }
        assert metadata["rows_written"].value == 4
    told = {event["study_instance_uid"] for event in site.deployment.events() if event.get("stage") == "published"}
    assert {row[3] for row in production(site)["production_radiologystudy"]} == told
    assert leaks(site) == []


def test_second_run_changes_nothing_and_says_so(site: Site) -> None:
    site.deployment.execute(job=COPY_JOB)
    before = production(site)

    result = site.deployment.execute(job=COPY_JOB)

    assert result.success
    assert production(site) == before
    assert result.get_asset_materialization_events() == []
    assert misfits(site.deployment.events()) == []
    events = [event for event in site.deployment.events() if event["event"] == "copied_to_production"]
    assert {event["study"] for event in events} == copied(site)
    assert all(what.endswith("_unchanged") for event in events for what in event["rows"])


def test_partition_is_copied_alone(site: Site) -> None:
    result = site.deployment.materialize(ASSET, key_of(site))

    assert result.success
    assert copied(site) == {key_of(site)}
    assert len(production(site)["production_radiologystudy"]) == 1


def test_copy_that_dagster_was_not_told_of_is_told(site: Site) -> None:
    site.deployment.execute(job=COPY_JOB)
    site.deployment.forget_dagster()

    site.deployment.execute(job=COPY_JOB)

    assert copied(site) == {key_of(site, PUBLISHED), key_of(site, ALSO_PUBLISHED)}


def test_dry_runs_tell_what_would_be_copied_and_write_nothing(site: Site) -> None:
    research = (site.deployment.folder / "research.db").read_bytes()

    for result in (
        site.deployment.execute({"dry_run": True}, job=COPY_JOB),
        site.deployment.materialize(ASSET, key_of(site), {"dry_run": True}),
    ):
        assert result.success
        assert (site.deployment.folder / "research.db").read_bytes() == research
        assert copied(site) == set()
        events = [event for event in site.deployment.events() if event["event"] == "copied_to_production"]
        assert {event["rows_written"] for event in events} == {4}
        assert "DRY RUN" in site.deployment.overview()


def test_study_that_is_not_published_is_refused(site: Site) -> None:
    result = site.deployment.materialize(ASSET, key_of(site, REGISTERED))

    said = "Only published studies are copied to production: materialize `published` first."
    assert f"{key_of(site, REGISTERED)} {said}" in said_of_failing(result)
    assert said in site.deployment.overview()
    assert not any(production(site).values())


def test_study_that_a_reviewer_objects_to_by_now_is_not_copied(site: Site) -> None:
    site.deployment.sql("review", "UPDATE staging_radiologystudyreview SET has_phi = 1")

    asked_for = site.deployment.materialize(ASSET, key_of(site))
    of_all = site.deployment.execute(job=COPY_JOB)

    assert "does not approve the study" in said_of_failing(asked_for)
    assert of_all.success
    assert not any(production(site).values())
    left_out = [event for event in site.deployment.events() if event["event"] == "study_left_out"]
    assert {event["study"] for event in left_out} == {key_of(site, PUBLISHED), key_of(site, ALSO_PUBLISHED)}


def test_study_that_is_being_withdrawn_is_not_copied(site: Site) -> None:
    withdrawals = FolderWithdrawals(site.deployment.data)
    withdrawals.set(Withdrawal(key_of(site), (BY_HAND,)), WithdrawalState.AWAITING_REMOVAL, "somebody")

    asked_for = site.deployment.materialize(ASSET, key_of(site))
    of_all = site.deployment.execute(job=COPY_JOB)

    assert f"{key_of(site)} Withdrawn: awaiting-removal (by hand)" in said_of_failing(asked_for)
    assert of_all.success
    assert copied(site) == {key_of(site, ALSO_PUBLISHED)}


def test_study_whose_row_was_changed_since_fails_alone(site: Site) -> None:
    changed = site.study(place=PUBLISHED).study_uid
    site.deployment.sql(
        "research", f"UPDATE staging_radiologystudy SET study_uid = NULL WHERE original_study_uid = '{changed}'"
    )

    result = site.deployment.execute(job=COPY_JOB)

    assert f"{key_of(site)} The research database has no row of the study" in said_of_failing(result)
    assert copied(site) == {key_of(site, ALSO_PUBLISHED)}


def test_study_that_another_run_works_on_is_left_to_it(site: Site) -> None:
    with FolderStudyStore(site.deployment.data / "studies").lock(key_of(site)):
        assert site.deployment.execute(job=COPY_JOB).success
    assert copied(site) == {key_of(site, ALSO_PUBLISHED)}


def test_research_database_without_the_tables_fails_the_run_with_the_setting(site: Site) -> None:
    site.deployment.sql("research", "DROP TABLE production_dataavailability")

    result = site.deployment.execute(job=COPY_JOB)

    assert "RESEARCH_DB_URL" in said_of_failing(result)
    assert "has no table production_dataavailability" in said_of_failing(result)


@pytest.mark.long
def test_command_line_copies_in_a_real_run(site: Site) -> None:
    done = site.deployment.run(site.deployment.job_command(job=COPY_JOB))

    assert done.returncode == 0, done.stderr
    assert copied(site) == {key_of(site, PUBLISHED), key_of(site, ALSO_PUBLISHED)}
    assert len(production(site)["production_radiologystudy"]) == 2
    assert leaks(site) == []
