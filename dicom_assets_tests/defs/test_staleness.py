"""Stages that stand are what this run would make, and nothing else is published."""

from __future__ import annotations

import shutil

from dicom_assets.demo.pacs_index import Entry
from dicom_assets.study import Stage
from dicom_assets_tests.conftest import Site, SmallSite

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


def test_instances_of_unknown_origin_in_the_research_pacs_are_not_taken_for_ours(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute().success
    key = site.deployment.study_key(site.study().study_uid)
    shutil.rmtree(site.deployment.data / "studies")
    use_another_profile(site)

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
