"""What an embedded PACS holds: one entry for each stored instance, kept in memory, read from the files."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom.charset
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag, Tag

CHARACTER_SET = Tag("SpecificCharacterSet")
PATIENT_ID = Tag("PatientID")
STUDY_UID = Tag("StudyInstanceUID")
SERIES_UID = Tag("SeriesInstanceUID")
SOP_CLASS_UID = Tag("SOPClassUID")
SOP_UID = Tag("SOPInstanceUID")

TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
CHARACTER_SET_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
CODE_EXTENSION_RESETS = {ord(delimiter) for delimiter in "\\^=\r\n\f\t"}
SHORT_VRS = frozenset({"US", "SS", "US or SS"})
LONGEST_VALUE = 1024

META_START = 132
GROUP_LENGTH_BYTES = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored instance: where its file is, how it is encoded and the values a query can ask for.

    `values` maps a tag to its VR and its value as text (several values joined by a backslash).
    `data_offset` is where the data set begins in the file, in bytes. *Identified*.
    """

    path: Path
    transfer_syntax_uid: str
    data_offset: int
    values: dict[BaseTag, tuple[str, str]] = field(repr=False)

    def text(self, tag: BaseTag) -> str:
        """The value of an attribute, empty where it is absent."""
        return self.values.get(tag, ("", ""))[1]

    def data_set(self) -> bytes:
        """The encoded data set, byte for byte as it is stored, without preamble and file meta information."""
        with self.path.open("rb") as file:
            file.seek(self.data_offset)
            return file.read()


class UnreadableInstanceError(ValueError):
    """What was received is no DICOM instance that can be found again."""


class Index:
    """The entries of a folder. The first copy of an instance is kept, as clinical PACSs do."""

    def __init__(self, folder: Path) -> None:
        """Read every instance in `folder`; what a killed process left half written is removed."""
        self._folder = folder
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob("*.part"):
            left_over.unlink()
        for path in sorted(folder.glob("*.dcm")):
            entry = read_entry(path, path.read_bytes())
            self._entries.setdefault(entry.text(SOP_UID), entry)

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(tuple(self._entries.values()))

    def add(self, content: bytes) -> bool:
        """Store a Part 10 file; False where the instance was there before, which is left as it is.

        Raises:
            UnreadableInstanceError: it is not DICOM or lacks the UIDs that place it.
            OSError: the folder can't be written.
        """
        path = self._folder / "unnamed"
        entry = read_entry(path, content)
        sop_uid = entry.text(SOP_UID)
        with self._lock:
            if sop_uid in self._entries:
                return False
            stored = write_instance(self._folder, sop_uid, content)
            self._entries[sop_uid] = Entry(stored, entry.transfer_syntax_uid, entry.data_offset, entry.values)
        return True


def write_instance(folder: Path, sop_instance_uid: str, content: bytes) -> Path:
    """Write a file that an embedded PACS over this folder will serve: a temporary name first, then renamed."""
    path = instance_path(folder, sop_instance_uid)
    temporary = path.with_suffix(".part")
    temporary.write_bytes(content)
    return temporary.rename(path)


def instance_path(folder: Path, sop_instance_uid: str) -> Path:
    """Where an embedded PACS keeps an instance; the name gives nothing away."""
    return folder / f"{hashlib.sha256(sop_instance_uid.encode()).hexdigest()[:32]}.dcm"


def read_entry(path: Path, content: bytes) -> Entry:
    """Read what queries ask for from a Part 10 file.

    Raises:
        UnreadableInstanceError: it is not DICOM or lacks the UIDs that place it.
    """
    try:
        ds = dcmread(io.BytesIO(content), stop_before_pixels=True)
        syntax = str(ds.file_meta.TransferSyntaxUID)
        length = int(ds.file_meta.FileMetaInformationGroupLength)
        values = dict(_values(ds))
    except (InvalidDicomError, AttributeError, ValueError, KeyError, EOFError, NotImplementedError) as error:
        raise UnreadableInstanceError(f"not a DICOM file: {type(error).__name__}") from None
    if any(not values.get(tag, ("", ""))[1] for tag in (STUDY_UID, SERIES_UID, SOP_CLASS_UID, SOP_UID)):
        raise UnreadableInstanceError("a study, series, SOP class or SOP instance UID is missing")
    return Entry(path, syntax, META_START + GROUP_LENGTH_BYTES + length, values)


def _values(ds: Dataset) -> Iterator[tuple[BaseTag, tuple[str, str]]]:
    """The short values of the top level, taken from the encoded bytes: no value is validated, so none is warned of."""
    character_set = ds.get_item(CHARACTER_SET)
    encodings = _encodings(character_set.value if isinstance(character_set, RawDataElement) else b"")
    big_endian = ds.original_encoding[1] is False
    for tag in ds.keys():  # noqa: SIM118  iterating over the data set itself would decode its values
        raw = ds.get_item(tag)
        if not isinstance(raw, RawDataElement) or tag.is_private or len(raw.value or b"") > LONGEST_VALUE:
            continue
        vr = vr_of(raw)
        if vr in TEXT_VRS:
            yield tag, (vr, decode_text(vr, raw.value or b"", encodings))
        elif vr in SHORT_VRS:
            number = (raw.value or b"")[:2]
            yield tag, ("US", str(int.from_bytes(number, "big" if big_endian else "little")) if number else "")


def vr_of(raw: RawDataElement) -> str:
    """The VR of an element, from the dictionary where the encoding does not name it."""
    if raw.VR:
        return raw.VR
    try:
        return dictionary_VR(raw.tag)
    except KeyError:
        return "UN"


def decode_text(vr: str, value: bytes, encodings: list[str]) -> str:
    """A text value in its character sets, without padding."""
    if vr not in CHARACTER_SET_VRS:
        return _padless(value.decode("iso8859"))
    if len(encodings) == 1:
        return _padless(value.decode(encodings[0], "replace"))
    return _padless(pydicom.charset.decode_bytes(value, encodings, CODE_EXTENSION_RESETS))


def _padless(text: str) -> str:
    return "\\".join(part.strip(" \0") for part in text.split("\\"))


def _encodings(character_set: bytes | None) -> list[str]:
    terms = [term.strip() for term in (character_set or b"").decode("ascii", "replace").split("\\")]
    known = pydicom.charset.python_encoding
    return [known[term] for term in terms] if all(term in known for term in terms) else ["iso8859"]


def query_encodings(identifier: Dataset) -> list[str]:
    """The character sets that a query is written in."""
    element = identifier.get_item(CHARACTER_SET)
    return _encodings(element.value if isinstance(element, RawDataElement) else b"")
