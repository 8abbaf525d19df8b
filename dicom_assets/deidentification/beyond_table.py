"""Attributes that the text of PS3.15 E.3.3 and E.3.4 reaches and Table E.1-1 does not list."""

from __future__ import annotations

from dicom_assets.deidentification.action import Action

CONTENT = frozenset(
    {
        0x0040A043,  # Concept Name Code Sequence, the root's too
        0x00400440,  # Protocol Context Sequence
        0x00400441,  # Content Item Modifier Sequence
        0x00400612,  # Specimen Preparation Step Content Item Sequence
        0x00400620,  # Specimen Localization Content Item Sequence
        0x00741210,  # Scheduled Processing Parameters Sequence
        0x00741212,  # Performed Processing Parameters Sequence
    }
)
"""More sequences that hold content items (PS3.3 10.2) or name one."""

CONTENT_TEXTS = frozenset(
    {
        0x0040A492,  # Completion Flag Description
    }
)
"""Texts beside content items."""

GRAPHICS = frozenset(
    {
        0x00181600,  # Shutter Shape, which may be an overlay's
        0x00181623,  # Shutter Overlay Group
        0x00700002,  # Graphic Layer
    }
)
GRAPHICS_TEXTS: dict[int, Action] = {
    0x00700068: Action.REMOVE,  # Graphic Layer Description
    0x00700207: Action.DUMMY,  # Graphic Group Label
    0x00700208: Action.REMOVE,  # Graphic Group Description
    0x00700289: Action.REMOVE,  # Tick Label
}
"""Texts beside graphics."""

PRESENTATION_STATES = "1.2.840.10008.5.1.4.1.1.11."
"""What the SOP Class UIDs of presentation states begin with."""
STATE_TEXTS: dict[int, Action] = {
    0x00700080: Action.DUMMY,  # Content Label
    0x00700081: Action.EMPTY,  # Content Description
}
"""Texts that whoever drew a presentation state gave it."""
