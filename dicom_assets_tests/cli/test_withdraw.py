"""`dicom-assets withdraw` as a person types it: with a real Orthanc, and with a PACS that deletes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_assets.study import Stage
from dicom_assets_tests.adapters.test_removal import an_instance
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.orthanc import running_orthanc
from dicom_assets_tests.small_studies import INSTANCES
from dicom_assets_tests.test_certificates import needs_orthanc
from dicom_assets_tests.withdrawing import GOES, Published, published_site, published_to_orthanc


@pytest.fixture(scope="module")
def scripted_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    with published_site(tmp_path_factory.mktemp("by-hand")) as site:
        yield site


@pytest.fixture(scope="module")
def orthanc_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    with published_to_orthanc(tmp_path_factory.mktemp("orthanc")) as site:
        yield site


@pytest.fixture
def by_hand(scripted_site: Published) -> Published:
    scripted_site.restore()
    return scripted_site


@pytest.fixture
def orthanc(orthanc_site: Published) -> Published:
    orthanc_site.restore()
    return orthanc_site


@needs_orthanc
class TestOrthanc:
    def test_a_withdrawn_study_is_gone_and_everybody_knows(self, orthanc: Published) -> None:
        orthanc.object_to()

        result = orthanc.withdraw("--yes", **orthanc.with_dagster)

        assert result.exit_code == 0, result.output
        assert "seen to be gone" in result.output
        assert f"lists {INSTANCES} instance(s)" in result.output
        orthanc.assert_withdrawn()
        orthanc.assert_dagster_knows()
        assert orthanc.record().reasons == ("has PHI",)
        assert leaks(orthanc) == []

    def test_the_reason_given_is_kept_where_identifiers_may_be(self, orthanc: Published) -> None:
        orthanc.withdraw("--yes", "--reason", "Sentinel-Person called")

        holding = [
            file
            for file in orthanc.deployment.folder.rglob("*")
            if file.is_file() and b"Sentinel-Person" in file.read_bytes()
        ]

        assert [file.parent.name for file in holding] == ["identified"]
        assert orthanc.record().reasons == ("by hand",)

    def test_nothing_happens_without_leave(self, orthanc: Published) -> None:
        before = orthanc.in_research_pacs()

        result = orthanc.withdraw(answer="n\n")

        assert result.exit_code == 1
        assert "DELETE over Orthanc's REST interface" in result.output
        assert orthanc.in_research_pacs() == before
        assert not (orthanc.deployment.data / "withdrawals" / f"{orthanc.key}.json").exists()

    def test_a_dry_run_says_what_would_go_and_changes_nothing(self, orthanc: Published) -> None:
        before = orthanc.in_research_pacs()
        files = {file: file.read_bytes() for file in orthanc.deployment.folder.rglob("*") if file.is_file()}

        result = orthanc.withdraw("--dry-run")

        assert result.exit_code == 0
        assert orthanc.study_uid in result.output
        assert orthanc.in_research_pacs() == before
        assert {file: file.read_bytes() for file in orthanc.deployment.folder.rglob("*") if file.is_file()} == files

    def test_doing_it_again_changes_nothing(self, orthanc: Published) -> None:
        orthanc.withdraw("--yes")
        changes = len(orthanc.record().changes)

        again = orthanc.withdraw("--yes")

        assert again.exit_code == 0
        assert len(orthanc.record().changes) == changes
        orthanc.assert_withdrawn()

    def test_a_withdrawn_study_is_published_by_no_run(self, orthanc: Published) -> None:
        orthanc.withdraw("--yes")

        by_key = orthanc.deployment.execute(partition=orthanc.key)
        refreshed = orthanc.deployment.execute({"refresh": True}, partition=orthanc.key)
        orthanc.deployment.sql("review", "UPDATE staging_radiologystudy SET processing_error = 0")
        by_queue = orthanc.deployment.execute()

        assert (by_key.success, refreshed.success, by_queue.success) == (False, False, True)
        assert orthanc.study_uid not in orthanc.in_research_pacs()

    def test_a_lifted_study_is_published_by_the_next_run_as_it_was(self, orthanc: Published) -> None:
        before = orthanc.in_research_pacs()
        orthanc.withdraw("--yes")

        lifted = orthanc.withdraw("--lift", "--yes", **orthanc.with_dagster)

        assert lifted.exit_code == 0, lifted.output
        assert orthanc.deployment.execute().success
        assert orthanc.in_research_pacs() == before
        assert orthanc.deployment.study_row(GOES.study_uid)["image_published"]
        assert orthanc.linked()[GOES.study_uid]
        assert orthanc.checks(orthanc.key)[0].passed

    def test_objects_that_researchers_added_are_counted_in_the_question(self, orthanc: Published) -> None:
        assert orthanc.orthanc is not None
        orthanc.orthanc.load(an_instance(3, study_uid=orthanc.study_uid))

        result = orthanc.withdraw(answer="n\n")

        assert "1 of them were not published from here" in result.output

    def test_a_purged_study_can_be_withdrawn(self, orthanc: Published) -> None:
        assert orthanc.cli("purge", "--before", "2100-01-01").exit_code == 0

        assert orthanc.withdraw("--yes").exit_code == 0
        orthanc.assert_withdrawn()

    def test_an_orthanc_that_is_another_pacs_loses_nothing(self, orthanc: Published, tmp_path: Path) -> None:
        with running_orthanc("OTHER", tmp_path / "other", {}) as other:
            other.load(an_instance(0, study_uid=orthanc.study_uid, removed=None))

            result = orthanc.withdraw("--yes", RESEARCH_PACS_REST_URL=other.url)

            assert other.count() == 1
        assert result.exit_code == 3
        assert "0012,0062" in result.output
        assert orthanc.record().state == "awaiting-removal"


class TestByHand:
    def test_the_operator_is_told_what_to_remove_and_the_study_is_held_back(self, by_hand: Published) -> None:
        by_hand.object_to()

        result = by_hand.withdraw("--yes")

        assert result.exit_code == 3
        assert f"Study Instance UID {by_hand.study_uid}" in result.stderr
        assert "--confirm-removed" in result.stderr
        assert by_hand.record().state == "awaiting-removal"
        row = by_hand.deployment.study_row(GOES.study_uid)
        assert (row["image_published"], row["processing_error"]) == (1, 1)
        assert not by_hand.deployment.execute(partition=by_hand.key).success
        assert leaks(by_hand) == []

    def test_what_is_still_there_is_not_confirmed(self, by_hand: Published) -> None:
        by_hand.withdraw("--yes")

        result = by_hand.withdraw("--confirm-removed")

        assert result.exit_code == 3
        assert f"still lists {INSTANCES}" in result.output or f"lists {INSTANCES}" in result.output
        assert by_hand.record().state == "awaiting-removal"

    def test_what_was_removed_by_hand_is_confirmed(self, by_hand: Published) -> None:
        by_hand.withdraw("--yes")
        by_hand.site.research.forget(by_hand.study_uid)

        result = by_hand.withdraw("--confirm-removed")

        assert result.exit_code == 0, result.output
        by_hand.assert_withdrawn()

    def test_a_pacs_that_shows_nothing_at_all_confirms_nothing(self, by_hand: Published) -> None:
        by_hand.withdraw("--yes")
        for uid in by_hand.in_research_pacs():
            by_hand.site.research.forget(uid)

        result = by_hand.withdraw("--confirm-removed")

        assert result.exit_code == 1
        assert "proves nothing" in result.output
        assert by_hand.record().state == "awaiting-removal"

    def test_a_pacs_that_is_away_keeps_no_study_from_being_held_back(self, by_hand: Published) -> None:
        result = by_hand.withdraw("--yes", RESEARCH_PACS_PORT="1", RESEARCH_PACS_TIMEOUT_SECONDS="2")

        assert result.exit_code == 1
        assert "can't be asked" in result.output
        assert "Traceback" not in result.output
        assert by_hand.record().state == "withdrawing"
        assert not by_hand.deployment.execute(partition=by_hand.key).success

    def test_another_pacs_than_it_was_published_to_proves_nothing(self, by_hand: Published) -> None:
        by_hand.site.research.forget(by_hand.study_uid)
        renamed = {"RESEARCH_PACS_HOST": "localhost"}

        doubtful = by_hand.withdraw("--yes", **renamed)
        sure = by_hand.withdraw("--confirm-removed", "--same-pacs", **renamed)

        assert doubtful.exit_code == 3
        assert "was published to" in doubtful.output
        assert sure.exit_code == 0, sure.output

    def test_a_review_that_objects_still_can_not_be_lifted(self, by_hand: Published) -> None:
        by_hand.object_to()
        by_hand.withdraw("--yes")

        result = by_hand.withdraw("--lift", "--yes")

        assert result.exit_code == 1
        assert "does not approve" in result.output
        assert by_hand.record().state == "awaiting-removal"

    def test_a_study_that_is_not_withdrawn_can_not_be_lifted(self, by_hand: Published) -> None:
        result = by_hand.withdraw("--lift", "--yes")

        assert result.exit_code == 1
        assert "nothing to lift" in result.output

    def test_retry_does_not_let_a_withdrawn_study_go(self, by_hand: Published) -> None:
        by_hand.withdraw("--yes")
        by_hand.site.research.forget(by_hand.study_uid)
        by_hand.withdraw("--confirm-removed")

        named = by_hand.cli("retry", by_hand.key)
        everything = by_hand.cli("retry", "--all")

        assert named.exit_code == 1
        assert "--lift" in named.output
        assert "0 cleared" in everything.output
        assert by_hand.deployment.study_row(GOES.study_uid)["processing_error"]

    def test_a_study_that_was_never_published_is_held_back(self, by_hand: Published) -> None:
        key = by_hand.deployment.study_key("1.2.840.99999.77")
        by_hand.deployment.approve(["1.2.840.99999.77"], first_id=7001)
        by_hand.deployment.execute({"limit": 1})  # issues its key; the staging PACS does not have it

        result = by_hand.cli("withdraw", key, "--yes")

        assert result.exit_code == 0, result.output
        assert not by_hand.deployment.execute(partition=key).success

    def test_a_study_that_others_published_waits_for_its_uid(self, by_hand: Published) -> None:
        by_hand.deployment.approve(["1.2.840.99999.78"], first_id=7001)
        by_hand.deployment.execute({"limit": 1})
        by_hand.deployment.sql("review", "UPDATE staging_radiologystudy SET image_published = 1 WHERE id = 7001")
        key = by_hand.deployment.study_key("1.2.840.99999.78")

        unknown = by_hand.cli("withdraw", key, "--yes")
        named = by_hand.cli("withdraw", key, "--yes", "--study-uid", "2.25.7878")

        assert unknown.exit_code == 3
        assert "nobody here knows" in unknown.output
        assert named.exit_code == 0, named.output

    def test_a_key_that_nobody_knows_is_said(self, by_hand: Published) -> None:
        result = by_hand.cli("withdraw", "S0000000000000", "--yes")

        assert result.exit_code == 1
        assert "Traceback" not in result.output

    def test_the_list_names_what_is_left_to_do(self, by_hand: Published) -> None:
        by_hand.withdraw("--yes")

        rows = json.loads(by_hand.cli("withdraw", "--json").stdout)

        assert [(row["study"], row["state"], row["to_remove"]) for row in rows] == [
            (by_hand.key, "awaiting-removal", by_hand.study_uid)
        ]

    def test_show_and_studies_tell_of_it(self, by_hand: Published) -> None:
        by_hand.object_to()
        by_hand.withdraw("--yes")

        story = by_hand.cli("show", by_hand.key)
        studies = by_hand.cli("studies", by_hand.key)

        assert "withdrawal started" in story.stdout
        assert "between runs" in story.stdout
        assert "awaiting-removal (has PHI)" in story.stderr
        assert "awaiting-removal (has PHI)" in studies.stdout

    def test_the_overview_of_the_next_run_reminds_of_it(self, by_hand: Published) -> None:
        by_hand.object_to()
        by_hand.withdraw("--yes")
        by_hand.deployment.execute()

        assert "TO BE REMOVED" in by_hand.deployment.overview()
        assert by_hand.key in by_hand.deployment.overview()

        by_hand.site.research.forget(by_hand.study_uid)
        by_hand.withdraw("--confirm-removed")
        by_hand.deployment.execute()

        assert "TO BE REMOVED" not in by_hand.deployment.overview()

    def test_dagster_that_can_not_be_told_is_told_by_the_sensor(self, by_hand: Published) -> None:
        result = by_hand.withdraw("--yes")

        assert result.exit_code == 3
        assert "withdrawn_reviews" in result.stderr
        assert by_hand.checks() == []

        by_hand.tick()

        assert by_hand.checks(by_hand.key)[0].passed is False

    def test_published_stage_counts_as_not_done_and_can_be_read_about(self, by_hand: Published) -> None:
        by_hand.withdraw("--yes")
        by_hand.site.research.forget(by_hand.study_uid)
        by_hand.withdraw("--confirm-removed")

        for stage in (Stage.REGISTERED, Stage.PUBLISHED):
            assert by_hand.manifest(stage)["stage"] == stage
            assert (by_hand.deployment.data / "studies" / by_hand.key / stage / "withdrawn.json").exists()
