"""What we answer to requests alike, whoever made them and on whichever association they come."""

from __future__ import annotations

from dicom_assets.adapters.pacs.plane import commands
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.commands import Command
from dicom_assets.adapters.pacs.plane.statuses import CANNOT_UNDERSTAND, NO_SUCH_SOP_INSTANCE, SUCCESS


def answer_other(association: Association, command: Command) -> None:
    """Answer C-ECHO, and say to any other request that we don't know it; what is no request needs no answer.

    Raises:
        AssociationLostError: the association ended.
    """
    if command.field & commands.RESPONSE or command.field == commands.C_CANCEL_RQ:
        return
    status = SUCCESS if command.field == commands.C_ECHO_RQ else commands.UNRECOGNIZED_OPERATION
    association.send(command.context_id, commands.response(command, status))


def why_not_storable(command: Command) -> int | None:
    """The status for a C-STORE request that brings no instance, or one without a name; None for others."""
    if not command.has_data_set:
        return CANNOT_UNDERSTAND
    return None if command.names_an_instance else NO_SUCH_SOP_INSTANCE
