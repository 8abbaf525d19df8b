"""Stages that stand are what this run would make, and nothing else is published."""

from __future__ import annotations

import shutil

import pytest

from dicom_assets.demo.pacs_index import Entry
from dicom_assets.study import Stage
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.waiting import has_happened

STRICT_PROFILE = """
name: strict
version: "2"
unlisted: remove
"""


def run_until_registered(site: Site) -> str:
    """The study's key, after a run that did not publish."""
    assert site.deployment.execute({"publish": False}).success
    return site.deployment.study_key(site.study().study_uid)


def use_another_profile(site: Site) -> None:
    profile = site.deployment.folder / "strict.yaml"
    profile.write_text(STRICT_PROFILE)
    site.deployment.set(DEIDENTIFICATION_PROFILE=profile)


def asked_for(site: Site) -> list[int]:
    """Makes the staging PACS count the instances of each request."""
    counts: list[int] = []

    def deliver(entries: list[Entry]) -> list[Entry]:
        counts.append(len(entries))
        return entries

    site.staging.deliver = deliver
    return counts


def test_study_that_was_reviewed_again_is_pulled_again(make_site: SmallSite) -> None:
    site = make_site((5,))
    run_until_registered(site)
    counts = asked_for(site)
    site.deployment.sql("review", "UPDATE staging_radiologystudyreview SET modified = '2027-01-01 00:00:00'")

    assert site.deployment.execute().success

    assert counts == [site.study().instances]


def test_stage_selected_alone_is_refused_when_the_profile_changed_since(make_site: SmallSite) -> None:
    site = make_site((5,))
    key = run_until_registered(site)
    use_another_profile(site)

    result = site.deployment.execute(partition=key, stages=["registered", "published"])

    assert not result.success
    assert "materialize `deidentified` first" in site.deployment.overview()
    assert site.research.count() == 0


def test_changed_profile_makes_all_later_stages_anew(make_site: SmallSite) -> None:
    site = make_site((5,))
    run_until_registered(site)
    counts = asked_for(site)
    use_another_profile(site)

    result = site.deployment.execute()

    assert result.success
    again = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert again == {"deidentified", "registered", "published"}
    assert counts == []


def test_run_that_does_not_publish_takes_up_registered_studies_whose_profile_changed(make_site: SmallSite) -> None:
    site = make_site((5,))
    run_until_registered(site)
    first = site.deployment.execute({"publish": False})
    use_another_profile(site)

    second = site.deployment.execute({"publish": False})
    third = site.deployment.execute({"publish": False})

    assert first.get_asset_materialization_events() == third.get_asset_materialization_events() == []
    again = {event.asset_key.to_user_string() for event in second.get_asset_materialization_events()}
    assert again == {"deidentified", "registered"}


def test_run_that_does_not_publish_takes_up_registered_studies_that_were_reviewed_again(make_site: SmallSite) -> None:
    site = make_site((5,))
    run_until_registered(site)
    site.deployment.sql("review", "UPDATE staging_radiologystudyreview SET modified = '2027-01-01 00:00:00'")

    result = site.deployment.execute({"publish": False})

    again = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert "pulled" in again


def test_instances_of_unknown_origin_in_the_research_pacs_are_not_taken_for_ours(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute().success
    key = site.deployment.study_key(site.study().study_uid)
    shutil.rmtree(site.deployment.data / "studies")
    use_another_profile(site)

    result = site.deployment.execute(partition=key)

    assert not result.success
    assert "not known to be what would be sent now" in site.deployment.overview()


def test_what_was_sent_before_and_is_listed_late_is_not_taken_for_what_is_sent_now(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute().success
    key = site.deployment.study_key(site.study().study_uid)
    use_another_profile(site)
    site.research.lists = lambda _entry: has_happened(site.deployment, event="study_waits")

    result = site.deployment.execute(partition=key)

    assert not result.success
    assert "not known to be what would be sent now" in site.deployment.overview()


def test_refresh_that_changes_nothing_leaves_later_stages_standing(make_site: SmallSite) -> None:
    site = make_site((5,))
    key = run_until_registered(site)

    assert site.deployment.execute({"refresh": True}, partition=key, stages=["pulled"]).success
    result = site.deployment.execute({"publish": False}, partition=key)

    assert result.success
    assert result.get_asset_materialization_events() == []


def test_other_research_database_is_registered_with_anew(make_site: SmallSite) -> None:
    site = make_site((5,))
    run_until_registered(site)
    other = site.deployment.folder / "other.db"
    shutil.copy(site.deployment.folder / "research.db", other)
    site.deployment.set(RESEARCH_DB_URL=f"sqlite:///{other}")

    result = site.deployment.execute()

    assert result.success
    again = [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()]
    assert str(Stage.REGISTERED) in again


def test_review_that_changes_during_the_run_stops_the_study_before_publishing(make_site: SmallSite) -> None:
    site = make_site((5,))

    def deliver_while_a_reviewer_looks_again(entries: list[Entry]) -> list[Entry]:
        site.deployment.sql("review", "UPDATE staging_radiologystudyreview SET modified = '2027-01-01 00:00:00'")
        return entries

    site.staging.deliver = deliver_while_a_reviewer_looks_again

    first = site.deployment.execute()
    second = site.deployment.execute()

    assert not first.success
    assert second.success
    assert site.research.count() == site.study().publishable


def test_study_that_is_gone_from_the_research_pacs_is_sent_again(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute().success
    key = site.deployment.study_key(site.study().study_uid)
    site.research.stop()
    for file in site.research.folder.glob("*.dcm"):
        file.unlink()
    site.research.start()

    assert site.deployment.execute(partition=key).success

    assert site.research.count() == site.study().publishable


def test_accession_number_that_was_corrected_registers_the_study_anew(make_site: SmallSite) -> None:
    site = make_site((5,))
    run_until_registered(site)
    for file in site.staging.folder.glob("*.dcm"):
        file.write_bytes(file.read_bytes().replace(site.study().accession_number.encode(), b"WXA00000000"))
    site.deployment.sql("review", "UPDATE staging_radiologystudyreview SET modified = '2027-01-01 00:00:00'")

    result = site.deployment.execute()

    assert not result.success
    assert "Unable to find encounter in EHR" in site.deployment.overview()
    assert site.research.count() == 0


@pytest.mark.parametrize("stage", ["pulled", "deidentified"])
def test_file_that_is_gone_from_a_finished_stage_waits_for_a_person(make_site: SmallSite, stage: str) -> None:
    site = make_site((5,))
    key = run_until_registered(site)
    folder = site.deployment.data / "studies" / key
    min((folder / stage / "instances").iterdir()).unlink()
    if stage == "pulled":
        shutil.rmtree(folder / "deidentified")

    result = site.deployment.execute()

    assert not result.success
    assert "is gone" in site.deployment.study_row(site.study().study_uid)["processing_error_msg"]
    assert site.deployment.execute({"refresh": True}, partition=key).success


def test_modalities_are_taken_in_any_case(make_site: SmallSite) -> None:
    site = make_site((5,))

    assert site.deployment.execute({"modalities": ["ct", "mr"]}).success
    assert site.research.count() == site.study().publishable
