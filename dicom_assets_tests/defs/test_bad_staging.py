"""A staging PACS that is away, set up wrongly or delivers something else: each study fails alone, and says why."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dicom_assets.demo.objects import instance_file
from dicom_assets.demo.pacs_index import SOP_UID, STUDY_UID, Entry
from dicom_assets.demo.plan import DemoStudy, Outcome
from dicom_assets.study import Stage
from dicom_assets_tests.conftest import Site, SmallSite, running_site
from dicom_assets_tests.defs.test_bad_settings import message_of
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.orthanc import orthanc_binary, running_orthanc
from dicom_assets_tests.scripted_pacs import CANARY
from dicom_assets_tests.small_studies import INSTANCES, clear_errors, instance_with, manifest, small_study, sop_uids

GARBAGE = b"This is not a DICOM data set, whatever the PACS says of it. " * 20
ROUNDS = 3


class TestAway:
    """Nothing arrives at all, for a reason that may pass: the review rows are left alone."""

    def test_nobody_listens(self, make_site: SmallSite) -> None:
        site = make_site((5,))
        site.deployment.set(STAGING_PACS_PORT=free_port())

        said = self.failing(site)

        assert "Nothing answers at 127.0.0.1" in said
        assert "STAGING_PACS_HOST and STAGING_PACS_PORT" in said

    def test_wrong_called_ae_title(self, make_site: SmallSite) -> None:
        site = make_site((5,), STAGING_PACS_AE_TITLE="SOMEONE")

        assert "does not answer to this AE title: correct STAGING_PACS_AE_TITLE" in self.failing(site)

    def test_move_destination_that_the_pacs_does_not_know(self, make_site: SmallSite) -> None:
        site = make_site((5,), STAGING_PACS_PROTOCOL="c-move", LOCAL_AE_TITLE="NEWCOMER")

        said = self.stopping(site)

        assert "canary did not arrive here" in said
        assert "0xA801" in said
        assert "register the move destination NEWCOMER there" in said
        assert "LOCAL_PORT" in said

    @pytest.mark.long
    @pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed")
    def test_orthanc_of_another_name_and_without_us_as_a_destination(
        self, make_site: SmallSite, tmp_path: Path
    ) -> None:
        site = make_site((5,), STAGING_PACS_PROTOCOL="c-move")
        with running_orthanc("ORTHANC", tmp_path / "orthanc", {}) as orthanc:
            for content in (instance_file(site.study(), site.study().series[0], 0), CANARY.content):
                request = urllib.request.Request(f"http://127.0.0.1:{orthanc.http_port}/instances", data=content)
                urllib.request.urlopen(request, timeout=60).close()
            site.deployment.set(STAGING_PACS_PORT=orthanc.dicom_port)
            named_wrongly = self.failing(site)
            site.deployment.set(STAGING_PACS_AE_TITLE="ORTHANC")
            not_known = self.stopping(site)

        assert "does not answer to this AE title: correct STAGING_PACS_AE_TITLE" in named_wrongly
        assert "ended a C-MOVE with status 0xC000, nothing arrived: register the move destination" in not_known

    def failing(self, site: Site) -> str:
        result = site.deployment.execute()
        assert not result.success
        assert message_of(result).count("at pulled:") == len(site.published())
        self.untouched(site)
        return message_of(result)

    def stopping(self, site: Site) -> str:
        """The run stops before it looks at any study."""
        result = site.deployment.execute()
        assert not result.success
        assert "at pulled:" not in message_of(result)
        assert [event["event"] for event in site.deployment.events()][-2:] == ["canary_lost", "run_stopped"]
        assert site.staging.handed_out == []
        self.untouched(site)
        return message_of(result)

    def untouched(self, site: Site) -> None:
        assert not site.deployment.study_row(site.study().study_uid)["processing_error"]
        assert site.research.offered == []
        assert leaks(site) == []


HEALTHY = small_study(21, "nothing is wrong")
GARBLED = small_study(22, "one instance is not DICOM inside")
ALL_GARBLED = small_study(23, "no instance is DICOM inside")
TWICE = small_study(24, "one instance arrives twice, the same")
TWO_FACED = small_study(25, "one instance arrives twice, with two contents")
SHORT = small_study(26, "two instances never arrive, and the PACS claims success")
ACCOMPANIED = small_study(27, "an instance of another study comes along")
EXCHANGED = small_study(28, "an instance of another study comes in place of one")
TWO_PATIENTS = small_study(29, "two Patient IDs")
ABSENT = small_study(30, "not in the PACS", in_staging=False)
UNREVIEWED = small_study(31, "nobody has reviewed it", reviews=(), outcome=Outcome.LEFT_OUT)
STUDIES = (
    HEALTHY, GARBLED, ALL_GARBLED, TWICE, TWO_FACED, SHORT, ACCOMPANIED, EXCHANGED, TWO_PATIENTS, ABSENT, UNREVIEWED,
)  # fmt: skip

Rewrite = Callable[[list[Entry]], list[Entry]]


def rewrites(site: Site, folder: Path) -> Mapping[str, Rewrite]:
    """What the PACS hands out of each study for what it is asked for."""
    garbage, altered = folder / "garbage", folder / "altered"
    garbage.write_bytes(GARBAGE)
    stranger = next(entry for entry in site.staging.entries() if entry.text(STUDY_UID) == UNREVIEWED.study_uid)

    def garbled(entry: Entry) -> Entry:
        return replace(entry, path=garbage, data_offset=0)

    def with_other_pixels(entry: Entry) -> Entry:
        content = entry.path.read_bytes()
        altered.write_bytes(content[:-2] + bytes(255 - byte for byte in content[-2:]))
        return replace(entry, path=altered)

    def one(study: DemoStudy, change: Callable[[Entry], list[Entry]]) -> tuple[str, Rewrite]:
        uid = sop_uids(study)[1]
        return study.study_uid, lambda entries: [
            made for entry in entries for made in (change(entry) if entry.text(SOP_UID) == uid else [entry])
        ]

    return dict(
        [
            one(GARBLED, lambda entry: [garbled(entry)]),
            (ALL_GARBLED.study_uid, lambda entries: [garbled(entry) for entry in entries]),
            one(TWICE, lambda entry: [entry, entry]),
            one(TWO_FACED, lambda entry: [entry, with_other_pixels(entry)]),
            (SHORT.study_uid, lambda entries: [e for e in entries if e.text(SOP_UID) not in sop_uids(SHORT)[3:]]),
            one(ACCOMPANIED, lambda entry: [stranger, entry]),
            one(EXCHANGED, lambda entry: [replace(entry, path=stranger.path, data_offset=stranger.data_offset)]),
        ]
    )


@dataclass
class Aftermath:
    """What a run said and left, for each study by its number."""

    protocol: str
    said: Mapping[int, str]
    marked: Mapping[int, str]
    published: frozenset[int]
    asked: Mapping[int, list[list[str]]]
    quarantined: Mapping[int, Mapping[str, int]]
    leaks: list[str]


def aftermath(site: Site, message: str, asked: list[list[str]]) -> Aftermath:
    deployment = site.deployment
    by_key = {deployment.study_key(study.study_uid): study for study in STUDIES}
    rows = {study.number: deployment.study_row(study.study_uid) for study in STUDIES}
    lines = [line.partition(" ") for line in message.splitlines()]
    return Aftermath(
        protocol=deployment.environment["STAGING_PACS_PROTOCOL"],
        said={by_key[key].number: text for key, _, text in lines if key in by_key},
        marked={number: row["processing_error_msg"] for number, row in rows.items() if row["processing_error"]},
        published=frozenset(number for number, row in rows.items() if row["image_published"]),
        asked={study.number: [uids for uids in asked if uids and uids[0] in sop_uids(study)] for study in STUDIES},
        quarantined={
            by_key[event["study"]].number: event["quarantined_by_reason"]
            for event in deployment.events()
            if event["event"] == "stage_finished" and event["stage"] == "deidentified"
        },
        leaks=leaks(site),
    )


@dataclass
class Story:
    """A run in which much goes wrong, and the next one, when it has been put right."""

    site: Site
    first: Aftermath
    second: Aftermath


@pytest.fixture(scope="module", params=["c-get", pytest.param("c-move", marks=pytest.mark.long)])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One site for all studies: their troubles must stay their own."""
    folder = tmp_path_factory.mktemp("troubles")
    with running_site(folder, STUDIES, STAGING_PACS_PROTOCOL=request.param) as site:
        other_patient = instance_with(TWO_PATIENTS, SOPInstanceUID="2.25.4711", PatientID="WX-ANOTHER")
        site.staging.load(other_patient)
        rewrite = rewrites(site, folder)
        asked: list[list[str]] = []

        def deliver(entries: list[Entry]) -> list[Entry]:
            asked.append([entry.text(SOP_UID) for entry in entries])
            study_uid = entries[0].text(STUDY_UID) if entries else ""
            return rewrite.get(study_uid, list)(entries)

        site.staging.deliver = deliver
        first = aftermath(site, message_of(site.deployment.execute({"limit": 100})), asked)
        rewrite = {}
        asked.clear()
        clear_errors(site)
        second = aftermath(site, message_of(site.deployment.execute({"limit": 100})), asked)
        yield Story(site, first, second)


