"""STOW-RS to servers that do what Orthanc does not."""

from __future__ import annotations

import json
import threading
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dicom_assets.adapters.dicomweb import store as store_module
from dicom_assets.adapters.dicomweb.multipart import MultipartParser, boundary_of
from dicom_assets.adapters.dicomweb.stow_answer import UnreadableAnswerError, read_stow_answer
from dicom_assets.adapters.dicomweb.stow_body import PIECE_BYTES, StowBody
from dicom_assets.errors import ChangedContentError, PacsAwayError, PacsError, PacsStatusError
from dicom_assets.study import OutgoingInstance, StoreOutcome
from dicom_assets_tests.adapters.dicomweb_peers import files_of, outgoing, research
from dicom_assets_tests.adapters.test_dicomweb_multipart import Parts
from dicom_assets_tests.small_studies import small_study
from dicom_assets_tests.web_server import Answer, Asked, Respond

FILES = files_of(small_study(42, "published by STOW-RS"))
UIDS = list(FILES)


@pytest.fixture
def items(tmp_path: Path) -> list[OutgoingInstance]:
    return outgoing(tmp_path, FILES)


def sent(asked: Asked) -> list[bytes]:
    """The files in a request."""
    parts = Parts()
    parser = MultipartParser(boundary_of(asked.headers["content-type"]) or b"", parts)
    parser.feed(asked.body)
    parser.close()
    assert all(headers["content-type"] == "application/dicom" for headers in parts.headers)
    return parts.contents


def uids_in(asked: Asked) -> list[str]:
    contents = sent(asked)
    return [uid for uid in UIDS if FILES[uid] in contents]


def stow_json(stored: Sequence[str] = (), failed: Mapping[str, int] | None = None) -> dict[str, Any]:
    """An answer's data set; a stored instance carries a warning, as some do."""
    referenced = [
        {"00081155": {"vr": "UI", "Value": [uid]}, "00081196": {"vr": "US", "Value": [0xB000]}} for uid in stored
    ]
    failures = [
        {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}}
        for uid, reason in (failed or {}).items()
    ]
    return {"00081199": {"vr": "SQ", "Value": referenced}, "00081198": {"vr": "SQ", "Value": failures}}


def stow_xml(stored: Sequence[str], failed: Mapping[str, int]) -> str:
    def item(number: int, uid: str, more: str = "") -> str:
        reference = f'<DicomAttribute tag="00081155" vr="UI"><Value number="1">{uid}</Value></DicomAttribute>'
        return f'<Item number="{number}">{reference}{more}</Item>'

    def reason(value: int) -> str:
        return f'<DicomAttribute tag="00081197" vr="US"><Value number="1">{value}</Value></DicomAttribute>'

    good = "".join(item(number, uid) for number, uid in enumerate(stored, 1))
    bad = "".join(item(number, uid, reason(value)) for number, (uid, value) in enumerate(failed.items(), 1))
    return (
        '<?xml version="1.0"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
        f'<DicomAttribute tag="00081199" vr="SQ">{good}</DicomAttribute>'
        f'<DicomAttribute tag="00081198" vr="SQ">{bad}</DicomAttribute></NativeDicomModel>'
    )


def answer_of(ds: object, status: int = 200) -> Answer:
    return Answer(status, [json.dumps(ds).encode()], {"Content-Type": "application/dicom+json"})


def all_stored(asked: Asked) -> Answer:
    return answer_of(stow_json(uids_in(asked)))


def outcomes_of(respond: Respond, items: Sequence[OutgoingInstance]) -> dict[str, StoreOutcome]:
    with research(respond) as (pacs, _):
        return {outcome.sop_instance_uid: outcome for outcome in pacs.store(items)}


def problems_of(respond: Respond, items: Sequence[OutgoingInstance]) -> dict[str, tuple[str, bool]]:
    """SOP Instance UID to problem and whether it may pass, of those with one."""
    outcomes = outcomes_of(respond, items)
    assert outcomes.keys() == FILES.keys()
    return {uid: (one.problem, one.retriable) for uid, one in outcomes.items() if one.problem}


def test_all_instances_go_in_one_request_byte_for_byte(items: list[OutgoingInstance]) -> None:
    with research(all_stored) as (pacs, server):
        outcomes = list(pacs.store(items))
        assert pacs.commit(items) is None

    [asked] = server.asked
    assert asked.path == "/studies"
    assert sent(asked) == list(FILES.values())
    assert asked.headers["content-length"] == str(len(asked.body))
    assert "transfer-encoding" not in asked.headers
    assert not any(outcome.problem for outcome in outcomes)


