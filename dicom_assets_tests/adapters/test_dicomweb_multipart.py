"""multipart/related taken apart, however it is cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_assets.adapters.dicomweb.multipart import (
    LARGEST_HEADERS_BYTES,
    MultipartError,
    MultipartParser,
    TruncatedMultipartError,
    boundary_of,
)

BOUNDARY = b"-=b0und"
TRICKY = [b"\r", b"\n", b"-", b"\r\n", b"--", b"\r\n--", BOUNDARY, b"\r\n--" + BOUNDARY[:-1], b"\r\n\r\n", b"x", b"\0"]


class Parts:
    """Keeps what it is handed."""

    def __init__(self) -> None:
        self.headers: list[Mapping[str, str]] = []
        self.contents: list[bytes] = []
        self.ended = 0

    def begin(self, headers: Mapping[str, str], /) -> None:
        assert self.ended == len(self.contents)
        self.headers.append(headers)
        self.contents.append(b"")

    def data(self, piece: memoryview, /) -> None:
        assert len(piece)
        self.contents[-1] += piece

    def end(self) -> None:
        self.ended += 1


def body(contents: Sequence[tuple[bytes, bool]], preamble: bytes = b"", padding: bytes = b"") -> bytes:
    """A multipart content; each part with or without a Content-Length."""
    delimiter = b"--" + BOUNDARY
    text = preamble
    for content, is_counted in contents:
        length = b"Content-Length: %d\r\n" % len(content) if is_counted else b""
        text += b"\r\n" * bool(text) + delimiter + padding + b"\r\nContent-Type: application/dicom\r\n" + length
        text += b"\r\n" + content
    return text + b"\r\n" + delimiter + b"--"


def parsed(chunks: Iterable[bytes]) -> Parts:
    parts = Parts()
    parser = MultipartParser(BOUNDARY, parts)
    for chunk in chunks:
        parser.feed(chunk)
    parser.close()
    return parts


def cut(text: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({place % (len(text) + 1) for place in places} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


contents = st.lists(st.sampled_from(TRICKY), max_size=12).map(b"".join).filter(lambda c: b"--" + BOUNDARY not in c)
parts_of_any_kind = st.lists(st.tuples(contents, st.booleans()), min_size=1, max_size=4)


@given(parts_of_any_kind, st.lists(st.integers(0, 1000), max_size=20), st.sampled_from([b"", b" ", b"\t  "]))
def test_parts_are_the_same_wherever_the_stream_is_cut(
    wanted: list[tuple[bytes, bool]], places: list[int], padding: bytes
) -> None:
    text = body(wanted, preamble=b"This is a preamble\r\n-- of it", padding=padding) + b"\r\nan epilogue"

    parts = parsed(cut(text, places))

    assert parts.contents == [content for content, _ in wanted]
    assert parts.ended == len(wanted)
    assert all(headers["content-type"] == "application/dicom" for headers in parts.headers)


@pytest.mark.parametrize("is_counted", [True, False])
def test_a_boundary_may_be_split_at_every_byte(is_counted: bool) -> None:
    wanted = [(b"\r\n--first\r\n--" + BOUNDARY[:3], is_counted), (b"second\r", is_counted)]
    text = body(wanted)

    for place in range(len(text)):
        assert parsed([text[:place], text[place:]]).contents == [content for content, _ in wanted]
    assert parsed([bytes([byte]) for byte in text]).contents == [content for content, _ in wanted]


@given(parts_of_any_kind, st.integers(0, 10_000))
def test_every_shortened_stream_is_found_to_be_truncated(wanted: list[tuple[bytes, bool]], place: int) -> None:
    text = body(wanted)
    shortened = text[: place % len(text)]

    with pytest.raises(TruncatedMultipartError):
        parsed([shortened])


@given(parts_of_any_kind, st.integers(0, 10_000))
def test_no_part_of_a_shortened_stream_is_whole_before_its_delimiter_was_seen(
    wanted: list[tuple[bytes, bool]], place: int
) -> None:
    text = body(wanted)
    parts = Parts()

    MultipartParser(BOUNDARY, parts).feed(text[: place % len(text)])

    assert parts.contents[: parts.ended] == [content for content, _ in wanted][: parts.ended]


@given(st.lists(st.sampled_from([*TRICKY, b"--" + BOUNDARY, b"Content-Length: 3\r\n"]), max_size=30).map(b"".join))
def test_garbage_ends_in_parts_or_in_an_error_of_ours(text: bytes) -> None:
    try:
        parts = parsed([text])
    except MultipartError:
        return
    assert parts.ended == len(parts.contents)


@pytest.mark.parametrize("told", [0, 3, 5, 400])
def test_a_wrong_content_length_is_no_whole_part(told: int) -> None:
    text = body([(b"four", True)]).replace(b"Content-Length: 4", b"Content-Length: %d" % told)
    parts = Parts()
    parser = MultipartParser(BOUNDARY, parts)

    with pytest.raises(MultipartError):
        (parser.feed(text), parser.close())

    assert parts.ended == 0


@pytest.mark.parametrize("told", [b"", b"many", b"-4", b"4, 4", "٤".encode(), b"9" * 30])
def test_a_content_length_that_is_no_number_is_not_used(told: bytes) -> None:
    text = body([(b"four", True)]).replace(b"Content-Length: 4", b"Content-Length: " + told)

    assert parsed([text]).contents == [b"four"]


def test_a_part_without_any_header_is_a_part() -> None:
    assert parsed([b"--" + BOUNDARY + b"\r\n\r\ncontent\r\n--" + BOUNDARY + b"--"]).contents == [b"content"]


@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n"])
@pytest.mark.parametrize("empty_line", [b"\r\n", b""])
def test_a_part_without_any_content_is_a_part(length: bytes, empty_line: bytes) -> None:
    part = b"--" + BOUNDARY + b"\r\nA: b\r\n" + length + empty_line + b"\r\n"
    text = part + b"--" + BOUNDARY + b"--"

    for place in range(len(text)):
        assert parsed([text[:place], text[place:]]).contents == [b""]


def test_line_ends_without_a_carriage_return_are_no_delimiters() -> None:
    with pytest.raises(TruncatedMultipartError):
        parsed([body([(b"content", False)]).replace(b"\r\n", b"\n")])


def test_headers_without_end_are_refused_before_they_fill_the_memory() -> None:
    parser = MultipartParser(BOUNDARY, Parts())
    parser.feed(b"--" + BOUNDARY + b"\r\n")

    for _ in range(LARGEST_HEADERS_BYTES // 100):
        parser.feed(b"X-Header: " + b"v" * 90)

    with pytest.raises(MultipartError):
        parser.feed(b"v" * 200)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=abc', b"abc"),
        ("Multipart/Related;boundary=\"a b?c\";type='application/dicom'", b"a b?c"),
        ("multipart/related; type=application/dicom", None),
        ("application/dicom; boundary=abc", None),
        ("multipart/related; boundary=" + "x" * 201, None),
        ("multipart/related; boundary=ü", None),
        ("", None),
    ],
)
def test_boundary_is_read_from_the_content_type(content_type: str, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary
