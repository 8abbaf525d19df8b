"""WADO-RS: a study, a series or instances, as they are stored, streamed to files (PS3.18 10.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.message import Message
from http import HTTPStatus

import httpx

from dicom_assets.adapters.dicomweb.arrivals import Arrivals
from dicom_assets.adapters.dicomweb.client import DicomwebClient
from dicom_assets.adapters.dicomweb.failures import failure_of, unusable_answer
from dicom_assets.adapters.dicomweb.multipart import (
    MultipartError,
    MultipartParser,
    TruncatedMultipartError,
    boundary_of,
)
from dicom_assets.adapters.dicomweb.paths import instance_path, series_path, study_path
from dicom_assets.errors import PacsAwayError
from dicom_assets.study import Receive, Retrieval

WADO = "WADO-RS"
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Without the last parameter a PACS may decompress: it defaults to Explicit VR Little Endian (PS3.18 8.7.3.5.2)."""

MOST_BEHIND_BYTES = 1 << 20
"""Read behind the last part; more is not waited for."""

_NOTHING_THERE = (204, 404, 410)
_WITH_INSTANCES = (200, 206)


def retrieve(client: DicomwebClient, retrieval: Retrieval, receive: Receive) -> str:
    """Ask once for each of what is wanted; what does not arrive is for the caller to notice.

    Returns:
        What was odd about the answers; nothing where all was well.

    Raises:
        PacsAwayError: no connection for now, or it was lost on the way.
        PacsError: the PACS answered with a failure, or with something else than instances.
        StorageError: an instance that arrived could not be written.
    """
    odd = ""
    for path in _paths(retrieval):
        with client.get(WADO, path, AS_STORED) as response:
            if response.status_code != HTTPStatus.OK:
                odd = f"it answered {WADO} with HTTP status {response.status_code}"
            if response.status_code in _NOTHING_THERE:
                continue
            if response.status_code not in _WITH_INSTANCES:
                raise failure_of(client.node, WADO, response, about_a_study=True)
            if strange := _take_in(client, response, receive):
                odd = f"{strange} part(s) of its answer to {WADO} do not say which instance they are"
    return odd


def _paths(retrieval: Retrieval) -> Iterator[str]:
    if retrieval.sop_instance_uids and retrieval.series_uid is not None:
        for uid in retrieval.sop_instance_uids:
            yield instance_path(retrieval.study_uid, retrieval.series_uid, uid)
    elif retrieval.series_uid is not None:
        yield series_path(retrieval.study_uid, retrieval.series_uid)
    else:
        yield study_path(retrieval.study_uid)


def _take_in(client: DicomwebClient, response: httpx.Response, receive: Receive) -> int:
    """Take the parts of an answer; returns how many of them are strange."""
    arrivals = Arrivals(receive)
    try:
        _reader_of(client, response)(client, response, arrivals)
    except TruncatedMultipartError:
        message = f"{client.node.url} broke off {WADO} before its end: check that it is up, then run again."
        raise PacsAwayError(message) from None
    except MultipartError:
        raise unusable_answer(client.node, WADO, "a multipart content that breaks its own rules") from None
    finally:
        arrivals.drop()
    return arrivals.strange


Reader = Callable[[DicomwebClient, httpx.Response, Arrivals], None]


def _reader_of(client: DicomwebClient, response: httpx.Response) -> Reader:
    content_type = response.headers.get("Content-Type", "")
    if boundary_of(content_type):
        return _read_parts
    message = Message()
    message["Content-Type"] = content_type
    # Its end must be known by other means than the end of the connection, which may as well be cut.
    is_framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    if message.get_content_type() == "application/dicom" and is_framed:
        return _read_single
    raise unusable_answer(client.node, WADO, "something else than multipart/related", status=response.status_code)


def _read_parts(client: DicomwebClient, response: httpx.Response, arrivals: Arrivals) -> None:
    parser = MultipartParser(boundary_of(response.headers["Content-Type"]) or b"", arrivals)
    behind_bytes = 0
    for chunk in client.chunks(WADO, response):
        parser.feed(chunk)
        # A connection is of use again only when its answer was read to the end, which may never come.
        behind_bytes += len(chunk) if parser.is_complete else 0
        if behind_bytes > MOST_BEHIND_BYTES:
            break
    parser.close()


def _read_single(client: DicomwebClient, response: httpx.Response, arrivals: Arrivals) -> None:
    """Some PACSs answer with the bare file where one instance is asked for."""
    arrivals.begin({})
    for chunk in client.chunks(WADO, response):
        if chunk:
            arrivals.data(memoryview(chunk))
    arrivals.end()
