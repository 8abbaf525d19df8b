"""The identifiers of a source folder: whom nothing in the de-identified folder may name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID_dictionary  # type: ignore[attr-defined]  # public, but not re-exported by name

from dicom_assets.verification.reading import Element, Instance, elements_of, values_of
from dicom_assets.verification.words import NOBODY, fold, words_of

# PS3.6: attributes whose values are a patient's or a study's own.
PATIENT_IDS = frozenset({0x00100020, 0x00101000, 0x00101050, 0x00101090, 0x00380010, 0x00380060})
ACCESSION_NUMBERS = frozenset({0x00080050})
BIRTH_DATES = frozenset({0x00100030})
CONTACTS = frozenset({0x00101040, 0x00102154, 0x00102155, 0x00401102, 0x00401103, 0x00401104, 0x00402010, 0x00402011})
DEVICE_UIDS = frozenset({0x00181002, 0x0018100B})
"""Kept by the Retain Device Identity Option, too."""
DEVICE_NAMES = frozenset({0x00080070, 0x00181250, 0x00181251})
"""Manufacturer and coils: what machines, not people, write."""
_IDENTIFYING = PATIENT_IDS | ACCESSION_NUMBERS | BIRTH_DATES | CONTACTS
KINDS_OF_THINGS = frozenset(
    {
        "TransferSyntaxUID",
        "CodingSchemeUID",
        "ContextUID",
        "MappingResourceUID",
        "ContextGroupExtensionCreatorUID",
        "ImplementationClassUID",
    }
)
"""Keywords of UIDs that, like those of classes, name no patient, study or device."""

SHORTEST_CONTACT = 6
SHORTEST_TELEPHONE_DIGITS = 7
_BETWEEN_NAME_PARTS = re.compile(r"[\s^=\\,;:/|_.()\[\]\"'’<>-]+")
_REGISTERED_ROOT = "1.2.840.10008."
_DATE = re.compile(r"(1[89]|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")


class Kind(StrEnum):
    """What an identifier is."""

    NAME = "person name"
    PATIENT_ID = "patient ID"
    ACCESSION_NUMBER = "accession number"
    BIRTH_DATE = "birth date"
    CONTACT = "address or telephone"
    UID = "original UID"
    DEVICE_UID = "original device UID"


@dataclass(frozen=True, slots=True)
class Identifier:
    """Something that must not be found again. *Identified*: not to be shown.

    Attributes:
        kind: what it is.
        text: as it stands in the source.
        parts: of a name its parts, else the text alone.
    """

    kind: Kind
    text: str
    parts: tuple[str, ...]

    def __repr__(self) -> str:
        """The kind only."""
        return f"Identifier({self.kind})"


def identifiers_of(instance: Instance) -> set[Identifier]:
    """The identifiers at every depth of an instance, private elements and file meta information included."""
    elements = list(elements_of(instance.ds))
    other_dates = {_digits(value) for element in elements for value in _dates(element)}
    return {
        identifier
        for element in elements
        for value in values_of(element)
        for identifier in _identifiers_in(element, value)
        if identifier.kind is not Kind.BIRTH_DATE or identifier.text not in other_dates
    }


def device_words(instance: Instance) -> set[str]:
    """The words of manufacturers and coils at every depth."""
    values = [
        value for element in elements_of(instance.ds) if element.tag in DEVICE_NAMES for value in values_of(element)
    ]
    return {word for value in values if isinstance(value, str) for word in words_of(value)}


def _dates(element: Element) -> list[object]:
    return values_of(element) if element.vr == "DA" and element.tag not in BIRTH_DATES else []


def _identifiers_in(element: Element, value: object) -> Iterator[Identifier]:
    if element.vr not in ("PN", "UI") and element.tag not in _IDENTIFYING:
        return
    text = (value.decode("latin-1") if isinstance(value, bytes) else str(value)).strip(" \0")
    if element.vr == "PN":
        yield from names_in(text)
    elif element.tag in PATIENT_IDS or element.tag in ACCESSION_NUMBERS:
        if fold(text) not in NOBODY and re.search(r"\w", text):
            kind = Kind.PATIENT_ID if element.tag in PATIENT_IDS else Kind.ACCESSION_NUMBER
            yield Identifier(kind, text, (text,))
    elif element.tag in BIRTH_DATES:
        if _DATE.fullmatch(_digits(text)):
            yield Identifier(Kind.BIRTH_DATE, _digits(text), (text,))
    elif element.tag in CONTACTS:
        yield from _contacts_in(text)
    elif element.vr == "UI" and names_a_thing(element.tag, text):
        yield Identifier(Kind.DEVICE_UID if element.tag in DEVICE_UIDS else Kind.UID, text, (text,))


def names_in(text: str) -> Iterator[Identifier]:
    """A person name by component group (PS3.5 6.2.1), each with its parts; none where it stands for nobody."""
    for group in text.split("="):
        parts = tuple(part for part in _BETWEEN_NAME_PARTS.split(group) if part and fold(part) not in NOBODY)
        if parts:
            yield Identifier(Kind.NAME, group.strip(), parts)


def names_a_thing(tag: int, uid: str) -> bool:
    """Whether a UID is one of an instance, study, device and so on: not registered in PS3.6, and not of a class."""
    keyword = keyword_for_tag(tag)
    if not uid or uid in UID_dictionary or uid.startswith(_REGISTERED_ROOT):
        return False
    return "SOPClassUID" not in keyword and not any(keyword.endswith(kind) for kind in KINDS_OF_THINGS)


def _contacts_in(text: str) -> Iterator[Identifier]:
    for line in re.split(r"[\\^;\r\n]+", text):
        digits = _digits(line)
        if len(digits) >= SHORTEST_TELEPHONE_DIGITS:
            yield Identifier(Kind.CONTACT, digits, (digits,))
        if len(line.strip()) >= SHORTEST_CONTACT and fold(line.strip()) not in NOBODY:
            yield Identifier(Kind.CONTACT, line.strip(), (line.strip(),))


def _digits(value: object) -> str:
    return re.sub(r"\D", "", str(value))
