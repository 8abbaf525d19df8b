"""What must not be found in a header, prepared once for all instances that share it."""

from __future__ import annotations

from functools import lru_cache

from dicom_assets.deidentification.fast.plan import OddError
from dicom_assets.deidentification.residual import Identifier, Noted, ResidualScan, Written, identifiers_of
from dicom_assets.deidentification.text import codecs_for

_UID_LETTERS = frozenset("0123456789.")


class KnownIdentifiers:
    """The identifiers of a patient and study, prepared for the residual scan. *Identified*: `repr` shows nothing."""

    def __init__(self, noted: tuple[Noted, ...], given: frozenset[str], charsets: tuple[bytes, ...]) -> None:
        """Prepare what instances noted and what was given."""
        found = identifiers_of(noted)
        self.texts = frozenset(identifier.text.casefold() for identifier in found)
        found |= {Identifier(text.strip(), "given identifier") for text in given if text.strip()}
        self._scan = ResidualScan(found, (codec for charset in charsets for codec in codecs_for(charset)))

    def occur(self, header: Written) -> bool:
        """Whether one of them is in what is to be written; in what we wrote ourselves, too, which is no harm."""
        return self._scan.occurs(header.buffer) and self._scan.find(header) is not None


@lru_cache(maxsize=64)
def known_identifiers(noted: tuple[Noted, ...], given: frozenset[str], charsets: tuple[bytes, ...]) -> KnownIdentifiers:
    """What the instances of a study share is prepared once. Held in memory only, and never much of it."""
    return KnownIdentifiers(noted, given, charsets)


def uids_occur(uids: set[str], content: bytes) -> bool:
    """Whether one of the UIDs is in what is to be written, in any encoding that the residual scan looks for.

    Raises:
        OddError: one has not the letters of a UID, so that case and encoding matter.
    """
    wide = b".\0" in content
    for uid in uids:
        if not _UID_LETTERS.issuperset(uid):
            raise OddError("a UI value with letters that no UID has")
        needle = uid.encode("ascii")
        if needle in content or ((wide or "." not in uid) and uid.encode("utf-16-le") in content):
            return True
    return False
