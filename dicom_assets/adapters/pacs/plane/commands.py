"""Command sets of the DIMSE services, encoded and decoded with `struct` (PS3.7 6.3.1, 9.3, 10.3, Annex E)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from dicom_assets.study import Piece

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
C_GET_RQ, C_GET_RSP = 0x0010, 0x8010
C_FIND_RQ, C_FIND_RSP = 0x0020, 0x8020
C_MOVE_RQ, C_MOVE_RSP = 0x0021, 0x8021
C_ECHO_RQ, C_ECHO_RSP = 0x0030, 0x8030
N_EVENT_REPORT_RQ, N_EVENT_REPORT_RSP = 0x0100, 0x8100
N_ACTION_RQ, N_ACTION_RSP = 0x0130, 0x8130
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000
"""The bit that tells a response from a request."""

UNRECOGNIZED_OPERATION = 0x0211
"""PS3.7 C.5.20."""

_SOP_CLASS_UID = 0x0002
_REQUESTED_SOP_CLASS_UID = 0x0003
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_MESSAGE_ID_RESPONDED_TO = 0x0120
_MOVE_DESTINATION = 0x0600
_PRIORITY = 0x0700
_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_SOP_INSTANCE_UID = 0x1000
_REQUESTED_SOP_INSTANCE_UID = 0x1001
_EVENT_TYPE_ID = 0x1002
_ACTION_TYPE_ID = 0x1008
_REMAINING, _COMPLETED, _FAILED, _WARNING = 0x1020, 0x1021, 0x1022, 0x1023
_ORIGINATOR_AE_TITLE = 0x1030
_ORIGINATOR_MESSAGE_ID = 0x1031
_AE_TITLES = (_ORIGINATOR_AE_TITLE, _MOVE_DESTINATION)

_LONGEST_UID = 64
_NO_DATA_SET = 0x0101
_DATA_SET = 0x0001
_MEDIUM_PRIORITY = 0x0000

_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<H")
_GROUP_LENGTH = struct.Struct("<HHII")


class Command:
    """A command set as it was received. *Identified*: it may name an instance. Its repr shows the command alone."""

    __slots__ = ("_elements", "context_id", "field", "has_data_set", "message_id")

    def __init__(self, context_id: int, elements: Mapping[int, bytes]) -> None:
        self.context_id = context_id
        self._elements = elements
        self.field = self._number(_COMMAND_FIELD, -1)
        """Which command: `C_STORE_RQ` and so on, -1 where it does not say."""
        self.has_data_set = self._number(_DATA_SET_TYPE, _NO_DATA_SET) != _NO_DATA_SET
        tag = _MESSAGE_ID_RESPONDED_TO if self.field & RESPONSE or self.field == C_CANCEL_RQ else _MESSAGE_ID
        self.message_id = self._number(tag, 0)
        """The request's own message id, or that of the request that is answered or cancelled."""

    def __repr__(self) -> str:
        return f"Command({self.field:#06x})"

    def _number(self, element: int, default: int) -> int:
        value = self._elements.get(element, b"")
        return int(_US.unpack(value)[0]) if len(value) == _US.size else default

    def _text(self, element: int) -> str:
        return self._elements.get(element, b"").decode("ascii", "replace").strip("\0 ")

    @property
    def status(self) -> int | None:
        """A response's status, None where it has none."""
        number = self._number(_STATUS, -1)
        return None if number < 0 else number

    @property
    def sop_class_uid(self) -> str:
        """Affected SOP Class UID, empty where there is none."""
        return self._text(_SOP_CLASS_UID)

    @property
    def sop_instance_uid(self) -> str:
        """Affected SOP Instance UID, empty where there is none."""
        return self._text(_SOP_INSTANCE_UID)

    @property
    def event_type_id(self) -> int:
        """What an N-EVENT-REPORT reports, 0 where it does not say."""
        return self._number(_EVENT_TYPE_ID, 0)

    @property
    def names_an_instance(self) -> bool:
        """Whether Affected SOP Instance UID may be used as a name: 1 to 64 visible ASCII characters."""
        value = self._elements.get(_SOP_INSTANCE_UID, b"").strip(b"\0 ")
        return 0 < len(value) <= _LONGEST_UID and all(0x20 < byte < 0x7F for byte in value)

    @property
    def originator_message_id(self) -> int | None:
        """The message id of the C-MOVE that a C-STORE is part of, None where it does not say."""
        number = self._number(_ORIGINATOR_MESSAGE_ID, -1)
        return None if number < 0 else number

    @property
    def sub_operations(self) -> tuple[int, int, int, int]:
        """Remaining, completed, failed, with warning; 0 where a C-GET or C-MOVE response does not say."""
        remaining, completed, failed, warning = (
            self._number(tag, 0) for tag in (_REMAINING, _COMPLETED, _FAILED, _WARNING)
        )
        return remaining, completed, failed, warning


