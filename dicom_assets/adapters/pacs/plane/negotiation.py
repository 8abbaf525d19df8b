"""A-ASSOCIATE in both roles, encoded, decoded and decided by pynetdicom's own classes (PS3.8 9.3.2 to 9.3.4)."""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import PDU_ITEM_TYPES
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor, negotiate_as_requestor

from dicom_assets.adapters.pacs.plane.faults import AssociationRejectedError, ProtocolViolationError
from dicom_assets.adapters.pacs.plane.wire import HEADER
from dicom_assets.study import Piece

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_ACCEPTED = 0
_SILENT_PEERS_MAX_PDU = 16_384
_ITEM = struct.Struct(">BxH")
# Where sub-items begin in the items that have some: presentation contexts have four bytes of their own.
_SUB_ITEMS_AT = {0x20: 8, 0x21: 8, 0x50: 4}
_FIXED_SIZE = 68
"""Protocol version, AE titles and what is reserved, before the items (PS3.8 Table 9-11)."""


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context, and which roles we have in it."""

    context_id: int
    sop_class_uid: str
    transfer_syntax_uid: str
    as_scu: bool
    as_scp: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was negotiated. `max_pdu` is the longest P-DATA-TF body that the peer takes, 0 for any."""

    contexts: Mapping[int, Context]
    max_pdu: int


@dataclass(frozen=True, slots=True)
class Request:
    """An A-ASSOCIATE-RQ that was received."""

    calling_ae_title: str
    called_ae_title: str
    is_dicom: bool
    speaks_version_1: bool
    primitive: A_ASSOCIATE


def numbered(contexts: Sequence[PresentationContext]) -> list[PresentationContext]:
    """The contexts with their identifiers, odd numbers from 1 (PS3.8 9.3.2.2); at most 128."""
    made = [copy.copy(context) for context in contexts]
    for number, context in enumerate(made):
        context.context_id = 2 * number + 1
    return made


def request_pdu(
    calling_ae_title: str,
    called_ae_title: str,
    contexts: Sequence[PresentationContext],
    roles: Iterable[SCP_SCU_RoleSelectionNegotiation],
    max_pdu: int,
) -> bytes:
    """An A-ASSOCIATE-RQ for numbered contexts."""
    primitive = _primitive(calling_ae_title, called_ae_title, max_pdu, roles)
    primitive.presentation_context_definition_list = list(contexts)
    return bytes(A_ASSOCIATE_RQ(primitive).encode())


def _primitive(
    calling_ae_title: str, called_ae_title: str, max_pdu: int, roles: Iterable[SCP_SCU_RoleSelectionNegotiation]
) -> A_ASSOCIATE:
    longest, implementation, version = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
        ImplementationVersionNameNotification(),
    )
    longest.maximum_length_received = max_pdu
    implementation.implementation_class_uid = PYNETDICOM_IMPLEMENTATION_UID
    version.implementation_version_name = PYNETDICOM_IMPLEMENTATION_VERSION
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID(APPLICATION_CONTEXT)
    primitive.calling_ae_title = calling_ae_title
    primitive.called_ae_title = called_ae_title
    primitive.user_information = [longest, implementation, version, *roles]
    return primitive


def agreement_as_requestor(
    body: Piece,
    contexts: Sequence[PresentationContext],
    roles: Iterable[SCP_SCU_RoleSelectionNegotiation],
) -> Agreement:
    """What an A-ASSOCIATE-AC says to our request.

    Raises:
        ProtocolViolationError: it is not one.
    """
    with _nothing_odd("an A-ASSOCIATE-AC"):
        pdu = A_ASSOCIATE_AC()
        pdu.decode(_known(0x02, body))
        primitive = pdu.to_primitive()
        proposed = {str(role.sop_class_uid): role for role in roles}
        for context in contexts:
            if (role := proposed.get(str(context.abstract_syntax))) is not None:
                context.scu_role, context.scp_role = bool(role.scu_role), bool(role.scp_role)
        results = primitive.presentation_context_definition_results_list
        return _agreement(primitive, negotiate_as_requestor(list(contexts), results, _roles_of(primitive)))


def read_request(body: Piece) -> Request:
    """An A-ASSOCIATE-RQ.

    Raises:
        ProtocolViolationError: it is not one.
    """
    with _nothing_odd("an A-ASSOCIATE-RQ"):
        pdu = A_ASSOCIATE_RQ()
        pdu.decode(_known(0x01, body))
        primitive = pdu.to_primitive()
        return Request(
            calling_ae_title=str(primitive.calling_ae_title).strip(),
            called_ae_title=str(primitive.called_ae_title).strip(),
            is_dicom=str(primitive.application_context_name) == APPLICATION_CONTEXT,
            speaks_version_1=bool(pdu.protocol_version & 1),
            primitive=primitive,
        )


