"""QIDO-RS from servers that page, cap, repeat themselves or do not list instances."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dicom_assets.errors import PacsAwayError, PacsError, PacsStatusError
from dicom_assets.study import InstanceRef, StudyListing
from dicom_assets_tests.adapters.dicomweb_peers import staging
from dicom_assets_tests.web_server import Answer, Asked, attributes, dicom_json

STUDY = "1.2.3.4.999"
INSTANCES = [
    attributes(x0020000D=STUDY, x0020000E=f"1.2.5.{number % 2}", x00080018=f"1.2.6.{number:03d}", x00080016="1.2.7")
    for number in range(25)
]
REFS = tuple(InstanceRef(f"1.2.6.{number:03d}", f"1.2.5.{number % 2}", "1.2.7") for number in range(25))
SERIES = [attributes(x0020000E="1.2.5.0", x00201209=13), attributes(x0020000E="1.2.5.1", x00201209="12")]
COUNTS = {"1.2.5.0": 13, "1.2.5.1": 12}
NOTHING = Answer(404)


def a_study(count: object) -> dict[str, Any]:
    return attributes(x0020000D=STUDY, x00201208=count)


def listing(
    instances: Callable[[Asked], Answer],
    series: Answer = NOTHING,
    studies: Answer = NOTHING,
) -> StudyListing:
    def respond(asked: Asked) -> Answer:
        if asked.path == f"/studies/{STUDY}/instances":
            return instances(asked)
        if asked.path == f"/studies/{STUDY}/series":
            return series if asked.query.get("offset") == ["0"] else dicom_json()
        assert asked.path == "/studies"
        assert asked.query["StudyInstanceUID"] == [STUDY]
        return studies

    with staging(respond) as (pacs, _):
        return pacs.find_study(STUDY)


def in_pages(most: int) -> Callable[[Asked], Answer]:
    """A server that gives so many results at once, whatever it is asked for."""

    def respond(asked: Asked) -> Answer:
        start = int(asked.query["offset"][0])
        return dicom_json(*INSTANCES[start : start + min(most, int(asked.query["limit"][0]))])

    return respond


@pytest.mark.parametrize("most", [2, 24, 25, 26, 5000])
def test_all_instances_are_listed_however_few_the_pacs_gives_at_once(most: int) -> None:
    assert listing(in_pages(most)) == StudyListing(REFS)


def test_series_and_class_are_asked_for() -> None:
    seen: list[Asked] = []

    def respond(asked: Asked) -> Answer:
        seen.append(asked)
        return in_pages(100)(asked)

    listing(respond)

    assert set(seen[0].query["includefield"]) == {"00080016", "0020000E"}
    assert seen[0].headers["accept"] == "application/dicom+json"


def test_pacs_that_refuses_to_give_many_results_is_asked_for_few() -> None:
    def respond(asked: Asked) -> Answer:
        return Answer(400) if int(asked.query["limit"][0]) > 200 else in_pages(10)(asked)

    assert listing(respond) == StudyListing(REFS)


class TestOffsetThatIsNotKnown:
    """The same page again and again: all of them, or the first of many?"""

    def same(self, count: int) -> Callable[[Asked], Answer]:
        return lambda _: dicom_json(*INSTANCES[:count])

    def test_all_are_there_if_the_study_has_no_more(self) -> None:
        assert listing(self.same(25), studies=dicom_json(a_study(25))) == StudyListing(REFS)

    def test_counts_are_what_can_be_compared_if_it_has_more(self) -> None:
        found = listing(self.same(10), dicom_json(*SERIES), dicom_json(a_study(25)))

        assert found == StudyListing(None, COUNTS)

    def test_nothing_is_believed_if_nothing_tells_how_many_there_are(self) -> None:
        with pytest.raises(PacsStatusError, match="limit, offset"):
            listing(self.same(10), studies=dicom_json(a_study("")))


def test_pages_that_overlap_are_compared_with_the_count() -> None:
    def respond(asked: Asked) -> Answer:
        start = max(int(asked.query["offset"][0]) - 2, 0)
        return dicom_json(*INSTANCES[start : start + 10])

    assert listing(respond, studies=dicom_json(a_study(25))).total == 25


def test_pacs_that_ends_its_pages_early_is_believed_by_counts() -> None:
    def respond(asked: Asked) -> Answer:
        return dicom_json(*INSTANCES[:20]) if asked.query["offset"] == ["0"] else dicom_json()

    assert listing(respond, dicom_json(*SERIES), dicom_json(a_study(25))) == StudyListing(None, COUNTS)


def test_results_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_assets.adapters.dicomweb.query.MOST_RESULTS", 100)

    def respond(asked: Asked) -> Answer:
        start = int(asked.query["offset"][0])
        return dicom_json(*(attributes(x0020000E="1.2", x00080018=f"1.{start + number}") for number in range(10)))

    with pytest.raises(PacsStatusError, match="without end"):
        listing(respond)


@pytest.mark.parametrize("status", [400, 404, 405, 413, 501])
def test_counts_by_series_serve_where_instances_are_not_listed(status: int) -> None:
    found = listing(lambda _: Answer(status), dicom_json(*SERIES), dicom_json(a_study(25)))

    assert found == StudyListing(None, COUNTS)


def test_count_of_the_study_serves_where_series_tell_none() -> None:
    series = dicom_json(attributes(x0020000E="1.2.5.0"))

    assert listing(lambda _: NOTHING, series, dicom_json(a_study(25))) == StudyListing(None, {"": 25})


def test_instances_without_their_series_are_not_enough() -> None:
    bare = [attributes(x00080018="1.2.6.1")]

    assert listing(lambda _: dicom_json(*bare), studies=dicom_json(a_study(1))) == StudyListing(None, {"": 1})


def test_instances_of_another_study_are_not_listed() -> None:
    strange = attributes(x0020000D="1.9", x0020000E="1.2.5.1", x00080018="1.2.6.999")

    def respond(asked: Asked) -> Answer:
        return dicom_json(*INSTANCES, strange) if asked.query["offset"] == ["0"] else dicom_json()

    assert listing(respond, studies=dicom_json(a_study(25))) == StudyListing(REFS)


@pytest.mark.parametrize("none", [dicom_json(), Answer(204), Answer(200), NOTHING], ids=["list", "204", "empty", "404"])
def test_study_that_is_not_there_is_an_empty_listing(none: Answer) -> None:
    studies = dicom_json() if none is NOTHING else none

    assert listing(lambda _: none, studies=studies) == StudyListing(())


def test_study_filter_that_is_not_heeded_finds_no_other_study() -> None:
    others = dicom_json(attributes(x0020000D="1.9", x00201208=3))

    assert listing(lambda _: NOTHING, studies=others) == StudyListing(())


def test_wrong_url_is_no_missing_study() -> None:
    with pytest.raises(PacsStatusError, match="STAGING_PACS_DICOMWEB_URL") as raised:
        listing(lambda _: NOTHING)

    assert not raised.value.blames_study
    assert STUDY not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(503), PacsAwayError),
        (Answer(401), PacsError),
        (Answer(500), PacsStatusError),
        (Answer(200, [b"<html>"]), PacsStatusError),
        (Answer(200, [b"{}"]), PacsStatusError),
        (Answer(200, [b"[1]"]), PacsStatusError),
        (Answer(200, [b"[" * 100_000]), PacsStatusError),
        (Answer(200, [b"\xff\xfe\x00"]), PacsStatusError),
        (Answer(200, [b"[" + b" " * 1000], framing="close"), PacsStatusError),
        (Answer(200, [b"[" + b" " * 1000 + b"]"], cut_after=500), PacsAwayError),
    ],
)
def test_other_answers_are_errors_without_values(answer: Answer, kind: type[PacsError]) -> None:
    with pytest.raises(kind) as raised:
        listing(lambda _: answer)

    assert STUDY not in str(raised.value)


def test_answer_that_fills_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_assets.adapters.dicomweb.client.LARGEST_ANSWER_BYTES", 1000)

    with pytest.raises(PacsStatusError, match="more than an answer can hold"):
        listing(in_pages(100))


@pytest.mark.parametrize("odd", [None, 4, "text", [], {"Value": []}, {"Value": [None]}, {"Value": {}}, {"Value": [{}]}])
def test_odd_attributes_are_as_good_as_none(odd: object) -> None:
    results = json.loads(json.dumps(INSTANCES))
    results[0]["00080018"] = odd

    def respond(asked: Asked) -> Answer:
        return dicom_json(*results) if asked.query["offset"] == ["0"] else dicom_json()

    assert listing(respond, studies=dicom_json(a_study(25))) == StudyListing(None, {"": 25})
