"""Statuses of DIMSE responses that more than one module knows (PS3.7 Annex C, PS3.4 Tables B.2-1, C.4-1 to C.4-3)."""

from __future__ import annotations

SUCCESS = 0x0000
PENDING = (0xFF00, 0xFF01)
CANCELLED = 0xFE00

PROCESSING_FAILURE = 0x0110
INVALID_ARGUMENT_VALUE = 0x0115
NO_SUCH_SOP_INSTANCE = 0x0117
SOP_CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORIZED = 0x0124
RESOURCE_LIMITATION = 0x0213

OUT_OF_RESOURCES = 0xA700
"""A PACS that is told so keeps the object and may send it again."""
CANNOT_UNDERSTAND = 0xC000
UNABLE_TO_PROCESS = range(0xC000, 0xD000)

SOME_SUB_OPERATIONS_FAILED = 0xB000
"""The end of a C-GET or C-MOVE of which some instances failed, were sent with a warning, or both."""