def accept(request: Request, supported: Sequence[PresentationContext], max_pdu: int) -> tuple[bytes, Agreement]:
    """An A-ASSOCIATE-AC that answers every proposed context, and what was agreed to by it.

    Where the first transfer syntax of a context is a compressed one that we take, it is accepted: it is most likely how
    the peer's instances are stored, and need not be transcoded. Else the first of `supported` that it has is.

    Raises:
        ProtocolViolationError: what was proposed makes no sense.
    """
    with _nothing_odd("an A-ASSOCIATE-RQ"):
        taken = {context.abstract_syntax: frozenset(context.transfer_syntax) for context in supported}
        proposed = [_peers_choice(c, taken) for c in request.primitive.presentation_context_definition_list]
        results, roles = negotiate_as_acceptor(proposed, list(supported), _roles_of(request.primitive))
        answer = _primitive(request.primitive.calling_ae_title, request.primitive.called_ae_title, max_pdu, roles)
        answer.result, answer.result_source = 0, 1
        answer.presentation_context_definition_results_list = results
        return bytes(A_ASSOCIATE_AC(answer).encode()), _agreement(request.primitive, results)


def _peers_choice(context: PresentationContext, taken: Mapping[UID | None, frozenset[UID]]) -> PresentationContext:
    known = taken.get(context.abstract_syntax, frozenset())
    first = next((syntax for syntax in context.transfer_syntax if syntax != ImplicitVRLittleEndian), None)
    if first is None or first not in known or not first.is_encapsulated:
        return context
    chosen = copy.copy(context)
    chosen.transfer_syntax = [first]
    return chosen


def rejection_pdu(result: int, source: int, diagnostic: int) -> bytes:
    """An A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""
    pdu = A_ASSOCIATE_RJ()
    pdu.result, pdu.source, pdu.reason_diagnostic = result, source, diagnostic
    return bytes(pdu.encode())


def read_rejection(body: Piece) -> AssociationRejectedError:
    """What an A-ASSOCIATE-RJ says.

    Raises:
        ProtocolViolationError: it is not one.
    """
    if len(body) != 4:
        raise ProtocolViolationError("an A-ASSOCIATE-RJ of another length")
    return AssociationRejectedError(body[1], body[2], body[3])


def _agreement(peer: A_ASSOCIATE, results: Iterable[PresentationContext]) -> Agreement:
    longest = peer.maximum_length_received
    contexts = {
        context.context_id: Context(
            context.context_id,
            str(context.abstract_syntax),
            str(context.transfer_syntax[0]),
            as_scu=bool(context.as_scu),
            as_scp=bool(context.as_scp),
        )
        for context in results
        if context.context_id is not None and context.result == _ACCEPTED and context.transfer_syntax
    }
    return Agreement(contexts, _SILENT_PEERS_MAX_PDU if longest is None else int(longest))


def _roles_of(primitive: A_ASSOCIATE) -> dict[UID, tuple[bool | None, bool | None]]:
    return {
        item.sop_class_uid: (bool(item.scu_role), bool(item.scp_role))
        for item in primitive.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation) and item.sop_class_uid is not None
    }


_ODD = (Warning, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, struct.error)


@contextmanager
def _nothing_odd(what: str) -> Iterator[None]:
    """Turn whatever pynetdicom's decoders raise for odd bytes, warnings too where they are errors, into one error."""
    try:
        yield
    except (
        Warning,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        AssertionError,
        struct.error,
    ) as error:
        raise ProtocolViolationError(f"{what} that can't be read ({type(error).__name__})") from None


def _known(kind: int, body: Piece) -> bytes:
    """The PDU without the items and sub-items that pynetdicom does not know, which are to be ignored (PS3.8 9.3.1)."""
    if len(body) < _FIXED_SIZE:
        raise ValueError("too short")
    content = bytes(body)
    items = []
    for item_type, item in _items(content[_FIXED_SIZE:]):
        if (start := _SUB_ITEMS_AT.get(item_type)) is None:
            items.append(item)
            continue
        rest = b"".join(sub_item for _, sub_item in _items(item[start:]))
        own = item[_ITEM.size : start]
        items.append(_ITEM.pack(item_type, len(own) + len(rest)) + own + rest)
    known = content[:_FIXED_SIZE] + b"".join(items)
    return HEADER.pack(kind, len(known)) + known


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(content):
        item_type, length = _ITEM.unpack_from(content, offset)
        end = offset + _ITEM.size + length
        if end > len(content):
            raise ValueError("an item is longer than its PDU")
        if item_type in PDU_ITEM_TYPES:
            yield item_type, content[offset:end]
        offset = end
