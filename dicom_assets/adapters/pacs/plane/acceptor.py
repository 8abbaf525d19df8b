"""Answering association requests as their acceptor."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.plane.association import ABORT, ABORTED_BY_PROVIDER, ASSOCIATE_RQ, Association
from dicom_assets.adapters.pacs.plane.faults import AssociationRejectedError, PeerAbortedError, ProtocolViolationError
from dicom_assets.adapters.pacs.plane.negotiation import Agreement, Request, accept, read_request, rejection_pdu
from dicom_assets.adapters.pacs.plane.wire import Limits, Wire

Rejection = tuple[int, int, int]
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

CALLING_AE_TITLE_UNKNOWN: Rejection = (1, 1, 3)
CALLED_AE_TITLE_UNKNOWN: Rejection = (1, 1, 7)
APPLICATION_CONTEXT_UNKNOWN: Rejection = (1, 1, 2)
PROTOCOL_VERSION_UNKNOWN: Rejection = (1, 2, 2)
TOO_MANY_ASSOCIATIONS: Rejection = (2, 3, 2)


def accepted(
    connection: socket.socket,
    supported: Sequence[PresentationContext] | Callable[[Request], Sequence[PresentationContext]],
    judge: Callable[[Request], Rejection | None],
    limits: Limits,
) -> Association:
    """An established association on a connection that was accepted; `judge` says whether to reject a request.

    `supported` may depend on the request, which was judged before.

    Raises:
        AssociationRejectedError: it was rejected.
        AssociationLostError: there was no request in time, or nothing that is one.
    """
    wire = Wire(connection, limits)
    try:
        kind, body = wire.read(limits.acse_seconds)
        if kind == ABORT:
            raise PeerAbortedError(0, 0)
        if kind != ASSOCIATE_RQ:
            raise ProtocolViolationError(f"a PDU of type 0x{kind:02X} instead of an association request", 2)
        request = read_request(body)
        if rejection := _form(request) or judge(request):
            wire.write([rejection_pdu(*rejection)])
            wire.linger()
            raise AssociationRejectedError(*rejection)
        answer, agreement = accept(request, supported(request) if callable(supported) else supported, limits.max_pdu)
        wire.write([answer])
    except ProtocolViolationError as error:
        Association(wire, Agreement({}, 0), limits, is_requestor=False).abort(ABORTED_BY_PROVIDER, error.reason)
        raise
    except BaseException:
        wire.close()
        raise
    return Association(wire, agreement, limits, is_requestor=False)


def _form(request: Request) -> Rejection | None:
    if not request.speaks_version_1:
        return PROTOCOL_VERSION_UNKNOWN
    return None if request.is_dicom else APPLICATION_CONTEXT_UNKNOWN
