"""Killed anywhere, a withdrawal goes on where it was, and no moment of it lets a run publish the study."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from dicom_assets_tests.killed_command import Commands, running_commands
from dicom_assets_tests.test_certificates import needs_orthanc
from dicom_assets_tests.withdrawing import GOES, Published, published_to_orthanc

pytestmark = [pytest.mark.long, needs_orthanc]

PLACES = [
    ("FolderWithdrawals.set", 1),
    ("BetweenRuns.event", 1),
    ("ReviewDatabase.mark_withdrawn", 1),
    ("FolderStudyStore.lock", 1),
    ("BetweenRuns.event", 2),
    ("OrthancRemover.remove", 1),
    ("DicomwebClient.delete", 1),
    ("ResearchDatabaseRegistration.unlink", 1),
    ("FolderStudyStore.retire", 1),
    ("FolderStudyStore.retire", 2),
    ("ReviewDatabase.mark_withdrawn", 2),
    ("FolderWithdrawals.is_settled", 1),
    ("BetweenRuns.event", 3),
    ("FolderWithdrawals.set", 2),
    ("tell_dagster", 1),
    ("_report_evaluation", 1),
    ("FolderWithdrawals.told", 1),
]
"""Functions of a withdrawal in their order, and which call of each is the one."""


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    with running_commands() as commands:
        yield commands


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    with published_to_orthanc(tmp_path_factory.mktemp("killed")) as site:
        yield site


@pytest.fixture
def site(running: Published) -> Published:
    running.restore()
    return running


@pytest.mark.parametrize(("place", "number"), PLACES, ids=[f"{place}-{number}" for place, number in PLACES])
def test_a_killed_withdrawal_is_finished_by_the_next_try(
    site: Published, commands: Commands, place: str, number: int
) -> None:
    environment = site.deployment.process_environment()
    arguments = ["withdraw", site.key, "--yes"]

    killed = commands.run(arguments, environment, killed_at=place, number=number)
    begun = (site.deployment.data / "withdrawals" / f"{site.key}.json").exists()
    again = commands.run(arguments, environment)

    assert killed == -signal.SIGKILL, f"{place} is not called for the {number}. time"
    assert begun == ((place, number) != PLACES[0])
    assert again == 0
    site.assert_withdrawn()
    site.assert_dagster_knows()


@pytest.mark.parametrize("place", ["OrthancRemover.remove", "ReviewDatabase.mark_lifted", "FolderWithdrawals.set"])
def test_a_study_whose_withdrawal_or_lifting_was_killed_is_held_back(
    site: Published, commands: Commands, place: str
) -> None:
    environment = site.deployment.process_environment()
    arguments = ["withdraw", site.key, "--yes"]
    if place != "OrthancRemover.remove":
        assert commands.run(arguments, environment) == 0
        arguments.append("--lift")
    assert commands.run(arguments, environment, killed_at=place) == -signal.SIGKILL
    before = site.in_research_pacs()

    by_key = site.deployment.execute(partition=site.key)
    by_queue = site.deployment.execute()

    assert not by_key.success
    assert by_queue.success
    assert site.in_research_pacs() == before
    assert site.record().holds_back


def test_a_lifting_that_was_killed_is_finished_by_the_next_try(site: Published, commands: Commands) -> None:
    environment = site.deployment.process_environment()
    assert commands.run(["withdraw", site.key, "--yes"], environment) == 0
    lift = ["withdraw", site.key, "--lift", "--yes"]
    commands.run(lift, environment, killed_at="FolderWithdrawals.set")

    assert commands.run(lift, environment) == 0

    assert site.deployment.execute().success
    assert site.deployment.study_row(GOES.study_uid)["image_published"]
    assert len(site.in_research_pacs()) == 2
