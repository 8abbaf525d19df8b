"""DICOM files as pydicom reads them, whatever is wrong with them."""

from __future__ import annotations

import hashlib
import io
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom import config
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
PREAMBLE_BYTES = 128
DATA_SET_OFFSET = 144
"""Preamble, `DICM` and the group length element; the rest of the file meta information follows (PS3.10 7.1)."""

Path_ = tuple[tuple[int, int], ...]
"""Tag and item number of each sequence on the way down; the last one's item number is -1."""


@dataclass(frozen=True, slots=True)
class Element:
    """A decoded element that is no sequence; bytes with VR UN where pydicom can't decode it."""

    path: Path_
    vr: str
    value: Any

    @property
    def tag(self) -> int:
        """Its own tag."""
        return self.path[-1][0]

    def __repr__(self) -> str:
        """Place and VR only."""
        return f"Element({place_of(self.path)}, {self.vr})"


@dataclass(slots=True)
class Instance:
    """A file of which pydicom can make a data set.

    Attributes:
        path: where it lies.
        ds: the data set.
        header: its bytes without the pixels; those of a deflated data set inflated.
        pixel_digest: SHA-256 of the encoded pixels, padded to even length; empty where there are none.
    """

    path: Path
    ds: FileDataset
    header: bytes
    pixel_digest: str

    @property
    def transfer_syntax(self) -> str:
        """Transfer Syntax UID; empty where the file does not say."""
        return str(self.ds.file_meta.get("TransferSyntaxUID", "")).strip(" \0")

    def text(self, keyword: str) -> str:
        """A top-level attribute as text, several values joined with backslashes; empty where it is absent."""
        tag = Tag(keyword)
        values = values_of(element_at(self.ds, tag)) if tag in self.ds else []
        return "\\".join(str(value).strip(" \0") for value in values)


@contextmanager
def quiet() -> Iterator[None]:
    """pydicom neither warns nor logs: its texts quote values."""
    logger = logging.getLogger("pydicom")
    level, mode = logger.level, config.settings.reading_validation_mode
    logger.setLevel(logging.CRITICAL + 1)
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        config.settings.reading_validation_mode = mode


def read_instance(path: Path, content: bytes) -> Instance | None:
    """The file as an instance; None where it is no DICOM file by any reading."""
    try:
        ds = pydicom.dcmread(io.BytesIO(content), force=True)
    except Exception:  # noqa: BLE001 - an outer edge: whatever odd bytes provoke in pydicom, the file is not DICOM to it
        return None
    if content[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] != b"DICM" and "SOPClassUID" not in ds:
        return None
    header, digest = _without_pixels(ds, inflated(ds, content))
    return Instance(path, ds, header, digest)


def inflated(ds: FileDataset, content: bytes) -> bytes:
    """The file with its data set inflated, where the transfer syntax says that it is deflated (PS3.5 A.5)."""
    if ds.file_meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return content
    (length,) = struct.unpack_from("<L", content, DATA_SET_OFFSET - 4)
    start = DATA_SET_OFFSET + length
    return content[:start] + zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:])


def _without_pixels(ds: FileDataset, content: bytes) -> tuple[bytes, str]:
    for tag in PIXEL_TAGS:
        raw = ds.get_item(tag) if tag in ds else None
        if isinstance(raw, RawDataElement) and raw.value:
            value = raw.value
            start = content.find(value, max(0, raw.value_tell)) if len(value) else -1
            padded = value + b"\0" * (len(value) & 1)
            digest = hashlib.sha256(padded).hexdigest()
            return (content[:start] + content[start + len(value) :] if start >= 0 else content), digest
    return content, ""


def elements_of(ds: Dataset, above: Path_ = ()) -> Iterator[Element]:
    """All elements at every depth but sequences, with what is in them; those of the file meta information first."""
    if isinstance(ds, FileDataset) and not above:
        yield from elements_of(ds.file_meta, above)
    for tag in sorted(ds.keys()):
        element = element_at(ds, tag)
        if element.vr == "SQ":
            for number, item in enumerate(element.value or ()):
                yield from elements_of(item, (*above, (int(tag), number)))
        else:
            yield Element((*above, *element.path), element.vr, element.value)


def element_at(ds: Dataset, tag: int) -> Element:
    """One element of a data set, sequences too, decoded as far as pydicom can."""
    own = ((int(tag), -1),)
    try:
        decoded = ds[tag]
        return Element(own, str(decoded.VR), decoded.value)
    except Exception:  # noqa: BLE001 - an outer edge: a value that pydicom can't decode is looked at as bytes
        raw = ds.get_item(tag)
        return Element(own, "UN", getattr(raw, "value", None) or b"")


def paired_elements(source: Dataset, dest: Dataset, above: Path_ = ()) -> Iterator[tuple[Element, Element]]:
    """Elements in the same place of both; below sequences whose items differ in number nothing can be paired."""
    for tag in sorted(dest.keys()):
        if tag not in source:
            continue
        before, after = element_at(source, tag), element_at(dest, tag)
        if before.vr == after.vr == "SQ":
            items, new_items = before.value or (), after.value or ()
            if len(items) == len(new_items):
                for number, (item, new_item) in enumerate(zip(items, new_items, strict=True)):
                    yield from paired_elements(item, new_item, (*above, (int(tag), number)))
        elif "SQ" not in (before.vr, after.vr):
            yield (
                Element((*above, *before.path), before.vr, before.value),
                Element((*above, *after.path), after.vr, after.value),
            )


def values_of(element: Element) -> list[Any]:
    """Its values, none for an empty one."""
    if element.value is None or element.value == "" or element.value == b"":
        return []
    return list(element.value) if isinstance(element.value, (MultiValue, list, tuple)) else [element.value]


def place_of(path: Path_) -> str:
    """A path as tags and keywords, without item numbers: `(0040,A730) > (0040,A160) TextValue`."""
    tags = " > ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag, _ in path)
    return f"{tags} {keyword_for_tag(path[-1][0])}".strip()