def test_nothing_to_send_is_nothing_asked() -> None:
    with research(all_stored) as (pacs, server):
        assert list(pacs.store([])) == []

    assert server.asked == []


@pytest.mark.parametrize("reason", [0xA700, 0xA7FF, 0x0122, 0xA900, 0xC000, 0x0110])
def test_instance_that_was_refused_is_told_with_its_reason(items: list[OutgoingInstance], reason: int) -> None:
    problems = problems_of(lambda _: answer_of(stow_json(UIDS[1:], {UIDS[0]: reason}), 202), items)

    assert problems == {UIDS[0]: (f"refused with reason 0x{reason:04X}", reason & 0xFF00 == 0xA700)}


def test_refusal_without_a_reason_is_a_processing_failure(items: list[OutgoingInstance]) -> None:
    ds = stow_json(UIDS[1:], {UIDS[0]: 1})
    del ds["00081198"]["Value"][0]["00081197"]

    assert problems_of(lambda _: answer_of(ds, 202), items) == {UIDS[0]: ("refused with reason 0x0110", False)}


def test_all_refused_by_409_are_told_one_by_one(items: list[OutgoingInstance]) -> None:
    problems = problems_of(lambda _: answer_of(stow_json((), dict.fromkeys(UIDS, 0xC000)), 409), items)

    assert problems == dict.fromkeys(UIDS, ("refused with reason 0xC000", False))


def test_instance_that_the_answer_does_not_mention_may_be_sent_again(items: list[OutgoingInstance]) -> None:
    problems = problems_of(lambda _: answer_of(stow_json(UIDS[2:])), items)

    assert problems == dict.fromkeys(UIDS[:2], ("not mentioned in the answer", True))


def test_instance_that_was_stored_and_refused_was_refused(items: list[OutgoingInstance]) -> None:
    problems = problems_of(lambda _: answer_of(stow_json(UIDS, {UIDS[0]: 0xA700})), items)

    assert problems == {UIDS[0]: ("refused with reason 0xA700", True)}


@pytest.mark.parametrize("wrap", [lambda ds: [ds], lambda ds: ds], ids=["list", "bare"])
def test_answer_may_be_in_a_list(items: list[OutgoingInstance], wrap: Callable[[object], object]) -> None:
    assert problems_of(lambda _: answer_of(wrap(stow_json(UIDS))), items) == {}


def test_answer_in_xml_is_read_as_well(items: list[OutgoingInstance]) -> None:
    text = stow_xml(UIDS[1:], {UIDS[0]: 0xA700})

    problems = problems_of(lambda _: Answer(202, [text.encode()], {"Content-Type": "application/dicom+xml"}), items)

    assert problems == {UIDS[0]: ("refused with reason 0xA700", True)}


def test_empty_answer_to_success_stores_nothing_for_sure(items: list[OutgoingInstance]) -> None:
    assert problems_of(lambda _: Answer(200), items) == dict.fromkeys(UIDS, ("not mentioned in the answer", True))


class TestRequests:
    def test_instances_are_spread_over_requests_of_limited_size(
        self, items: list[OutgoingInstance], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_module, "REQUEST_BYTES", items[0].size_bytes + items[1].size_bytes)
        with research(all_stored, max_connections=2) as (pacs, server):
            outcomes = list(pacs.store(items))

        assert len(outcomes) == len(items)
        assert not any(outcome.problem for outcome in outcomes)
        assert len(server.asked) >= len(items) // 2
        assert len(server.clients) <= 2

    def test_several_requests_are_under_way_at_once(
        self, items: list[OutgoingInstance], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_module, "REQUEST_INSTANCES", 1)
        together = threading.Barrier(2, timeout=30)

        def respond(asked: Asked) -> Answer:
            together.wait()
            return all_stored(asked)

        with research(respond, max_connections=2) as (pacs, _):
            assert len(list(pacs.store(items[:4]))) == 4

    def test_request_that_is_too_large_is_halved_until_it_is_not(self, items: list[OutgoingInstance]) -> None:
        largest = max(len(content) for content in FILES.values())

        def respond(asked: Asked) -> Answer:
            return Answer(413) if len(asked.body) > largest + 1000 else all_stored(asked)

        assert problems_of(respond, items) == {}

    @pytest.mark.parametrize(("status", "retriable"), [(400, False), (409, False), (413, False), (500, True)])
    def test_instance_that_spoils_a_request_is_found_and_the_others_stored(
        self, items: list[OutgoingInstance], status: int, retriable: bool
    ) -> None:
        def respond(asked: Asked) -> Answer:
            return Answer(status, [b"<html>"]) if UIDS[3] in uids_in(asked) else all_stored(asked)

        assert problems_of(respond, items) == {UIDS[3]: (f"refused with HTTP status {status}", retriable)}


