"""WADO-RS from servers that do what Orthanc does not."""

from __future__ import annotations

import gzip
import logging
import os
import threading
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread, dcmwrite

from dicom_assets.adapters.dicomweb import DicomwebStagingPacs, client
from dicom_assets.adapters.dicomweb.arrivals import sop_instance_uid_of
from dicom_assets.adapters.pacs.association import silence_dicom_libraries
from dicom_assets.adapters.pacs.canary import fetch_canary
from dicom_assets.adapters.pacs.inbox import DiskFloor
from dicom_assets.errors import ConfigurationError, PacsAwayError, PacsError, PacsStatusError, StorageError
from dicom_assets.study import IncomingFile, Piece, Retrieval
from dicom_assets_tests.adapters.dicomweb_peers import files_of, staging, web_node
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.receiving import Received
from dicom_assets_tests.scripted_pacs import CANARY
from dicom_assets_tests.small_studies import small_study
from dicom_assets_tests.web_server import Answer, Asked, attributes, dicom_json, related, web_server

STUDY = small_study(41, "pulled by WADO-RS")
FILES = files_of(STUDY)
UIDS = list(FILES)
WHOLE = Retrieval(STUDY.study_uid)
SERIES = STUDY.series[0].uid
SYNTAXES = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"]


def pulled(answer: Answer, retrieval: Retrieval = WHOLE) -> Received:
    arrived = Received()
    with staging(lambda _: answer) as (pacs, _):
        pacs.retrieve(retrieval, arrived.receive)
    return arrived


def failing(
    answer: Answer, kind: type[PacsError] = PacsError, finally_do: Callable[[], None] = lambda: None
) -> PacsError:
    with staging(lambda _: answer) as (pacs, _):
        try:
            with pytest.raises(kind) as raised:
                pacs.retrieve(WHOLE, Received().receive)
        finally:
            finally_do()
    said = str(raised.value)
    assert not any(uid in said for uid in (STUDY.study_uid, SERIES, *UIDS))
    return raised.value


def body_of(answer: Answer) -> bytes:
    return b"".join(answer.pieces)


def in_slices(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_instances_arrive_byte_for_byte_however_the_answer_is_framed(counted: bool, framing: str) -> None:
    answer = related(*FILES.values(), counted=counted)

    assert pulled(Answer(200, in_slices(body_of(answer), 1000), answer.headers, framing)) == FILES


def test_slow_peer_that_sends_byte_by_byte_is_waited_for() -> None:
    answer = related(FILES[UIDS[0]][:400], counted=False)
    sliced = in_slices(body_of(answer), 1)

    assert pulled(Answer(200, sliced, answer.headers, "chunked")) == {UIDS[0]: FILES[UIDS[0]][:400]}


def test_partial_content_is_taken_for_what_it_holds() -> None:
    assert set(pulled(related(FILES[UIDS[0]], status=206))) == {UIDS[0]}


def test_compressed_answer_is_decompressed() -> None:
    answer = related(*FILES.values())
    packed = gzip.compress(body_of(answer))

    assert pulled(Answer(200, [packed], {**answer.headers, "Content-Encoding": "gzip"})) == FILES


def test_answer_is_asked_for_as_it_is_stored() -> None:
    with staging(lambda _: related()) as (pacs, server):
        pacs.retrieve(WHOLE, Received().receive)

    [asked] = server.asked
    assert asked.path == f"/studies/{STUDY.study_uid}"
    assert asked.headers["accept"] == 'multipart/related; type="application/dicom"; transfer-syntax=*'
    assert asked.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("retrieval", "paths"),
    [
        (Retrieval("1.2", "1.3"), ["/studies/1.2/series/1.3"]),
        (
            Retrieval("1.2", "1.3", ("1.4", "1.5")),
            ["/studies/1.2/series/1.3/instances/1.4", "/studies/1.2/series/1.3/instances/1.5"],
        ),
    ],
)
def test_series_and_instances_are_asked_for_by_themselves(retrieval: Retrieval, paths: list[str]) -> None:
    with staging(lambda _: Answer(404)) as (pacs, server):
        pacs.retrieve(retrieval, Received().receive)

    assert [asked.path for asked in server.asked] == paths


