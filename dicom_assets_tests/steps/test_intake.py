"""What arrives of a study: named, compared, and asked for again."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_assets.adapters.study_store import DraftStage, FolderStudyStore
from dicom_assets.errors import StudyError
from dicom_assets.steps.intake import Intake
from dicom_assets.steps.requests import INSTANCES_PER_REQUEST, SMALL_STUDY, requests_for
from dicom_assets.study import InstanceRef, Stage, StudyKey, StudyListing
from dicom_assets_tests.deidentification.builders import an_instance

STUDY = "1.2.3"


def listing(**series: int) -> StudyListing:
    """So many instances of each series, which is named by its number: `s1=3`."""
    return StudyListing(
        tuple(
            InstanceRef(f"{STUDY}.{name[1:]}.{number}", f"{STUDY}.{name[1:]}", "1.2.840.10008.5.1.4.1.1.2")
            for name, count in series.items()
            for number in range(1, count + 1)
        )
    )


def content_of(uid: str, **attributes: str) -> bytes:
    series_uid = uid.rpartition(".")[0]
    return an_instance(
        **{"SOPInstanceUID": uid, "SeriesInstanceUID": series_uid, "StudyInstanceUID": STUDY} | attributes
    )


class Desk:
    """An intake on a real folder."""

    def __init__(self, folder: Path, expected: StudyListing) -> None:
        self._store = FolderStudyStore(folder)
        self.draft: DraftStage = self._store.draft(StudyKey("S0"), Stage.PULLED, resume="same")
        self.intake = Intake(STUDY, expected, self.draft)

    def take(self, uid: str, content: bytes | None = None) -> None:
        arrival = self.intake.receive(uid)
        arrival.write(content_of(uid) if content is None else content)
        arrival.keep()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, listing(s1=3, s2=2))


def test_file_names_follow_the_listed_uids_whatever_comes_first(desk: Desk) -> None:
    desk.take("1.2.3.2.2")
    desk.take("1.2.3.1.1")

    assert desk.draft.names() == ["000001.dcm", "000005.dcm"]


def test_pieces_of_any_size_make_the_file_and_its_hash(desk: Desk) -> None:
    content = content_of("1.2.3.1.1")
    arrival = desk.intake.receive("1.2.3.1.1")
    reused = bytearray(7)
    for start in range(0, len(content), 7):
        piece = content[start : start + 7]
        reused[: len(piece)] = piece
        arrival.write(memoryview(reused)[: len(piece)])
    arrival.keep()

    desk.take("1.2.3.1.1", content)

    assert desk.intake.drop_differing_duplicates() == 0
    assert desk.intake.received["1.2.3.1.1"].size_bytes == len(content)
    with desk.draft.open("000001.dcm") as file:
        assert file.read() == content


def test_dropped_file_leaves_nothing_and_is_still_missing(desk: Desk) -> None:
    arrival = desk.intake.receive("1.2.3.1.1")
    arrival.write(b"half of it")
    arrival.drop()

    assert desk.draft.names() == []
    assert desk.intake.missing_count() == 5
    desk.take("1.2.3.1.1")
    assert desk.draft.names() == ["000001.dcm"]
    assert desk.intake.drop_differing_duplicates() == 0


def test_only_an_instance_that_is_kept_and_new_is_a_gain(desk: Desk) -> None:
    desk.take("1.2.3.1.1")
    gained = desk.intake.last_gain

    desk.intake.receive("1.2.3.1.2").drop()
    desk.take("1.2.3.1.1")
    assert desk.intake.last_gain == gained

    desk.take("1.2.3.1.2")
    assert desk.intake.last_gain > gained


def test_second_content_under_one_uid_is_kept_aside_and_counted(desk: Desk) -> None:
    desk.take("1.2.3.1.1")
    desk.take("1.2.3.1.1", content_of("1.2.3.1.1", PatientComments="changed"))

    assert desk.intake.drop_differing_duplicates() == 1

    [aside] = desk.draft.names()
    assert aside.startswith("000001.dcm.again-")


def test_same_content_that_arrives_side_by_side_is_one_instance(desk: Desk) -> None:
    content = content_of("1.2.3.1.1")
    first, second = desk.intake.receive("1.2.3.1.1"), desk.intake.receive("1.2.3.1.1")
    second.write(content)
    second.keep()
    first.write(content)
    first.keep()

    assert desk.intake.drop_differing_duplicates() == 0
    desk.intake.drop_what_is_aside()
    assert desk.draft.names() == ["000001.dcm"]


def test_leftovers_of_a_killed_run_are_taken_over_if_they_are_whole(tmp_path: Path) -> None:
    before = Desk(tmp_path, listing(s1=3))
    before.take("1.2.3.1.1")
    before.take("1.2.3.1.2", b"not DICOM at all")
    before.take("1.2.3.1.3", content_of("9.9.9"))

    after = Desk(tmp_path, listing(s1=3))
    after.intake.take_over_leftovers()

    assert list(after.intake.received) == ["1.2.3.1.1"]
    assert after.draft.names() == ["000001.dcm"]
    assert [ref.sop_instance_uid for ref in after.intake.missing()] == ["1.2.3.1.2", "1.2.3.1.3"]


@pytest.mark.parametrize("expected", [listing(s1=2), StudyListing(None, {"1.2.3.1": 2})], ids=["by list", "by counts"])
@pytest.mark.parametrize("is_killed", [True, False], ids=["killed before it was judged", "judged"])
def test_leftover_of_two_contents_is_asked_for_again(tmp_path: Path, expected: StudyListing, is_killed: bool) -> None:
    before = Desk(tmp_path, expected)
    before.take("1.2.3.1.1")
    before.take("1.2.3.1.2")
    before.take("1.2.3.1.2", content_of("1.2.3.1.2", PatientComments="changed"))
    if not is_killed:
        before.intake.drop_differing_duplicates()

    after = Desk(tmp_path, expected)
    after.intake.take_over_leftovers()

    assert set(after.intake.received) == {"1.2.3.1.1"}
    assert after.intake.missing_count() == 1
    assert after.draft.names() == ["000001.dcm"]


def test_instance_of_another_study_is_a_stranger(desk: Desk) -> None:
    desk.take("1.2.3.1.1", content_of("1.2.3.1.1", StudyInstanceUID="9.9"))

    with pytest.raises(StudyError, match=r"1 instance\(s\) that belong to another study"):
        desk.intake.identities()


class TestRequests:
    def test_small_study_is_asked_for_as_a_whole(self, desk: Desk) -> None:
        [request] = requests_for(desk.intake, 0)

        assert (request.series_uid, request.sop_instance_uids) == (None, ())
        assert request.sop_class_uids == {"1.2.840.10008.5.1.4.1.1.2"}

    def test_large_study_is_asked_for_by_series(self, tmp_path: Path) -> None:
        desk = Desk(tmp_path, listing(s1=SMALL_STUDY, s2=2))

        assert [request.series_uid for request in requests_for(desk.intake, 0)] == ["1.2.3.1", "1.2.3.2"]

    def test_missing_series_are_asked_for_whole_and_others_by_instance(self, desk: Desk) -> None:
        desk.take("1.2.3.1.2")

        by_instance, by_series = requests_for(desk.intake, 1)

        assert by_instance.sop_instance_uids == ("1.2.3.1.1", "1.2.3.1.3")
        assert (by_series.series_uid, by_series.sop_instance_uids) == ("1.2.3.2", ())

    def test_no_request_names_more_uids_than_fit(self, tmp_path: Path) -> None:
        desk = Desk(tmp_path, listing(s1=2 * INSTANCES_PER_REQUEST + 2))
        desk.take("1.2.3.1.7")

        sizes = [len(request.sop_instance_uids) for request in requests_for(desk.intake, 1)]

        assert sizes == [INSTANCES_PER_REQUEST, INSTANCES_PER_REQUEST, 1]

    def test_last_round_asks_for_each_instance_by_itself(self, desk: Desk) -> None:
        desk.take("1.2.3.1.2")

        assert [len(request.sop_instance_uids) for request in requests_for(desk.intake, 2)] == [1, 1, 1, 1]

    def test_nothing_is_asked_for_when_all_is_there(self, desk: Desk) -> None:
        for ref in desk.intake.listing.instances or ():
            desk.take(ref.sop_instance_uid)

        assert [requests_for(desk.intake, number) for number in range(3)] == [[], [], []]


class TestCounts:
    """A PACS that tells how many instances there are, not which."""

    def test_counts_by_series_are_what_is_missing(self, tmp_path: Path) -> None:
        desk = Desk(tmp_path, StudyListing(None, {"1.2.3.1": 2, "1.2.3.2": 2}))
        desk.take("1.2.3.1.1")
        desk.take("1.2.3.1.2")
        desk.take("1.2.3.2.1")

        assert desk.intake.missing_count() == 1
        assert [request.series_uid for request in requests_for(desk.intake, 1)] == ["1.2.3.1", "1.2.3.2"]
        desk.take("1.2.3.2.2")
        assert requests_for(desk.intake, 2) == []

    def test_surplus_of_one_series_does_not_stand_for_another(self, tmp_path: Path) -> None:
        desk = Desk(tmp_path, StudyListing(None, {"1.2.3.1": 1, "1.2.3.2": 1}))
        desk.take("1.2.3.1.1")
        desk.take("1.2.3.1.2")

        assert desk.intake.missing_count() == 1

    def test_count_of_the_study_is_compared_where_there_is_no_other(self, tmp_path: Path) -> None:
        desk = Desk(tmp_path, StudyListing(None, {"": 2}))
        desk.take("1.2.3.1.1")

        assert desk.intake.missing_count() == 1
        assert [request.series_uid for request in requests_for(desk.intake, 1)] == [None]

    def test_leftovers_are_known_by_what_they_say_they_are(self, tmp_path: Path) -> None:
        before = Desk(tmp_path, StudyListing(None, {"1.2.3.1": 3}))
        for uid in ("1.2.3.1.9", "1.2.3.1.4"):
            before.take(uid)

        after = Desk(tmp_path, StudyListing(None, {"1.2.3.1": 3}))
        after.intake.take_over_leftovers()
        after.take("1.2.3.1.1")

        assert after.intake.missing_count() == 0
        assert after.draft.names() == ["000001.dcm", "000002.dcm", "000003.dcm"]
        assert after.intake.name_of("1.2.3.1.9") == "000001.dcm"
