"""The action codes of PS3.15 Table E.1-1 and what the engine does about an attribute."""

from __future__ import annotations

from enum import StrEnum


class ActionCode(StrEnum):
    """A cell of Table E.1-1 (PS3.15 E.1.1), compound codes included."""

    DUMMY = "D"
    ZERO = "Z"
    REMOVE = "X"
    KEEP = "K"
    CLEAN = "C"
    UID = "U"
    ZERO_OR_DUMMY = "Z/D"
    REMOVE_OR_ZERO = "X/Z"
    REMOVE_OR_DUMMY = "X/D"
    REMOVE_ZERO_OR_DUMMY = "X/Z/D"
    REMOVE_ZERO_OR_UIDS = "X/Z/U*"


class Action(StrEnum):
    """What is done with one attribute, once nothing is left to choose."""

    KEEP = "keep"
    """As it came; for a sequence: as it came, every rule applied inside."""
    REMOVE = "remove"
    EMPTY = "empty"
    DUMMY = "dummy"
    UID = "uid"
    """Every value that is not a registered UID gets its replacement."""
    CLASS_UID = "class-uid"
    """The UID names a class of objects and stays when it has the form of a UID; else a dummy takes its place."""
    SUBJECT = "subject"
    """The subject's id takes the place of the patient's."""
    CHARSET = "charset"
    """Stays when it holds defined terms only."""
    SHIFT = "shift"
    """Dates and times move by the subject's offset; by none where it is Retain Full Dates that asks."""
    CLEAN = "clean"
    """Text that the white lists know stays."""
    AGE = "age"
    """An age over 89 years becomes 90."""
    CONTENT = "content"
    """Each content item of a structured report by its own rule (PS3.15 Table E.3.4-1)."""
    GRAPHICS = "graphics"
    """Graphics stay, the text among them does not."""
    PRIVATE = "private"
    """Stays where creator and element are known to be safe."""
    REPLACE = "replace"
    """A value that the profile gives."""
    HASH = "hash"
    """A keyed hash of the value, in the attribute's VR."""
