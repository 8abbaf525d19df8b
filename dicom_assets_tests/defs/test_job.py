"""The job as a whole, against embedded PACSs and real databases."""

from __future__ import annotations

import pytest

from dicom_assets.demo.pacs_index import Entry
from dicom_assets.demo.plan import Outcome
from dicom_assets.study import STAGES
from dicom_assets_tests.conftest import SmallSite

ALL_STAGES = {str(stage) for stage in STAGES}


def test_queue_run_publishes_what_is_ready_and_fails_for_what_can_not_be(make_site: SmallSite) -> None:
    site = make_site((2, 5, 6, 7, 10))

    result = site.deployment.execute()

    assert not result.success
    published = {site.deployment.study_key(study.study_uid) for study in site.published()}
    assert site.deployment.materialized()["published"] == published
    assert site.research.count() == sum(study.publishable for study in site.published())
    assert site.deployment.study_row(site.study(Outcome.FAILED, 0).study_uid)["processing_error"]
    assert site.deployment.study_row(site.study(Outcome.FAILED, 1).study_uid)["processing_error"]
    for study in site.published():
        assert site.deployment.study_row(study.study_uid)["image_published"]


def test_failure_lists_every_study_that_failed_with_its_reason(make_site: SmallSite) -> None:
    site = make_site((6, 7))

    result = site.deployment.execute()

    [failure] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    message = failure.step_failure_data.user_failure_data.description
    for study in site.studies:
        assert site.deployment.study_key(study.study_uid) in message
    assert "Unable to find encounter in EHR" in message
    assert "The staging PACS has no instance of this study" in message


def test_each_stage_of_each_study_is_one_materialization_with_its_facts(make_site: SmallSite) -> None:
    site = make_site((2, 5))

    result = site.deployment.execute()

    events = result.get_asset_materialization_events()
    assert len(events) == 2 * len(STAGES)
    by_place = {(e.asset_key.to_user_string(), e.partition): e.materialization.metadata for e in events}
    for study in site.studies:
        key = site.deployment.study_key(study.study_uid)
        pulled = by_place["pulled", key]
        deidentified = by_place["deidentified", key]
        published = by_place["published", key]
        assert pulled["instances"].value == study.instances
        assert pulled["bytes"].value > 0
        assert pulled["seconds"].value > 0
        assert deidentified["instances"].value == study.publishable
        assert sum(deidentified["quarantined_by_reason"].value.values()) == study.instances - study.publishable
        assert published["series"].value == deidentified["series"].value
        assert published["study_instance_uid"].value.startswith("2.25.")


def test_second_run_finds_nothing_to_do(make_site: SmallSite) -> None:
    site = make_site((5,))
    site.deployment.execute()
    stored = site.research.stored

    result = site.deployment.execute()

    assert result.success
    assert result.get_asset_materialization_events() == []
    assert site.research.stored == stored
    assert "Nothing was left to do" in site.deployment.overview()


def test_study_in_conflict_is_left_out_and_named(make_site: SmallSite) -> None:
    site = make_site((5, 10))
    conflict = next(study for study in site.studies if study.number == 10)

    result = site.deployment.execute()

    assert result.success
    overview = site.deployment.overview()
    assert "reviews are at odds" in overview
    assert site.deployment.study_key(conflict.study_uid) in overview


@pytest.mark.parametrize("protocol", ["c-get", "c-move"])
def test_study_is_pulled_whole_by_either_protocol(make_site: SmallSite, protocol: str) -> None:
    site = make_site((5,), STAGING_PACS_PROTOCOL=protocol)

    result = site.deployment.execute()

    assert result.success
    [started] = [event for event in site.deployment.events() if event["event"] == "stage_finished"][:1]
    assert started["instances"] == site.study().instances


class TestPartitions:
    def test_partition_run_takes_that_study_alone(self, make_site: SmallSite) -> None:
        site = make_site((2, 5))
        site.deployment.execute({"publish": False})
        key = site.deployment.study_key(site.study(place=1).study_uid)

        result = site.deployment.execute(partition=key)

        assert result.success
        assert site.deployment.materialized()["published"] == {key}

    def test_selected_stages_alone_are_run(self, make_site: SmallSite) -> None:
        site = make_site((5,))
        site.deployment.execute({"publish": False})
        key = site.deployment.study_key(site.study().study_uid)

        result = site.deployment.execute({"refresh": True}, partition=key, stages=["deidentified"])

        assert result.success
        [event] = result.get_asset_materialization_events()
        assert event.asset_key.to_user_string() == "deidentified"

    def test_stage_whose_earlier_stage_is_missing_says_so(self, make_site: SmallSite) -> None:
        site = make_site((5,))
        site.deployment.execute({"dry_run": True})
        key = site.deployment.study_key(site.study().study_uid)
        site.deployment.execute({"limit": 1, "publish": False})
        (site.deployment.data / "studies" / key / "registered").rename(site.deployment.folder / "aside")

        result = site.deployment.execute(partition=key, stages=["published"])

        assert not result.success
        assert "materialize `registered` first" in site.deployment.overview()

    def test_study_that_is_no_longer_approved_is_refused(self, make_site: SmallSite) -> None:
        site = make_site((5,))
        site.deployment.execute({"publish": False})
        key = site.deployment.study_key(site.study().study_uid)
        site.deployment.sql("review", "UPDATE staging_radiologystudyreview SET has_phi = 1")

        result = site.deployment.execute(partition=key)

        assert not result.success
        assert site.research.count() == 0
        assert "does not approve the study" in site.deployment.overview()