def test_studies_without_trouble_are_published_whatever_happens_to_others(story: Story) -> None:
    assert HEALTHY.number in story.first.published
    assert HEALTHY.number not in story.first.said
    assert len(manifest(story.site, HEALTHY, Stage.PUBLISHED)["hashes"]) == INSTANCES


def test_no_identifier_is_in_messages_logs_or_the_audit_trail(story: Story) -> None:
    assert story.first.leaks == []
    assert story.second.leaks == []


def test_instance_that_is_not_dicom_is_quarantined_and_the_rest_goes_on(story: Story) -> None:
    assert GARBLED.number in story.first.published
    assert manifest(story.site, GARBLED, Stage.PULLED)["facts"]["unreadable"] == 1
    assert story.first.quarantined[GARBLED.number] in ({"unreadable": 1}, {"malformed": 1})
    assert len(manifest(story.site, GARBLED, Stage.PUBLISHED)["hashes"]) == INSTANCES - 1


def test_study_of_which_nothing_is_dicom_waits_for_a_person(story: Story) -> None:
    assert "None of the study's instances can be read" in story.first.said[ALL_GARBLED.number]
    assert "None of the study's instances can be read" in story.first.marked[ALL_GARBLED.number]
    assert ALL_GARBLED.number in story.second.published