def test_instance_that_is_not_there_does_not_keep_the_next_from_coming() -> None:
    def respond(asked: Asked) -> Answer:
        return Answer(404) if asked.path.endswith(UIDS[0]) else related(FILES[UIDS[1]])

    arrived = Received()
    with staging(respond) as (pacs, _):
        pacs.retrieve(Retrieval(STUDY.study_uid, SERIES, tuple(UIDS[:2])), arrived.receive)

    assert set(arrived) == {UIDS[1]}


def test_single_file_without_multipart_is_taken() -> None:
    content = FILES[UIDS[0]]

    assert pulled(Answer(200, in_slices(content, 50), {"Content-Type": "application/dicom"})) == {UIDS[0]: content}


def test_single_file_whose_end_nothing_tells_is_refused() -> None:
    answer = Answer(200, [FILES[UIDS[0]]], {"Content-Type": "application/dicom"}, framing="close")

    assert "something else than multipart/related" in str(failing(answer, PacsStatusError))


@pytest.mark.parametrize("status", [204, 404, 410])
def test_nothing_there_is_nothing_arrived(status: int) -> None:
    with staging(lambda _: Answer(status)) as (pacs, _):
        assert pacs.retrieve(WHOLE, no_instance) == f"it answered WADO-RS with HTTP status {status}"


def test_canary_that_is_listed_and_not_handed_over_is_told() -> None:
    listed = attributes(x0020000D=CANARY.study_uid, x0020000E="1.2", x00080018=CANARY.sop_instance_uid)

    def respond(asked: Asked) -> Answer:
        if asked.path.endswith("/instances"):
            return dicom_json(listed) if asked.query["offset"] == ["0"] else dicom_json()
        return Answer(404)

    with staging(respond) as (pacs, _), pytest.raises(ConfigurationError, match="HTTP status 404: see its own log"):
        fetch_canary(pacs, CANARY.study_uid)


def test_parts_that_name_no_instance_are_told() -> None:
    with staging(lambda _: related(b"This is no DICOM file." * 30)) as (pacs, _):
        said = pacs.retrieve(WHOLE, no_instance)

    assert said == "1 part(s) of its answer to WADO-RS do not say which instance they are"


def no_instance(_uid: str) -> IncomingFile:
    raise AssertionError("an instance arrived")