def decode(context_id: int, encoded: Piece) -> Command:
    """A command set, which is always in implicit VR little endian.

    What follows the elements of group 0000 is skipped: Orthanc puts there, at the end of a C-GET, what has its place in
    the identifier (PS3.4 C.4.3.1.3.2).

    Raises:
        ValueError: it is not one.
    """
    elements: dict[int, bytes] = {}
    is_behind = False
    offset, end = 0, len(encoded)
    while offset < end:
        if end - offset < _ELEMENT.size:
            raise ValueError("a command set ends within an element")
        group, element, length = _ELEMENT.unpack_from(encoded, offset)
        offset += _ELEMENT.size
        is_behind = is_behind or bool(group and elements)
        if (group and not elements) or (is_behind and not group) or length > end - offset:
            raise ValueError("not a command set")
        if not is_behind:
            elements[element] = bytes(encoded[offset : offset + length])
        offset += length
    return Command(context_id, elements)


def _encode(elements: Mapping[int, int | str]) -> bytes:
    """A command set of numbers (US) and texts; texts are padded with NUL but for AE titles, which take a space."""
    parts = []
    for element, value in sorted(elements.items()):
        if isinstance(value, int):
            content = _US.pack(value)
        else:
            content = value.encode("ascii", "replace")
            content += (b" " if element in _AE_TITLES else b"\0") * (len(content) % 2)
        parts.append(_ELEMENT.pack(0, element, len(content)))
        parts.append(content)
    body = b"".join(parts)
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def c_store_rq(
    message_id: int,
    sop_class_uid: str,
    sop_instance_uid: str,
    *,
    originator_ae_title: str = "",
    originator_message_id: int | None = None,
) -> bytes:
    """Store an instance, whose data set follows (PS3.7 9.3.1.1)."""
    elements: dict[int, int | str] = {
        _SOP_CLASS_UID: sop_class_uid,
        _COMMAND_FIELD: C_STORE_RQ,
        _MESSAGE_ID: message_id,
        _PRIORITY: _MEDIUM_PRIORITY,
        _DATA_SET_TYPE: _DATA_SET,
        _SOP_INSTANCE_UID: sop_instance_uid,
    }
    if originator_message_id is not None:
        elements[_ORIGINATOR_AE_TITLE] = originator_ae_title
        elements[_ORIGINATOR_MESSAGE_ID] = originator_message_id
    return _encode(elements)


def c_store_rsp(request: Command, status: int) -> bytes:
    """Answer a C-STORE (PS3.7 9.3.1.2)."""
    return _encode(
        {
            _SOP_CLASS_UID: request.sop_class_uid,
            _COMMAND_FIELD: C_STORE_RSP,
            _MESSAGE_ID_RESPONDED_TO: request.message_id,
            _DATA_SET_TYPE: _NO_DATA_SET,
            _STATUS: status,
            _SOP_INSTANCE_UID: request.sop_instance_uid,
        }
    )


