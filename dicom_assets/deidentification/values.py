"""Dummy values: of the right VR, of non-zero length, the same for everybody (PS3.15 E.1.1, action D)."""

from __future__ import annotations

import re

DUMMY_TEXT = b"DUMMY"
DUMMY_UID = b"2.25.0"

_DUMMIES: dict[str, bytes] = {
    "AE": DUMMY_TEXT,
    "AS": b"000Y",
    "AT": bytes(4),
    "CS": DUMMY_TEXT,
    "DA": b"19000101",
    "DS": b"0",
    "DT": b"19000101000000",
    "FD": bytes(8),
    "FL": bytes(4),
    "IS": b"0",
    "LO": DUMMY_TEXT,
    "LT": DUMMY_TEXT,
    "OB": bytes(2),
    "OD": bytes(8),
    "OF": bytes(4),
    "OL": bytes(4),
    "OV": bytes(8),
    "OW": bytes(2),
    "PN": DUMMY_TEXT,
    "SH": DUMMY_TEXT,
    "SL": bytes(4),
    "SS": bytes(2),
    "ST": DUMMY_TEXT,
    "SV": bytes(8),
    "TM": b"000000",
    "UC": DUMMY_TEXT,
    "UI": DUMMY_UID,
    "UL": bytes(4),
    "UN": bytes(2),
    "UR": b"urn:x-dummy",
    "US": bytes(2),
    "UT": DUMMY_TEXT,
    "UV": bytes(8),
}


VALUE_BYTES = {"AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8}
"""The length of one value in the VRs that write several without anything between them."""


# Nothing is tried twice (`*+`): values may be megabytes long, and what is no number must not take hours to refuse.
_NUMBER = rb"[ \0]*+(?:[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)?[ \0]*+"
NUMBERS = re.compile(_NUMBER + rb"(?:\\" + _NUMBER + rb")*+")


def has_form_of(vr: str, value: bytes | memoryview) -> bool:
    """Whether a value is what its VR says, for the VRs of numbers; others have no form that rules anything out."""
    if vr in {"DS", "IS"}:
        return NUMBERS.fullmatch(value) is not None
    return vr not in VALUE_BYTES or len(value) % VALUE_BYTES[vr] == 0


def count_values(vr: str, value: bytes) -> int:
    """How many values there are, at least 1."""
    if vr in VALUE_BYTES:
        return max(1, len(value) // VALUE_BYTES[vr])
    return value.count(b"\\") + 1


def dummy_value(vr: str) -> bytes:
    """The dummy of a VR, unpadded; the same in both byte orders."""
    return _DUMMIES[vr]


def dummy_values(vr: str, count: int) -> bytes:
    """As many dummies as asked for, unpadded, the way several values of the VR are written (PS3.5 6.4)."""
    between = b"" if vr in VALUE_BYTES else b"\\"
    return between.join([dummy_value(vr)] * count)


def is_structural(tag: int, value: bytes) -> bool:
    """Whether a value inside a dummied sequence is one of a closed set of terms that give the tree its form.

    PS3.3 C.10.5, C.17.3, C.18: without value types and relationships a content tree's items can't be told apart, and
    without positions those that refer to others say nothing.
    """
    if tag == REFERENCED_CONTENT_ITEM:
        return len(value) % 4 == 0 and len(value) <= LONGEST_POSITION_BYTES
    return value.strip(b" \0") in _STRUCTURAL_TERMS.get(tag, frozenset())


REFERENCED_CONTENT_ITEM = 0x0040DB73
LONGEST_POSITION_BYTES = 4 * 64
"""As many levels as are read."""

_UNITS = frozenset({b"PIXEL", b"DISPLAY", b"MATRIX"})

_STRUCTURAL_TERMS: dict[int, frozenset[bytes]] = {
    0x0040A010: frozenset(
        {b"CONTAINS", b"HAS OBS CONTEXT", b"HAS CONCEPT MOD", b"HAS PROPERTIES", b"HAS ACQ CONTEXT"}
        | {b"INFERRED FROM", b"SELECTED FROM"}
    ),
    0x0040A040: frozenset(
        {b"TEXT", b"NUM", b"CODE", b"DATE", b"TIME", b"DATETIME", b"UIDREF", b"PNAME", b"COMPOSITE", b"IMAGE"}
        | {b"WAVEFORM", b"SCOORD", b"SCOORD3D", b"TCOORD", b"CONTAINER", b"TABLE"}
    ),
    0x0040A050: frozenset({b"SEPARATE", b"CONTINUOUS"}),
    0x0040A130: frozenset({b"POINT", b"MULTIPOINT", b"SEGMENT", b"MULTISEGMENT", b"BEGIN", b"END"}),
    0x00700003: _UNITS,
    0x00700004: _UNITS,
    0x00700005: _UNITS,
    0x00700012: frozenset({b"LEFT", b"RIGHT", b"CENTER"}),
    0x00700015: frozenset({b"Y", b"N"}),
    0x00700024: frozenset({b"Y", b"N"}),
    0x00700282: _UNITS,
    0x00700294: frozenset(
        {b"MULTILINE", b"INFINITELINE", b"CUTLINE", b"RANGELINE", b"RULER", b"AXIS", b"CROSSHAIR", b"ARROW"}
        | {b"RECTANGLE", b"ELLIPSE"}
    ),
    0x00480301: frozenset({b"FRAME", b"VOLUME"}),
    0x00700023: frozenset(
        {b"POINT", b"MULTIPOINT", b"POLYLINE", b"CIRCLE", b"ELLIPSE", b"POLYGON", b"ELLIPSOID", b"INTERPOLATED"}
    ),
}

STRUCTURAL_TAGS = frozenset(_STRUCTURAL_TERMS)
"""Attributes about which `is_structural` may have to say something."""
