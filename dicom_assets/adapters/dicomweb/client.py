"""One pool of HTTP connections to a PACS, with limits to what and how long it may answer."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager

import httpx

from dicom_assets.adapters.dicomweb.failures import told_as_pacs_errors, unusable_answer
from dicom_assets.adapters.dicomweb.node import DicomwebNode
from dicom_assets.adapters.pacs.tls import client_context
from dicom_assets.errors import PacsAwayError

CONNECTION_TIMEOUT_SECONDS = 10.0
SILENCE_TIMEOUT_SECONDS = 120.0
"""Longest silence in the midst of an answer, and longest that a PACS may take nothing of ours."""
SLOWEST_BYTES_PER_SECOND = 1024
PACE_SECONDS = 60.0
LARGEST_ANSWER_BYTES = 128 << 20
"""Of answers that are held in memory: JSON and XML."""

Params = tuple[tuple[str, str], ...]


class DicomwebClient:
    """Asks one PACS. Any number of threads may share it: who finds all connections taken waits for one.

    No redirect is followed and no proxy of the environment used: UIDs and credentials go to the
    configured host and to no other.
    """

    def __init__(self, node: DicomwebNode) -> None:
        """Read the files that the settings name, so that what can't be used is said at once; connect to nothing yet.

        Raises:
            ConfigurationError: a file is missing or not what its setting says.
        """
        self.node = node
        if node.credentials is not None:
            node.credentials.check()
        at_most = node.max_connections
        self._http = httpx.Client(
            auth=node.credentials,
            verify=client_context(node.tls) if node.url.startswith("https:") else True,
            timeout=_timeout(min(SILENCE_TIMEOUT_SECONDS, node.timeout_seconds)),
            limits=httpx.Limits(max_connections=at_most, max_keepalive_connections=at_most),
            follow_redirects=False,
            trust_env=False,
            # Images are hardly ever worth it, and what a server compresses on the fly costs both ends.
            headers={"User-Agent": "dicom_assets", "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    @contextmanager
    def get(self, operation: str, path: str, accept: str, params: Params = ()) -> Iterator[httpx.Response]:
        """The answer to a GET, its body not read yet; whatever its status.

        Raises:
            PacsAwayError: no connection, or it is lost within the block.
        """
        url, headers = f"{self.node.url}{path}", {"Accept": accept}
        with (
            told_as_pacs_errors(self.node, operation),
            self._http.stream("GET", url, params=params or None, headers=headers) as response,
        ):
            yield response

    @contextmanager
    def post(
        self, operation: str, path: str, headers: Mapping[str, str], content: Iterable[bytes]
    ) -> Iterator[httpx.Response]:
        """The answer to a POST of a content that can be iterated over more than once.

        Raises:
            PacsAwayError: no connection, or it is lost within the block.
        """
        timeout = _timeout(self.node.timeout_seconds)
        with (
            told_as_pacs_errors(self.node, operation),
            self._http.stream(
                "POST", f"{self.node.url}{path}", headers=dict(headers), content=content, timeout=timeout
            ) as response,
        ):
            yield response

    @contextmanager
    def delete(self, operation: str, path: str) -> Iterator[httpx.Response]:
        """The answer to a DELETE.

        Raises:
            PacsAwayError: no connection, or it is lost within the block.
        """
        timeout = _timeout(self.node.timeout_seconds)
        with (
            told_as_pacs_errors(self.node, operation),
            self._http.stream("DELETE", f"{self.node.url}{path}", timeout=timeout) as response,
        ):
            yield response

    def chunks(self, operation: str, response: httpx.Response) -> Generator[bytes]:
        """The body as it arrives.

        Raises:
            PacsAwayError: it trickles, which would hold a connection for ever.
            PacsStatusError: it is encoded in a way that nobody asked for.
        """
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "deflate"):
            raise unusable_answer(self.node, operation, "a Content-Encoding that was not asked for")
        chunks = response.iter_raw() if encoding in ("", "identity") else response.iter_bytes()
        waited, arrived = 0.0, 0
        while True:
            asked_at = time.monotonic()
            chunk = next(chunks, None)
            if chunk is None:
                return
            waited += time.monotonic() - asked_at
            arrived += len(chunk)
            if waited > PACE_SECONDS:
                if arrived < waited * SLOWEST_BYTES_PER_SECOND:
                    raise PacsAwayError(f"{self.node.url} answers {operation} too slowly: check it, then run again.")
                waited, arrived = 0.0, 0
            yield chunk

    def whole(self, operation: str, response: httpx.Response) -> bytes:
        """The body of an answer that fits in memory.

        Raises:
            PacsAwayError: the connection is lost, or the body trickles.
            PacsStatusError: it is larger than any such answer.
        """
        content = bytearray()
        for chunk in self.chunks(operation, response):
            content += chunk
            if len(content) > LARGEST_ANSWER_BYTES:
                raise unusable_answer(self.node, operation, "more than an answer can hold")
        return bytes(content)


def _timeout(seconds: float) -> httpx.Timeout:
    connect, write = min(CONNECTION_TIMEOUT_SECONDS, seconds), min(SILENCE_TIMEOUT_SECONDS, seconds)
    return httpx.Timeout(seconds, connect=connect, write=write, pool=None)