class TestFailures:
    def failing(self, respond: Respond, items: Sequence[OutgoingInstance], kind: type[PacsError]) -> str:
        with research(respond) as (pacs, _), pytest.raises(kind) as raised:
            list(pacs.store(items))
        assert not any(uid in str(raised.value) for uid in UIDS)
        return str(raised.value)

    @pytest.mark.parametrize("status", [429, 503, 507])
    def test_pacs_that_is_away_or_full_for_now(self, items: list[OutgoingInstance], status: int) -> None:
        assert f"HTTP status {status}" in self.failing(lambda _: Answer(status), items, PacsAwayError)

    @pytest.mark.parametrize("status", [401, 403])
    def test_missing_rights_name_the_settings(self, items: list[OutgoingInstance], status: int) -> None:
        assert "RESEARCH_PACS_DICOMWEB_USER" in self.failing(lambda _: Answer(status), items, PacsError)

    @pytest.mark.parametrize("status", [404, 405, 501])
    def test_pacs_without_stow(self, items: list[OutgoingInstance], status: int) -> None:
        assert "RESEARCH_PACS_DICOMWEB_URL" in self.failing(lambda _: Answer(status), items, PacsStatusError)

    def test_answer_that_is_none(self, items: list[OutgoingInstance]) -> None:
        said = self.failing(lambda _: Answer(200, [UIDS[0].encode()]), items, PacsStatusError)

        assert "something else than DICOM JSON or XML" in said

    def test_connection_lost_on_the_way(self, items: list[OutgoingInstance]) -> None:
        assert "broke off STOW-RS" in self.failing(lambda _: Answer(hang_up=True), items, PacsAwayError)

    def test_what_was_answered_before_a_failure_is_told(
        self, items: list[OutgoingInstance], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_module, "REQUEST_INSTANCES", 1)
        told: list[str] = []

        def respond(asked: Asked) -> Answer:
            return Answer(503) if uids_in(asked) == [UIDS[2]] else all_stored(asked)

        with research(respond, max_connections=1) as (pacs, server), pytest.raises(PacsAwayError):
            told.extend(outcome.sop_instance_uid for outcome in pacs.store(items))

        answered = {uid for asked in server.asked for uid in uids_in(asked)} - {UIDS[2]}
        assert set(told) == answered >= set(UIDS[:2])

    def test_changed_file_is_not_sent(self, items: list[OutgoingInstance]) -> None:
        items[0].path.write_bytes(b"something else")
        with research(all_stored) as (pacs, server), pytest.raises(ChangedContentError):
            list(pacs.store(items))

        assert server.asked == []


def test_body_is_sent_again_after_a_401_with_a_new_token(items: list[OutgoingInstance], tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")

    def respond(asked: Asked) -> Answer:
        if asked.headers["authorization"] == "Bearer new=":
            return all_stored(asked)
        token.write_text("new=")
        return Answer(401)

    with research(respond, token_file=str(token)) as (pacs, server):
        assert not any(outcome.problem for outcome in pacs.store(items))

    assert [sent(asked) for asked in server.asked] == [list(FILES.values())] * 2


def test_large_instance_is_never_held_in_memory(tmp_path: Path) -> None:
    [item] = outgoing(tmp_path, {"1.2": bytes(30_000_000)})

    tracemalloc.start()
    try:
        body = StowBody([item])
        assert sum(map(len, body)) == int(body.headers["Content-Length"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 * PIECE_BYTES


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[[]]",
        b"12",
        b"<html></html>",
        b"<NativeDicomModel>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><NativeDicomModel>&a;</NativeDicomModel>',
        b"\xff\xff",
    ],
)
def test_other_texts_are_no_answers(content: bytes) -> None:
    with pytest.raises(UnreadableAnswerError) as raised:
        read_stow_answer(content)

    assert len(str(raised.value)) < 40


@pytest.mark.parametrize("odd", [None, [], {"Value": None}, {"Value": [1, None]}, {"Value": [{"00081155": None}]}])
def test_odd_sequences_mention_nothing(odd: object) -> None:
    assert read_stow_answer(json.dumps({"00081199": odd, "00081198": odd}).encode()).is_empty