def c_find_rq(message_id: int, sop_class_uid: str) -> bytes:
    """Ask what there is; the identifier follows (PS3.7 9.3.2.1)."""
    return _encode(
        {
            _SOP_CLASS_UID: sop_class_uid,
            _COMMAND_FIELD: C_FIND_RQ,
            _MESSAGE_ID: message_id,
            _PRIORITY: _MEDIUM_PRIORITY,
            _DATA_SET_TYPE: _DATA_SET,
        }
    )


def c_get_rq(message_id: int, sop_class_uid: str) -> bytes:
    """Ask for instances; the identifier follows (PS3.7 9.3.3.1)."""
    return _encode(
        {
            _SOP_CLASS_UID: sop_class_uid,
            _COMMAND_FIELD: C_GET_RQ,
            _MESSAGE_ID: message_id,
            _PRIORITY: _MEDIUM_PRIORITY,
            _DATA_SET_TYPE: _DATA_SET,
        }
    )


def c_move_rq(message_id: int, sop_class_uid: str, destination: str) -> bytes:
    """Ask for instances to be sent to an AE title; the identifier follows (PS3.7 9.3.4.1)."""
    return _encode(
        {
            _SOP_CLASS_UID: sop_class_uid,
            _COMMAND_FIELD: C_MOVE_RQ,
            _MESSAGE_ID: message_id,
            _MOVE_DESTINATION: destination,
            _PRIORITY: _MEDIUM_PRIORITY,
            _DATA_SET_TYPE: _DATA_SET,
        }
    )


def c_cancel_rq(message_id: int) -> bytes:
    """Ask the peer to end the operation with this message id (PS3.7 9.3.3.3)."""
    return _encode({_COMMAND_FIELD: C_CANCEL_RQ, _MESSAGE_ID_RESPONDED_TO: message_id, _DATA_SET_TYPE: _NO_DATA_SET})


def c_echo_rq(message_id: int) -> bytes:
    """Ask whether the peer is there (PS3.7 9.3.5.1)."""
    return _encode(
        {
            _SOP_CLASS_UID: "1.2.840.10008.1.1",
            _COMMAND_FIELD: C_ECHO_RQ,
            _MESSAGE_ID: message_id,
            _DATA_SET_TYPE: _NO_DATA_SET,
        }
    )


def response(request: Command, status: int) -> bytes:
    """Answer a request of any kind without a data set: a C-ECHO, or an operation that we do not know (PS3.7 C.5.20)."""
    elements: dict[int, int | str] = {
        _COMMAND_FIELD: (request.field | RESPONSE) & 0xFFFF,
        _MESSAGE_ID_RESPONDED_TO: request.message_id,
        _DATA_SET_TYPE: _NO_DATA_SET,
        _STATUS: status,
    }
    if request.sop_class_uid:
        elements[_SOP_CLASS_UID] = request.sop_class_uid
    return _encode(elements)


def n_action_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str, action_type_id: int) -> bytes:
    """Ask a SOP Instance for an action; the action information follows (PS3.7 10.3.4.1)."""
    return _encode(
        {
            _REQUESTED_SOP_CLASS_UID: sop_class_uid,
            _COMMAND_FIELD: N_ACTION_RQ,
            _MESSAGE_ID: message_id,
            _DATA_SET_TYPE: _DATA_SET,
            _REQUESTED_SOP_INSTANCE_UID: sop_instance_uid,
            _ACTION_TYPE_ID: action_type_id,
        }
    )


def n_event_report_rsp(request: Command, status: int) -> bytes:
    """Answer an event report, without a reply (PS3.7 10.3.1.2)."""
    return _encode(
        {
            _SOP_CLASS_UID: request.sop_class_uid,
            _COMMAND_FIELD: N_EVENT_REPORT_RSP,
            _MESSAGE_ID_RESPONDED_TO: request.message_id,
            _DATA_SET_TYPE: _NO_DATA_SET,
            _STATUS: status,
            _SOP_INSTANCE_UID: request.sop_instance_uid,
            _EVENT_TYPE_ID: request.event_type_id,
        }
    )
