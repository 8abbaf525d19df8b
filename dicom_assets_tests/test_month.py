"""A month of a site, day by day: at its end every study stands in every place where its story has led it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_assets.study import Stage
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.month import Kind, Month, running_month
from dicom_assets_tests.month_states import EXPECTED, NOT_BEGUN, OLD_UIDS, State, disagreements
from dicom_assets_tests.orthanc import orthanc_binary
from dicom_assets_tests.waiting import has_happened, killed_job, wait_until, write_lock

STUDIES = 60

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed"),
]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """The month, lived through."""
    with running_month(tmp_path_factory.mktemp("month")) as month:
        live(month)
        yield month


def live(month: Month) -> None:
    """Day by day; what has to be true on a day, and no longer at the end, is asserted here."""
    begin(month)
    month.review(2)
    practise(month)
    assert month.run_as_operator()
    month.review(5)
    assert not month.run_in_process(), "some studies of the day have to fail"
    month.review(9)
    assert not month.run_in_process()
    month.review(12)
    lose_a_run(month)
    assert month.run_in_process()
    month.review(17)
    find_the_pacs_away(month)
    month.review(18)
    assert month.run_in_process()
    object_to_published_studies(month)
    mend(month)
    month.review(23)
    assert not month.run_in_process(), "those that are still missing have to fail again"
    withdraw(month)
    month.review(27)
    assert month.run_in_process()
    purge(month)
    assert month.run_as_operator()


def begin(month: Month) -> None:
    """The old program's file is taken over before the first run, and again, which changes nothing."""
    assert len(month.planned) == STUDIES
    file = month.publish_by_the_old_program()
    for _ in range(2):
        result = month.cli("identity", "import", str(file))
        assert result.exit_code == 0, result.output


def practise(month: Month) -> None:
    """A dry run tells what would happen, and changes nothing anywhere."""
    expected = dict(NOT_BEGUN)
    expected[Kind.LEGACY] = replace(expected[Kind.LEGACY], identity=f"key, {OLD_UIDS}")
    assert month.run_in_process(dry_run=True)
    assert "DRY RUN" in month.deployment.overview()
    agree(month, expected)


def agree(month: Month, expected: Mapping[Kind, State]) -> None:
    """All places say of each study what they should; where not, the failure names study keys and kinds."""
    found = disagreements(month, expected)
    assert not found, "\n".join(["studies are not where they should be:", *found])


def lose_a_run(month: Month) -> None:
    """Registration waits for somebody's transaction when the run is killed: nothing of the day was published."""
    keys = [month.key(one) for one in month.of(Kind.KILLED)]
    published = month.research.count()
    with write_lock(month.deployment.folder / "research.db"), killed_job(month.deployment, {"limit": 60}):
        for key in keys[:2]:
            wait_until(
                lambda key=key: has_happened(month.deployment, event="stage_started", study=key, stage="registered"),
                "the registration of a study",
            )
    assert month.research.count() == published
    assert "NOT FINISHED" in month.deployment.overview()


def find_the_pacs_away(month: Month) -> None:
    """For a day nobody answers at the staging PACS: what failed then is not marked, and taken up the next day."""
    month.to_staging.refuse()
    assert not month.run_in_process()
    month.to_staging.accept()
    for one in month.of(Kind.AWAY):
        assert not month.deployment.study_row(one.study.study_uid)["processing_error"]


def object_to_published_studies(month: Month) -> None:
    """Reviewers see now that some published studies hold PHI, which the sensor notices before anybody else."""
    for one in month.of(Kind.WITHDRAWN, Kind.LIFTED):
        month.change_mind(one, 18, has_phi=1)
    month.tick_withdrawals()


def mend(month: Month) -> None:
    """Some causes of errors are gone; people have the next run try all studies again that were missing, too."""
    for one in month.of(Kind.LATE):
        month.bring(one)
    for one in month.of(Kind.ENCOUNTER_LATER):
        month.hide_encounter(one, hidden=False)
    for one in month.of(Kind.SETTLED):
        month.change_mind(one, 23, has_phi=0)
    for one in month.of(Kind.LATE, Kind.ENCOUNTER_LATER, Kind.MISSING):
        assert month.cli("retry", month.key(one)).exit_code == 0


def withdraw(month: Month) -> None:
    """The studies that reviewers object to go; of one the objection is taken back afterwards."""
    for one in month.of(Kind.WITHDRAWN, Kind.LIFTED):
        result = month.cli("withdraw", month.key(one), "--yes", "--reason", f"seen by {one.study.referring_physician}")
        assert result.exit_code == 0, result.output
    for one in month.of(Kind.LIFTED):
        month.change_mind(one, 27, has_phi=0)
        assert month.cli("withdraw", month.key(one), "--lift", "--yes").exit_code == 0


def purge(month: Month) -> None:
    """The images of what was published long ago go; nothing else does."""
    for one in month.of(Kind.PURGED):
        month.age(one, 40)
    before = (datetime.now(UTC) - timedelta(days=30)).date().isoformat()
    assert month.cli("purge", "--before", before).exit_code == 0


def test_every_study_is_in_every_place_where_its_story_has_led_it(month: Month) -> None:
    agree(month, EXPECTED)


def test_one_more_run_changes_nothing(month: Month) -> None:
    assert month.run_in_process()

    agree(month, EXPECTED)


def test_research_pacs_holds_nothing_else(month: Month) -> None:
    assert month.research.count() == sum(EXPECTED[one.kind].research for one in month.planned)
    assert len(month.research.studies()) == sum(EXPECTED[one.kind].research > 0 for one in month.planned)


def test_no_run_is_told_otherwise_than_it_ended(month: Month) -> None:
    states = [line.split("\t")[3] for line in month.cli("runs").stdout.splitlines()]

    assert states.count("not finished") == 1
    assert states.count("dry run") == 1
    assert set(states) <= {"finished", "not finished", "dry run"}


def test_no_identifier_is_where_none_may_be(month: Month) -> None:
    birth_dates = {one.patient.birth_date.strftime("%Y%m%d") for one in month.studies}
    said = "\n".join(month.said)
    identifiers = {identifier for study in month.studies for identifier in study.identifiers - birth_dates}

    found = [leak for leak in leaks(month) if not _is_part_of_a_number(month, leak, birth_dates)]

    assert found == []
    assert sum(identifier in said for identifier in identifiers) == 0


def _is_part_of_a_number(month: Month, leak: str, birth_dates: set[str]) -> bool:
    """Whether what was found is eight digits of a longer number, which some birth date looks like."""
    named = re.fullmatch(r"identifier (\d+) of study (\d+) in (.*)", leak)
    assert named is not None
    study = next(one for one in month.studies if one.number == int(named[2]))
    identifier = sorted(study.identifiers)[int(named[1])]
    if identifier not in birth_dates:
        return False
    homes = (month.deployment.data, Path(month.deployment.environment["DAGSTER_HOME"]))
    files = [home / named[3] for home in homes if (home / named[3]).is_file()]
    alone = re.compile(rb"(?<!\d)" + identifier.encode() + rb"(?!\d)")
    return not any(alone.search(file.read_bytes()) for file in files)


def test_purged_studies_keep_their_manifests_and_lose_their_images(month: Month) -> None:
    for one in month.of(Kind.PURGED):
        folder = month.deployment.data / "studies" / month.key(one)
        assert not list(folder.rglob("*.dcm"))
        assert all((folder / stage / "manifest.json").is_file() for stage in Stage)