class TestTruncated:
    @pytest.mark.parametrize("framing", ["length", "chunked", "close"])
    @pytest.mark.parametrize("counted", [True, False])
    def test_instance_that_was_cut_off_is_dropped_and_those_before_it_kept(self, framing: str, counted: bool) -> None:
        first, second = FILES[UIDS[0]], FILES[UIDS[1]]
        answer = related(first, second, counted=counted)
        whole = body_of(answer)
        arrived = Received()
        cut = Answer(200, [whole], answer.headers, framing, cut_after=whole.index(second) + len(second) // 2)

        with staging(lambda _: cut) as (pacs, _), pytest.raises(PacsAwayError, match="broke off WADO-RS") as raised:
            pacs.retrieve(WHOLE, arrived.receive)

        assert arrived == {UIDS[0]: first}
        assert UIDS[1] not in str(raised.value)

    def test_answer_without_its_last_delimiter_is_truncated_though_all_parts_came(self) -> None:
        answer = related(FILES[UIDS[0]])
        cut = body_of(answer)[:-4]

        failing(Answer(200, [cut], answer.headers), PacsAwayError)

    def test_connection_lost_before_the_answer_is_worth_another_try(self) -> None:
        assert "broke off WADO-RS" in str(failing(Answer(hang_up=True), PacsAwayError))


class TestRefused:
    @pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
    def test_pacs_that_is_away_for_now_says_so(self, status: int) -> None:
        error = failing(Answer(status, headers={"Retry-After": "17"}), PacsAwayError)

        assert f"HTTP status {status}, to be asked again in 17 s" in str(error)

    @pytest.mark.parametrize("retry_after", ["soon 1.2.3", "-4", "99999999999", ""])
    def test_odd_retry_after_is_not_quoted(self, retry_after: str) -> None:
        error = failing(Answer(503, headers={"Retry-After": retry_after}), PacsAwayError)

        assert "to be asked again" not in str(error)

    @pytest.mark.parametrize("status", [401, 403])
    def test_missing_rights_name_the_settings(self, status: int) -> None:
        error = failing(Answer(status, headers={"WWW-Authenticate": "Basic"}))

        assert not isinstance(error, (PacsAwayError, PacsStatusError))
        assert "STAGING_PACS_DICOMWEB_USER" in str(error)

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_redirects_are_not_followed(self, status: int) -> None:
        with web_server(lambda _: related()) as elsewhere:
            error = failing(Answer(status, headers={"Location": f"{elsewhere.url}/studies/{STUDY.study_uid}"}))

        assert elsewhere.asked == []
        assert "STAGING_PACS_DICOMWEB_URL" in str(error)

    @pytest.mark.parametrize(("status", "blames_study"), [(500, True), (400, False), (406, False), (501, False)])
    def test_other_statuses_are_told(self, status: int, blames_study: bool) -> None:
        error = failing(Answer(status, [STUDY.study_uid.encode()]), PacsStatusError)

        assert isinstance(error, PacsStatusError)
        assert (error.status, error.blames_study) == (status, blames_study)

    @pytest.mark.parametrize("content_type", ["text/html", "multipart/related", "", "application/zip", ";;;"])
    def test_other_contents_are_refused(self, content_type: str) -> None:
        error = failing(Answer(200, [b"<html>"], {"Content-Type": content_type}), PacsStatusError)

        assert "something else than multipart/related" in str(error)

    def test_parts_that_break_their_own_rules_are_refused(self) -> None:
        answer = related(FILES[UIDS[0]])
        body = body_of(answer).replace(b"Content-Length: ", b"Content-Length: 1")

        assert "breaks its own rules" in str(failing(Answer(200, [body + b"x" * 10**6], answer.headers)))

    @pytest.mark.parametrize("encoding", ["br", "gzip, gzip"])
    def test_encoding_that_nobody_asked_for_is_refused(self, encoding: str) -> None:
        answer = related(FILES[UIDS[0]])

        failing(Answer(200, answer.pieces, {**answer.headers, "Content-Encoding": encoding}), PacsStatusError)

    def test_content_that_can_not_be_decompressed_is_refused(self) -> None:
        answer = related(FILES[UIDS[0]])

        failing(Answer(200, answer.pieces, {**answer.headers, "Content-Encoding": "gzip"}), PacsStatusError)


class TestAway:
    def test_nobody_listens(self) -> None:
        pacs = DicomwebStagingPacs(web_node(f"http://127.0.0.1:{free_port()}/x"))
        with pacs, pytest.raises(PacsAwayError, match=r"Nothing answers at http://127.0.0.1:.*_DICOMWEB_URL"):
            pacs.retrieve(WHOLE, Received().receive)

    def test_host_that_does_not_exist(self) -> None:
        pacs = DicomwebStagingPacs(web_node("http://pacs.invalid/x"))
        with pacs, pytest.raises(PacsAwayError, match="Nothing answers at"):
            pacs.retrieve(WHOLE, Received().receive)

    def test_pacs_that_falls_silent_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "SILENCE_TIMEOUT_SECONDS", 0.1)
        answer = related(FILES[UIDS[0]])
        done = threading.Event()

        def pieces() -> Iterator[bytes]:
            yield body_of(answer)[:1000]
            done.wait(30)

        error = failing(Answer(200, pieces(), answer.headers, "chunked"), PacsAwayError, finally_do=done.set)

        assert "fell silent during WADO-RS in time" in str(error)

    def test_pacs_that_goes_on_behind_the_last_part_is_not_listened_to(self) -> None:
        answer = related(*FILES.values())
        done = threading.Event()

        def pieces() -> Iterator[bytes]:
            yield body_of(answer)
            while not done.is_set():
                yield bytes(1 << 16)

        try:
            assert pulled(Answer(200, pieces(), answer.headers, "chunked")) == FILES
        finally:
            done.set()

    def test_pacs_that_trickles_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "PACE_SECONDS", 0.05)
        answer = related(FILES[UIDS[0]])
        done = threading.Event()

        def pieces() -> Iterator[bytes]:
            yield body_of(answer)[:1000]
            while not done.wait(0.02):
                yield b"x"

        error = failing(Answer(200, pieces(), answer.headers, "chunked"), PacsAwayError, finally_do=done.set)

        assert "too slowly" in str(error)


