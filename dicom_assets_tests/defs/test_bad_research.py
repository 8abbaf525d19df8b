"""A research PACS that is away, refuses or forgets, and files that somebody changed on the way to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicom_assets.demo.plan import DemoStudy
from dicom_assets.study import Stage
from dicom_assets_tests.conftest import Site, SmallSite, running_site
from dicom_assets_tests.defs.test_bad_settings import message_of
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.scripted_pacs import OUT_OF_RESOURCES, REFUSED, SUCCESS
from dicom_assets_tests.small_studies import INSTANCES, clear_errors, manifest, small_study

Judge = Callable[[Callable[[], int]], int]


class TestAway:
    """Nothing can be sent, for a reason that may pass: all earlier stages stand, the review rows are left alone."""

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"RESEARCH_PACS_PORT": free_port()}, "RESEARCH_PACS_HOST and RESEARCH_PACS_PORT"),
            ({"RESEARCH_PACS_AE_TITLE": "SOMEONE"}, "does not answer to this AE title: correct RESEARCH_PACS_AE_TITLE"),
        ],
        ids=["nobody listens", "wrong called AE title"],
    )
    def test_run_says_so_and_the_next_one_only_publishes(
        self, make_site: SmallSite, settings: Mapping[str, object], said: str
    ) -> None:
        site = make_site((5,))
        right = dict(site.deployment.environment)
        site.deployment.set(**settings)

        result = site.deployment.execute()

        assert "at published:" in message_of(result)
        assert said in message_of(result)
        assert not site.deployment.study_row(site.study().study_uid)["processing_error"]
        assert leaks(site) == []
        site.deployment.environment = right
        assert site.deployment.execute().success
        done = [event["stage"] for event in site.deployment.events() if event["event"] == "stage_finished"]
        assert done == ["published"]
        assert site.research.count() == site.study().publishable


HEALTHY = small_study(41, "nothing is wrong")
REFUSED_ONE = small_study(42, "one instance is refused with a failure that will not pass")
FULL = small_study(43, "the research PACS is out of resources")
FORGOTTEN = small_study(44, "one instance is acknowledged and not kept")
TAMPERED = small_study(45, "a de-identified file was changed")
STUDIES = (HEALTHY, REFUSED_ONE, FULL, FORGOTTEN, TAMPERED)


@dataclass
class Aftermath:
    """What a run said, left, and offered to the research PACS, for each study by its number."""

    said: Mapping[int, str]
    marked: Mapping[int, str]
    published: frozenset[int]
    offered: Mapping[int, int]
    leaks: list[str]


@dataclass
class Story:
    """A run in which publishing goes wrong, and the next one, when it has been put right."""

    site: Site
    first: Aftermath
    second: Aftermath
    refreshed: bool


def new_uids(site: Site, study: DemoStudy) -> list[str]:
    return [instance["sop_instance_uid"] for instance in manifest(site, study, Stage.DEIDENTIFIED)["instances"]]


def judges(site: Site) -> dict[str, Judge]:
    """What the research PACS makes of single instances."""
    return {
        new_uids(site, REFUSED_ONE)[1]: lambda _keep: REFUSED,
        **dict.fromkeys(new_uids(site, FULL), lambda _keep: OUT_OF_RESOURCES),
        new_uids(site, FORGOTTEN)[1]: lambda _keep: SUCCESS,
    }


def tamper(site: Site) -> Path:
    folder = site.deployment.data / "studies" / site.deployment.study_key(TAMPERED.study_uid) / "deidentified"
    file = folder / "instances" / manifest(site, TAMPERED, Stage.DEIDENTIFIED)["instances"][1]["file"]
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return file


def run(site: Site) -> Aftermath:
    site.research.offered.clear()
    result = site.deployment.execute({"limit": 100})
    by_key = {site.deployment.study_key(study.study_uid): study.number for study in STUDIES}
    rows = {study.number: site.deployment.study_row(study.study_uid) for study in STUDIES}
    lines = [line.partition(" ") for line in message_of(result).splitlines()]
    return Aftermath(
        said={by_key[key]: text for key, _, text in lines if key in by_key},
        marked={number: row["processing_error_msg"] for number, row in rows.items() if row["processing_error"]},
        published=frozenset(number for number, row in rows.items() if row["image_published"]),
        offered={s.number: sum(uid in new_uids(site, s) for uid in site.research.offered) for s in STUDIES},
        leaks=leaks(site),
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One site for all studies: their troubles must stay their own."""
    with running_site(tmp_path_factory.mktemp("refusals"), STUDIES) as site:
        assert site.deployment.execute({"publish": False, "limit": 100}).success
        judged = judges(site)
        site.research.judge = lambda uid, keep: judged.get(uid, lambda keep: keep())(keep)
        tamper(site)
        first = run(site)
        judged.clear()
        clear_errors(site)
        second = run(site)
        key = site.deployment.study_key(TAMPERED.study_uid)
        refreshed = site.deployment.execute({"refresh": True}, partition=key).success
        yield Story(site, first, second, refreshed)