class TestRunConfig:
    def test_limit_takes_the_oldest_approvals_first(self, make_site: SmallSite) -> None:
        site = make_site((2, 5))

        site.deployment.execute({"limit": 1})

        marked = [bool(site.deployment.study_row(study.study_uid)["image_published"]) for study in site.studies]
        assert marked == [True, False]
        assert "1 ready, beyond this run's limit" in site.deployment.overview()

    def test_modalities_decide_what_is_quarantined(self, make_site: SmallSite) -> None:
        site = make_site((5,))

        site.deployment.execute({"modalities": ["MR"]})

        [facts] = [e for e in site.deployment.events() if e.get("stage") == "deidentified" and "quarantined" in e]
        mr = sum(len(series.sop_uids) for series in site.study().series if series.modality == "MR")
        assert facts["instances"] == mr
        others = site.study().instances - mr
        assert facts["quarantined_by_reason"] == {"modality-not-allowed": others - 1, "secondary-capture": 1}

    def test_without_publishing_a_run_stops_after_registered(self, make_site: SmallSite) -> None:
        site = make_site((5,))

        result = site.deployment.execute({"publish": False})

        assert result.success
        assert site.research.count() == 0
        materialized = site.deployment.materialized()
        assert not materialized["published"]
        assert materialized["registered"]
        assert not site.deployment.study_row(site.study().study_uid)["image_published"]

    def test_without_publishing_the_next_run_takes_the_next_studies(self, make_site: SmallSite) -> None:
        site = make_site((2, 5))

        site.deployment.execute({"publish": False, "limit": 1})
        site.deployment.execute({"publish": False, "limit": 1})

        assert len(site.deployment.materialized()["registered"]) == 2

    def test_refresh_does_stages_again_and_sends_nothing_twice(self, make_site: SmallSite) -> None:
        site = make_site((5,))
        site.deployment.execute()
        key = site.deployment.study_key(site.study().study_uid)
        stored = site.research.stored

        result = site.deployment.execute({"refresh": True}, partition=key)

        assert result.success
        assert {e.asset_key.to_user_string() for e in result.get_asset_materialization_events()} == ALL_STAGES
        assert site.research.stored == stored

    def test_partition_that_stands_is_skipped(self, make_site: SmallSite) -> None:
        site = make_site((5,))
        site.deployment.execute()
        key = site.deployment.study_key(site.study().study_uid)

        result = site.deployment.execute(partition=key)

        assert result.success
        assert result.get_asset_materialization_events() == []

    def test_stage_that_stands_but_was_never_recorded_is_recorded(self, make_site: SmallSite) -> None:
        site = make_site((5,))
        site.deployment.execute({"publish": False})
        key = site.deployment.study_key(site.study().study_uid)
        site.deployment.forget_dagster()

        site.deployment.execute(partition=key)

        assert set(site.deployment.materialized()["pulled"]) == {key}


def test_pulled_file_that_somebody_changed_is_not_deidentified(make_site: SmallSite) -> None:
    site = make_site((5,))
    site.deployment.execute({"dry_run": True})
    site.deployment.execute({"publish": False})
    key = site.deployment.study_key(site.study().study_uid)
    file = site.deployment.data / "studies" / key / "pulled" / "instances" / "000001.dcm"
    file.write_bytes(file.read_bytes()[:-2] + b"\x01\x02")

    result = site.deployment.execute({"refresh": True}, partition=key, stages=["deidentified"])

    assert not result.success
    assert "is not what the staging PACS delivered" in site.deployment.overview()


def test_study_whose_approval_is_withdrawn_during_the_run_is_not_published(make_site: SmallSite) -> None:
    site = make_site((5,))

    def deliver_while_a_reviewer_finds_phi(entries: list[Entry]) -> list[Entry]:
        site.deployment.sql("review", "UPDATE staging_radiologystudyreview SET has_phi = 1")
        return entries

    site.staging.deliver = deliver_while_a_reviewer_finds_phi

    result = site.deployment.execute()

    assert not result.success
    assert site.research.count() == 0
    assert "does not approve the study" in site.deployment.overview()
    assert not site.deployment.study_row(site.study().study_uid)["processing_error"]
