"""STOW-RS: several instances in a request, several requests at once, every answer read (PS3.18 10.5)."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event

import httpx

from dicom_assets.adapters.dicomweb.client import DicomwebClient
from dicom_assets.adapters.dicomweb.failures import failure_of, unusable_answer
from dicom_assets.adapters.dicomweb.query import JSON
from dicom_assets.adapters.dicomweb.stow_answer import StowAnswer, UnreadableAnswerError, read_stow_answer
from dicom_assets.adapters.dicomweb.stow_body import StowBody
from dicom_assets.adapters.pacs.plane.statuses import OUT_OF_RESOURCES
from dicom_assets.errors import DicomAssetsError, PacsStatusError
from dicom_assets.study import OutgoingInstance, StoreOutcome

STOW = "STOW-RS"
REQUEST_BYTES = 16 << 20
"""Instances that go into one request; a larger one goes alone."""
REQUEST_INSTANCES = 100

_ANSWERED = (200, 202, 400, 409)
"""All stored, some stored or stored with warnings, none stored for one fault, none stored (PS3.18 Table 10.5.3-1)."""
_PERHAPS_ONE_OF_THEM = (400, 409, 413, 415, 422, 500)
"""What may be due to one instance of several, or to their sum: tried again in smaller requests."""


def store(client: DicomwebClient, instances: Sequence[OutgoingInstance]) -> Generator[StoreOutcome]:
    """Send each instance and yield its outcome as the PACS answers.

    Raises:
        PacsAwayError: no connection for now, or it was lost on the way; what was answered before is yielded.
        PacsError: the PACS can't be sent to.
        ChangedContentError: an instance's content is not what passed the residual scan.
    """
    requests = list(_requests(instances))
    failure: DicomAssetsError | None = None
    # A flag, for as_completed waits for ever for futures that a shutdown cancels.
    is_over = Event()

    def send(request: Sequence[OutgoingInstance]) -> list[StoreOutcome]:
        return [] if is_over.is_set() else _send(client, request)

    with ThreadPoolExecutor(min(len(requests), client.node.max_connections) or 1, "stow") as pool:
        try:
            for future in as_completed([pool.submit(send, request) for request in requests]):
                try:
                    yield from future.result()
                except DicomAssetsError as error:
                    failure = failure or error
                    is_over.set()
        finally:
            is_over.set()
    if failure is not None:
        raise failure


def _requests(instances: Sequence[OutgoingInstance]) -> Iterator[list[OutgoingInstance]]:
    request: list[OutgoingInstance] = []
    size_bytes = 0
    for item in instances:
        if request and (size_bytes + item.size_bytes > REQUEST_BYTES or len(request) == REQUEST_INSTANCES):
            yield request
            request, size_bytes = [], 0
        request.append(item)
        size_bytes += item.size_bytes
    if request:
        yield request


def _send(client: DicomwebClient, request: Sequence[OutgoingInstance]) -> list[StoreOutcome]:
    try:
        answer = _post(client, request)
    except PacsStatusError as error:
        if error.status not in _PERHAPS_ONE_OF_THEM:
            raise
        if len(request) == 1:
            return [_refused_as_a_whole(request[0], error.status)]
        half = len(request) // 2
        return _send(client, request[:half]) + _send(client, request[half:])
    return [_outcome(item, answer) for item in request]


def _post(client: DicomwebClient, request: Sequence[OutgoingInstance]) -> StowAnswer:
    """Send one request.

    Raises:
        PacsStatusError: it was refused as a whole.
    """
    body = StowBody(request)
    with client.post(STOW, "/studies", {"Accept": JSON, **body.headers}, body) as response:
        if response.status_code not in _ANSWERED:
            raise failure_of(client.node, STOW, response, about_a_study=False)
        return _answer(client, response)


def _answer(client: DicomwebClient, response: httpx.Response) -> StowAnswer:
    content = client.whole(STOW, response)
    try:
        answer = read_stow_answer(content) if content.strip() else StowAnswer(frozenset())
    except UnreadableAnswerError:
        if response.status_code in _PERHAPS_ONE_OF_THEM:
            raise failure_of(client.node, STOW, response, about_a_study=False) from None
        raise unusable_answer(client.node, STOW, "something else than DICOM JSON or XML") from None
    if answer.is_empty and response.status_code in _PERHAPS_ONE_OF_THEM:
        raise failure_of(client.node, STOW, response, about_a_study=False)
    return answer


def _outcome(item: OutgoingInstance, answer: StowAnswer) -> StoreOutcome:
    uid = item.sop_instance_uid
    if uid in answer.stored:
        return StoreOutcome(uid)
    reason = answer.failed.get(uid)
    if reason is None:
        return StoreOutcome(uid, "not mentioned in the answer", retriable=True)
    return StoreOutcome(uid, f"refused with reason 0x{reason:04X}", retriable=reason & 0xFF00 == OUT_OF_RESOURCES)


def _refused_as_a_whole(item: OutgoingInstance, status: int) -> StoreOutcome:
    return StoreOutcome(item.sop_instance_uid, f"refused with HTTP status {status}", retriable=status >= 500)