class TestNaming:
    """A part is named by what its first bytes say."""

    @pytest.mark.parametrize("uid", UIDS[:1] + UIDS[-1:])
    def test_head_that_is_cut_anywhere_names_the_instance_or_asks_for_more(self, uid: str) -> None:
        head = FILES[uid][:1000]
        named = [sop_instance_uid_of(head[:end], is_all=False) for end in range(len(head))]

        assert set(named) == {None, uid}
        assert named == sorted(named, key=lambda name: name is not None)

    @pytest.mark.parametrize("syntax", [*SYNTAXES, "1.2.840.10008.1.2.1.99"])
    @pytest.mark.parametrize("size", [1, 200, 100_000])
    def test_instance_is_named_by_its_data_set_in_any_syntax_and_cut(self, syntax: str, size: int) -> None:
        content = rewritten(FILES[UIDS[0]], syntax).replace(UIDS[0].encode(), b"1" * len(UIDS[0]), 1)
        answer = related(content)

        sliced = Answer(200, in_slices(body_of(answer), size), answer.headers, "chunked")

        assert pulled(sliced) == {UIDS[0]: content}

    def test_instance_whose_data_set_can_not_be_read_is_named_by_its_meta_information(self) -> None:
        length = int.from_bytes(FILES[UIDS[0]][140:144], "little")
        garbled = FILES[UIDS[0]][: 144 + length] + b"This is no data set. " * 20_000

        assert pulled(related(garbled)) == {UIDS[0]: garbled}

    def test_file_without_preamble_is_taken(self) -> None:
        content = FILES[UIDS[0]]
        bare = content[144 + int.from_bytes(content[140:144], "little") :]

        assert pulled(related(bare)) == {UIDS[0]: bare}

    def test_parts_that_are_no_dicom_files_arrive_nowhere(self) -> None:
        strange = (b"This is no DICOM file." * 30, b"DICM", b"", b"\0" * 300_000, b"\0" * 128 + b"DICM")

        assert pulled(related(*strange, *FILES.values())) == FILES

    def test_uid_that_breaks_the_rules_for_uids_is_a_name_like_any(self) -> None:
        content = FILES[UIDS[0]].replace(UIDS[0].encode(), b"ad111191-".ljust(len(UIDS[0]), b"x"))

        assert list(pulled(related(content))) == ["ad111191-".ljust(len(UIDS[0]), "x")]

    @pytest.mark.parametrize("uid", [b"", b"1.2\\1.3", b"1.2 1.3", b"\xff\xfe", b"1.2\r\n1.3"])
    def test_instance_without_one_name_arrives_nowhere(self, uid: bytes) -> None:
        content = FILES[UIDS[0]].replace(UIDS[0].encode(), uid.ljust(len(UIDS[0]), b"\0"))

        assert pulled(related(content, *FILES.values())) == FILES


class Failing:
    """A disk that is full after some bytes."""

    def __init__(self) -> None:
        self.dropped = 0

    def receive(self, _uid: str) -> IncomingFile:
        return self

    def write(self, piece: Piece, /) -> None:
        raise StorageError("full")

    def keep(self) -> None:
        raise AssertionError("kept what was not written")

    def drop(self) -> None:
        self.dropped += 1


def test_full_disk_ends_the_transfer_and_leaves_nothing() -> None:
    disk = Failing()
    with staging(lambda _: related(*FILES.values())) as (pacs, _), pytest.raises(StorageError):
        pacs.retrieve(WHOLE, disk.receive)

    assert disk.dropped == 1


