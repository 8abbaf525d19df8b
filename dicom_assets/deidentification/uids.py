"""Which UIDs name a thing of the hospital, and which name something everybody shares."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from functools import cache

from dicom_assets.deidentification.derivation import MAXIMUM_UID_LENGTH, UidReplacer
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.study import QuarantineReason

__all__ = ["UidReplacer", "is_registered", "is_well_formed", "replace_uids", "split_uids"]

_WELL_FORMED = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")


def is_registered(uid: str) -> bool:
    """Whether PS3.6 Table A-1 lists it: SOP classes, transfer syntaxes, well-known frames of reference and so on."""
    return uid in _registered()


@cache
def _registered() -> Container[str]:
    from pydicom.uid import UID_dictionary  # type: ignore[attr-defined]  # public, but not re-exported by name

    return frozenset(UID_dictionary)


def is_well_formed(uid: str) -> bool:
    """Whether it has the form of PS3.5 9.1."""
    return len(uid) <= 64 and _WELL_FORMED.fullmatch(uid) is not None


def split_uids(value: bytes) -> list[str]:
    """The values of a UI element, padding stripped; bytes that no UID has survive as characters of the same code."""
    return [part.strip(" \0") for part in value.decode("latin-1").split("\\")]


def replace_uids(value: bytes, replace: Callable[[str], str]) -> bytes:
    """Replace each value that is neither empty nor registered; the result is of even length (PS3.5 9.1).

    Raises:
        RefusedError: a value is no UID by any stretch: too long, or with control characters.
    """
    parts = split_uids(value)
    for part in parts:
        if len(part) > MAXIMUM_UID_LENGTH or not part.isprintable():
            raise RefusedError(QuarantineReason.MALFORMED, "a UI value is too long or has control characters")
    parts = [part if not part or is_registered(part) else replace(part) for part in parts]
    encoded = "\\".join(parts).encode("latin-1")
    return encoded + b"\0" * (len(encoded) & 1)
