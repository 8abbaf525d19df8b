"""Attributes that Table E.1-1 does not list: what E.3.3 and E.3.4 of PS3.15 reach, and what identifies all the same."""

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

IDENTIFYING = frozenset(
    {
        0x00100033,  # Patient's Birth Date in Alternative Calendar: the birth date, in a form that no search knows
        0x00100034,  # Patient's Death Date in Alternative Calendar
        0x00102295,  # Breed Registration Number
        0x00140100,  # Component Welder IDs
        0x00181803,  # NTP Source Address
        0x00401006,  # Placer Order Number / Procedure; the table lists what came after it, (0040,2016)
        0x00401007,  # Filler Order Number / Procedure
        0x00402006,  # Placer Order Number / Imaging Service Request (Retired)
        0x00402007,  # Filler Order Number / Imaging Service Request (Retired)
        0x00440011,  # Substance Administration Notes
        0x00720008,  # Hanging Protocol Creator
        0x0074100C,  # Contact Display Name
        0x21000160,  # Owner ID, of a print job
        0x4010101A,  # Boarding Pass ID
        0x40101051,  # Itinerary ID
    }
)
"""Names, numbers and dates of persons in VRs that also hold harmless things. They go, whatever `unlisted` says."""