def test_studies_without_trouble_are_published_whatever_happens_to_others(story: Story) -> None:
    assert story.first.published == {HEALTHY.number}
    assert story.first.offered[HEALTHY.number] == INSTANCES
    assert story.second.offered[HEALTHY.number] == 0


def test_no_identifier_is_in_messages_logs_or_the_audit_trail(story: Story) -> None:
    assert story.first.leaks == []
    assert story.second.leaks == []


def test_refused_instance_waits_for_a_person(story: Story) -> None:
    said = f"did not take 1 of {INSTANCES} instances: 1 refused with status 0x0110"
    file = manifest(story.site, REFUSED_ONE, Stage.DEIDENTIFIED)["instances"][1]["file"]
    for told in (story.first.said[REFUSED_ONE.number], story.first.marked[REFUSED_ONE.number]):
        assert said in told
        assert f"({file} of stage deidentified)" in told


def test_once_it_is_accepted_only_the_refused_instance_is_sent_again(story: Story) -> None:
    assert story.first.offered[REFUSED_ONE.number] == INSTANCES
    assert story.second.offered[REFUSED_ONE.number] == 1
    assert REFUSED_ONE.number in story.second.published


def test_research_pacs_out_of_resources_is_tried_again_by_the_next_run(story: Story) -> None:
    assert f"{INSTANCES} refused with status 0xA700" in story.first.said[FULL.number]
    assert "It may take them later; run again." in story.first.said[FULL.number]
    assert FULL.number not in story.first.marked
    assert FULL.number in story.second.published


def test_instance_that_is_acknowledged_but_not_kept_is_noticed_and_sent_again(story: Story) -> None:
    file = manifest(story.site, FORGOTTEN, Stage.DEIDENTIFIED)["instances"][1]["file"]
    said = f"does not show 1 of {INSTANCES} instances ({file} of stage deidentified)"
    assert said in story.first.said[FORGOTTEN.number]
    assert FORGOTTEN.number not in story.first.marked
    assert story.second.offered[FORGOTTEN.number] == 1
    assert FORGOTTEN.number in story.second.published


def test_nothing_is_sent_of_a_study_of_which_a_file_was_changed(story: Story) -> None:
    for run in (story.first, story.second):
        assert "is not what was written there; nothing was sent of it" in run.said[TAMPERED.number]
        assert "refresh: true" in run.said[TAMPERED.number]
        assert run.offered[TAMPERED.number] == 0
    assert TAMPERED.number not in story.first.published


def test_after_a_refresh_the_changed_study_is_published(story: Story) -> None:
    assert story.refreshed
    assert story.site.deployment.study_row(TAMPERED.study_uid)["image_published"]
    assert story.site.research.count() == INSTANCES * len(STUDIES)