def test_instance_that_arrives_twice_alike_counts_once(story: Story) -> None:
    assert TWICE.number in story.first.published
    assert manifest(story.site, TWICE, Stage.PULLED)["facts"]["instances"] == INSTANCES


def test_instance_that_arrives_with_two_contents_fails_the_study(story: Story) -> None:
    said = story.first.said[TWO_FACED.number]
    assert "1 instance(s) arrived twice with different content" in said
    assert "have the staging PACS's copy repaired" in story.first.marked[TWO_FACED.number]
    assert TWO_FACED.number not in story.first.published


def test_after_repair_the_instance_of_two_contents_is_asked_for_again(story: Story) -> None:
    assert story.second.asked[TWO_FACED.number] == [[sop_uids(TWO_FACED)[1]]]
    assert TWO_FACED.number in story.second.published


def test_shortfall_is_noticed_though_the_pacs_claims_success(story: Story) -> None:
    assert f"2 of {INSTANCES} instances did not arrive, asked for {ROUNDS} times" in story.first.said[SHORT.number]
    assert "though the staging PACS lists them" in story.first.marked[SHORT.number]
    assert SHORT.number not in story.first.published
    whole, *again = story.first.asked[SHORT.number]
    assert len(whole) == INSTANCES
    assert {uid for uids in again for uid in uids} == set(sop_uids(SHORT)[3:])
    assert [len(uids) for uids in again] == [2, 1, 1], "first together, then each by itself"


def test_next_run_asks_only_for_what_had_not_arrived(story: Story) -> None:
    assert [sorted(uids) for uids in story.second.asked[SHORT.number]] == [sorted(sop_uids(SHORT)[3:])]
    assert SHORT.number in story.second.published


def test_instance_of_another_study_is_not_taken(story: Story) -> None:
    if story.first.protocol == "c-move":
        assert ACCOMPANIED.number in story.first.published  # our Storage SCP refused the stranger
        assert len(manifest(story.site, ACCOMPANIED, Stage.PUBLISHED)["hashes"]) == INSTANCES
    else:
        assert "delivered 1 instance(s) that belong to another study" in story.first.said[ACCOMPANIED.number]
        assert "have the PACS's index repaired" in story.first.marked[ACCOMPANIED.number]
        assert ACCOMPANIED.number in story.second.published


def test_instance_of_another_study_under_a_false_name_is_not_taken(story: Story) -> None:
    said = story.first.said[EXCHANGED.number]
    if story.first.protocol == "c-move":
        assert f"1 of {INSTANCES} instances did not arrive" in said
        asked_again = [sop_uids(EXCHANGED)[1]]
    else:
        assert "1 instance(s) that belong to another study or are not what they were announced as" in said
        asked_again = sop_uids(EXCHANGED)  # what contradicts itself is dropped as a whole
    assert EXCHANGED.number in story.first.marked
    assert EXCHANGED.number not in story.first.published
    assert EXCHANGED.number in story.second.published
    assert [sorted(uids) for uids in story.second.asked[EXCHANGED.number]] == [sorted(asked_again)]


def test_study_of_two_patients_waits_for_a_person(story: Story) -> None:
    assert "holds 2 different Patient IDs" in story.first.said[TWO_PATIENTS.number]
    assert "have it repaired in the staging PACS" in story.first.marked[TWO_PATIENTS.number]
    assert len(story.second.asked[TWO_PATIENTS.number][0]) == INSTANCES + 1, "a repair there would not be noticed"


def test_study_that_the_pacs_does_not_have_waits_for_a_person(story: Story) -> None:
    assert "The staging PACS has no instance of this study" in story.first.said[ABSENT.number]
    assert "was it moved or deleted there?" in story.first.marked[ABSENT.number]


def test_nothing_of_a_study_that_nobody_reviewed_is_kept(story: Story) -> None:
    key = story.site.deployment.study_key(UNREVIEWED.study_uid)
    assert not (story.site.deployment.data / "studies" / key).exists()
    needle = next(iter(sop_uids(UNREVIEWED))).encode()
    pulled = [path for path in story.site.deployment.data.rglob("*.dcm") if needle in path.read_bytes()]
    assert pulled == []