def test_large_instance_is_never_held_in_memory() -> None:
    head = FILES[UIDS[0]]
    block = bytes(1 << 16)
    size = 200 * len(block)

    class Counting(Failing):
        written = 0

        def write(self, piece: Piece, /) -> None:
            self.written += len(piece)

        def keep(self) -> None:
            return

    def pieces() -> Iterator[bytes]:
        yield body_of(related(head)).partition(b"\r\n\r\n")[0].replace(b"Content-Length", b"X-Length")
        yield b"\r\n\r\n" + head
        yield from (block for _ in range(200))
        yield b"\r\n--b0undary--"

    counted = Counting()
    with staging(lambda _: Answer(200, pieces(), related().headers, "chunked")) as (pacs, _):
        tracemalloc.start()
        try:
            pacs.retrieve(WHOLE, counted.receive)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert counted.written == size + len(head)
    assert peak < 4_000_000


class TestCredentials:
    def test_basic_credentials_are_sent_and_no_secret_is_said(self, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_text("sentinel-password\n")

        def respond(asked: Asked) -> Answer:
            return related() if asked.headers.get("authorization") == expected else Answer(401)

        expected = "Basic " + b64encode(b"sentinel-user:sentinel-password").decode()
        with staging(respond, user="sentinel-user", password_file=str(file)) as (pacs, server):
            pacs.retrieve(WHOLE, Received().receive)
            assert len(server.asked) == 1
            file.write_text("another")
            with pytest.raises(PacsError, match="HTTP status 401") as raised:
                pacs.retrieve(WHOLE, Received().receive)

        assert "sentinel" not in str(raised.value)

    def test_token_that_was_renewed_is_read_after_a_401(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("old")
        stamp = file.stat()

        def respond(asked: Asked) -> Answer:
            if asked.headers["authorization"] == "Bearer new":
                return related(*FILES.values())
            file.write_text("new")
            os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
            return Answer(401)

        arrived = Received()
        with staging(respond, token_file=str(file)) as (pacs, server):
            pacs.retrieve(WHOLE, arrived.receive)

        assert arrived == FILES
        assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer old", "Bearer new"]

    def test_token_that_did_not_change_is_not_tried_again(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("old")
        with staging(lambda _: Answer(401), token_file=str(file)) as (pacs, server), pytest.raises(PacsError):
            pacs.retrieve(WHOLE, Received().receive)

        assert len(server.asked) == 1

    def test_token_file_that_is_not_there_is_told_before_anything_is_asked(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="STAGING_PACS_DICOMWEB_TOKEN_FILE"):
            DicomwebStagingPacs(web_node("https://pacs.invalid", token_file=str(tmp_path / "token")))

    def test_token_file_that_goes_away_is_a_matter_of_configuration(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("old")
        with staging(lambda _: related(), token_file=str(file)) as (pacs, server):
            file.unlink()
            with pytest.raises(ConfigurationError, match="STAGING_PACS_DICOMWEB_TOKEN_FILE"):
                pacs.retrieve(WHOLE, Received().receive)

        assert server.asked == []


def test_connections_are_used_again_and_never_more_than_allowed() -> None:
    barrier = threading.Barrier(2, timeout=30)

    def respond(_: Asked) -> Answer:
        barrier.wait()
        return related(FILES[UIDS[0]])

    with staging(respond, max_connections=2) as (pacs, server), ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: pacs.retrieve(WHOLE, Received().receive), range(6)))

    assert len(server.asked) == 6
    assert len(server.clients) == 2


def test_libraries_log_no_address(caplog: pytest.LogCaptureFixture) -> None:
    silence_dicom_libraries()
    caplog.set_level(logging.DEBUG)

    pulled(related(*FILES.values()))

    assert caplog.records == []


def rewritten(content: bytes, syntax: str) -> bytes:
    """The file without pixels, in another transfer syntax."""
    ds = dcmread(BytesIO(content))
    del ds.PixelData
    ds.file_meta.TransferSyntaxUID = syntax
    written = BytesIO()
    dcmwrite(written, ds, enforce_file_format=True)
    return written.getvalue()


def test_nothing_is_taken_in_while_the_disk_is_short_of_room(tmp_path: Path) -> None:
    arrived = Received()
    with web_server(lambda _: related(*FILES.values())) as server:
        pacs = DicomwebStagingPacs(web_node(server.url), DiskFloor(tmp_path, min_free_bytes=1 << 60))
        with pacs, pytest.raises(StorageError, match="MIN_FREE_DISK_MEGABYTES"):
            pacs.retrieve(WHOLE, arrived.receive)

    assert arrived == {}
