"""multipart/related taken apart as it arrives, in bounded memory (RFC 2046 5.1, RFC 2387, PS3.18 8.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.message import Message
from typing import Protocol

from dicom_assets.errors import DicomAssetsError

LARGEST_HEADERS_BYTES = 16 * 1024
_LONGEST_PADDING_BYTES = 256
_LONGEST_BOUNDARY_BYTES = 200


class MultipartError(DicomAssetsError):
    """It breaks the rules of multipart; who reads it says to whom that happened."""


class TruncatedMultipartError(MultipartError):
    """It ended before its closing delimiter."""


class PartHandler(Protocol):
    """Takes the parts, one after the other."""

    def begin(self, headers: Mapping[str, str], /) -> None:
        """Begin a part; names of headers are in lower case."""

    def data(self, piece: memoryview, /) -> None:
        """Take the next piece of its content, never empty, gone after the call."""

    def end(self) -> None:
        """It is whole: the delimiter that follows it has been seen."""


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a multipart content type, None where it is another type or has none that can be used."""
    message = Message()
    message["Content-Type"] = content_type
    if message.get_content_maintype() != "multipart":
        return None
    boundary = message.get_boundary() or ""
    return boundary.encode() if boundary.isascii() and 0 < len(boundary) <= _LONGEST_BOUNDARY_BYTES else None


class MultipartParser:
    """Fed with chunks cut anywhere. A part that tells its Content-Length is not searched for a delimiter."""

    def __init__(self, boundary: bytes, handler: PartHandler) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._handler = handler
        self._state: Callable[[bytes, int], int] = self._in_preamble
        # A delimiter begins with the end of the line before it, which the first one need not have.
        self._held = b"\r\n"
        self._left = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk.

        Raises:
            MultipartError: it breaks the rules.
        """
        data = self._held + chunk if self._held else chunk
        self._held = b""
        at = 0
        while at < len(data):
            at = self._state(data, at)

    def close(self) -> None:
        """Take note that nothing more comes.

        Raises:
            TruncatedMultipartError: there was no closing delimiter.
        """
        if self._state != self._in_epilogue:
            raise TruncatedMultipartError("A multipart content ended before its closing delimiter.")

    @property
    def is_complete(self) -> bool:
        """Whether the closing delimiter was seen: nothing that follows it matters."""
        return self._state == self._in_epilogue

    # Each state takes data from `at` on and returns where the next one goes on; the end, when the rest is held.

    def _in_preamble(self, data: bytes, at: int) -> int:
        return self._up_to_delimiter(data, at, lambda _piece: None, lambda: None)

    def _in_searched_part(self, data: bytes, at: int) -> int:
        return self._up_to_delimiter(data, at, self._handler.data, self._handler.end)

    def _in_counted_part(self, data: bytes, at: int) -> int:
        stop = min(len(data), at + self._left)
        if stop > at:
            self._handler.data(memoryview(data)[at:stop])
            self._left -= stop - at
        if not self._left:
            self._state = self._behind_counted_part
        return stop

    def _behind_counted_part(self, data: bytes, at: int) -> int:
        if not data.startswith(self._delimiter, at):
            if self._delimiter.startswith(data[at:]):
                return self._hold(data, at)
            raise MultipartError("A part is longer or shorter than its Content-Length.")
        end = self._behind_delimiter(data, at)
        if end is None:
            return self._hold(data, at)
        if end < 0:
            raise MultipartError("A part is longer or shorter than its Content-Length.")
        self._handler.end()
        return end

    def _in_headers(self, data: bytes, at: int) -> int:
        # The end of the delimiter's own line stands before the first header, and alone where there is none.
        end = data.find(b"\r\n\r\n", at)
        if (end if end >= 0 else len(data)) - at > LARGEST_HEADERS_BYTES:
            raise MultipartError("The headers of a part are larger than any.")
        # The empty line behind the headers is the beginning of the delimiter where a part has no content at all.
        may_be_empty = self._delimiter.startswith(data[end + 2 : end + 2 + len(self._delimiter)])
        if end < 0 or (may_be_empty and len(data) < end + 2 + len(self._delimiter)):
            return self._hold(data, at)
        headers = _headers(data[at:end])
        self._handler.begin(headers)
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and len(length) < 19:
            self._left = int(length)
            self._state = self._in_counted_part if self._left else self._behind_counted_part
        else:
            self._state = self._in_searched_part
        return end + 2 if may_be_empty else end + 4

    def _in_epilogue(self, data: bytes, at: int) -> int:  # noqa: ARG002  a state like the others
        return len(data)

    def _up_to_delimiter(
        self, data: bytes, at: int, take: Callable[[memoryview], None], end_part: Callable[[], None]
    ) -> int:
        search_from = at
        while (found := data.find(self._delimiter, search_from)) >= 0:
            end = self._behind_delimiter(data, found)
            if end is None or end >= 0:
                if found > at:
                    take(memoryview(data)[at:found])
                if end is None:
                    return self._hold(data, found)
                end_part()
                return end
            search_from = found + 2
        stop = self._begin_of_held_tail(data, search_from)
        if stop > at:
            take(memoryview(data)[at:stop])
        return self._hold(data, stop)

    def _behind_delimiter(self, data: bytes, found: int) -> int | None:
        """Where to go on behind a delimiter; None where more must arrive to know, -1 where it is content like any."""
        end = found + len(self._delimiter)
        if data.startswith(b"--", end):
            self._state = self._in_epilogue
            return end + 2
        stop = end
        while data[stop : stop + 1] in (b" ", b"\t") and stop - end <= _LONGEST_PADDING_BYTES:
            stop += 1
        rest = data[stop : stop + 2]
        if rest == b"\r\n":
            self._state = self._in_headers
            return stop
        return None if rest in (b"", b"\r") or (rest == b"-" and stop == end) else -1

    def _begin_of_held_tail(self, data: bytes, at: int) -> int:
        """Where the longest end of the data begins that may be the beginning of a delimiter."""
        start = data.find(b"\r", max(at, len(data) - len(self._delimiter) + 1))
        while start >= 0:
            if self._delimiter.startswith(data[start:]):
                return start
            start = data.find(b"\r", start + 1)
        return len(data)

    def _hold(self, data: bytes, at: int) -> int:
        self._held = data[at:]
        return len(data)


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
    return headers
