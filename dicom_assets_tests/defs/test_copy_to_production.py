"""Published studies are copied to the production tables by a job of their own, each as its own partition."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import dagster as dg
import pytest

from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.study import StudyKey
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.deployment import COPY_JOB
from dicom_assets_tests.leaks import leaks

ASSET = "copy_to_production"


def key_of(site: Site, place: int = 0) -> StudyKey:
    return site.deployment.study_key(site.study(place=place).study_uid)


def production(site: Site) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the production tables."""
    with closing(sqlite3.connect(site.deployment.folder / "research.db")) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'production%'")
        return {name: list(connection.execute(f"SELECT * FROM {name} ORDER BY id")) for (name,) in list(tables)}


def copied(site: Site) -> set[str]:
    with site.deployment.instance() as instance:
        return instance.get_materialized_partitions(dg.AssetKey(ASSET))


def test_publishing_does_not_copy(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute().success
    assert not any(production(site).values())
    assert copied(site) == set()


def test_all_published_studies_are_copied_each_with_its_counts(make_site: SmallSite) -> None:
    site = make_site((2, 5, 7))
    site.deployment.execute()

    result = site.deployment.execute(job=COPY_JOB)

    assert result.success
    keys = {key_of(site, 0), key_of(site, 1)}
    events = {event.partition: event.materialization.metadata for event in result.get_asset_materialization_events()}
    assert events.keys() == copied(site) == keys
    for metadata in events.values():
        assert metadata["rows"].value["radiologystudy_inserted"] == 1
        assert metadata["rows_written"].value >= 3
    rows = production(site)
    assert len(rows["production_radiologystudy"]) == 2
    assert {row[3] for row in rows["production_radiologystudy"]} == {
        event["study_instance_uid"] for event in site.deployment.events() if event.get("stage") == "published"
    }
    assert leaks(site) == []


def test_second_run_changes_nothing_and_says_so(make_site: SmallSite) -> None:
    site = make_site((5,))
    site.deployment.execute()
    site.deployment.execute(job=COPY_JOB)
    before = production(site)

    result = site.deployment.execute(job=COPY_JOB)

    assert result.success
    assert production(site) == before
    assert result.get_asset_materialization_events() == []
    [event] = [event for event in site.deployment.events() if event["event"] == "copied_to_production"]
    assert event["study"] == key_of(site)
    assert event["rows_written"] == 0
    assert all(what.endswith("_unchanged") for what in event["rows"])


def test_partition_is_copied_alone(make_site: SmallSite) -> None:
    site = make_site((2, 5))
    site.deployment.execute()

    dry = site.deployment.materialize(ASSET, key_of(site), {"dry_run": True})
    untouched = production(site)
    result = site.deployment.materialize(ASSET, key_of(site))

    assert dry.success
    assert not any(untouched.values())
    assert result.success
    assert copied(site) == {key_of(site)}
    assert len(production(site)["production_radiologystudy"]) == 1


def test_copy_that_dagster_was_not_told_of_is_told(make_site: SmallSite) -> None:
    site = make_site((5,))
    site.deployment.execute()
    site.deployment.execute(job=COPY_JOB)
    site.deployment.forget_dagster()

    site.deployment.execute(job=COPY_JOB)

    assert copied(site) == {key_of(site)}


def test_dry_run_tells_what_would_be_copied_and_writes_nothing(make_site: SmallSite) -> None:
    site = make_site((5,))
    site.deployment.execute()
    research = (site.deployment.folder / "research.db").read_bytes()

    result = site.deployment.execute({"dry_run": True}, job=COPY_JOB)

    assert result.success
    assert (site.deployment.folder / "research.db").read_bytes() == research
    assert copied(site) == set()
    [event] = [event for event in site.deployment.events() if event["event"] == "copied_to_production"]
    assert event["rows_written"] == 4
    assert "DRY RUN" in site.deployment.overview()


def test_study_that_is_not_published_is_refused_and_others_are_copied(make_site: SmallSite) -> None:
    site = make_site((2, 5))
    site.deployment.execute({"publish": False})
    published, registered = key_of(site, 0), key_of(site, 1)
    site.deployment.execute(partition=published)

    refused = site.deployment.materialize(ASSET, registered)
    result = site.deployment.execute(job=COPY_JOB)

    assert not refused.success
    [failure] = [event for event in refused.all_events if event.event_type_value == "STEP_FAILURE"]
    message = failure.step_failure_data.user_failure_data.description
    assert f"{registered} Only published studies are copied to production: materialize `published` first." in message
    assert result.success
    assert copied(site) == {published}


def test_study_that_a_reviewer_objects_to_by_now_is_not_copied(make_site: SmallSite) -> None:
    site = make_site((5,))
    site.deployment.execute()
    site.deployment.sql("review", "UPDATE staging_radiologystudyreview SET has_phi = 1")

    asked_for = site.deployment.materialize(ASSET, key_of(site))
    of_all = site.deployment.execute(job=COPY_JOB)

    assert not asked_for.success
    assert of_all.success
    assert not any(production(site).values())
    [event] = [event for event in site.deployment.events() if event["event"] == "study_left_out"]
    assert "does not approve the study" in event["reason"]


def test_study_whose_row_was_changed_since_is_refused_by_name_of_its_key(make_site: SmallSite) -> None:
    site = make_site((2, 5))
    site.deployment.execute()
    first = site.study(place=0).study_uid
    site.deployment.sql(
        "research", f"UPDATE staging_radiologystudy SET study_uid = NULL WHERE original_study_uid = '{first}'"
    )

    result = site.deployment.execute(job=COPY_JOB)

    assert not result.success
    assert copied(site) == {key_of(site, 1)}
    assert f"{key_of(site, 0)} The research database has no row of the study" in " ".join(
        site.deployment.overview().split()
    )


def test_partition_that_another_run_works_on_is_left_to_it(make_site: SmallSite) -> None:
    site = make_site((5,))
    site.deployment.execute()
    with FolderStudyStore(site.deployment.data / "studies").lock(key_of(site)):
        assert site.deployment.execute(job=COPY_JOB).success
    assert copied(site) == set()


def test_research_database_without_the_tables_fails_the_run_with_the_setting(make_site: SmallSite) -> None:
    site = make_site((5,))
    site.deployment.sql("research", "DROP TABLE production_dataavailability")

    result = site.deployment.execute(job=COPY_JOB)

    [failure] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    said = failure.step_failure_data.user_failure_data.description
    assert "RESEARCH_DB_URL" in said
    assert "production_dataavailability" in said


@pytest.mark.long
def test_command_line_copies_in_a_real_run(make_site: SmallSite) -> None:
    site = make_site((5,))
    for job in (site.deployment.job_command(), site.deployment.job_command(job=COPY_JOB)):
        done = site.deployment.run(job)
        assert done.returncode == 0, done.stderr
    assert copied(site) == {key_of(site)}
    assert len(production(site)["production_radiologystudy"]) == 1
    assert leaks(site) == []
