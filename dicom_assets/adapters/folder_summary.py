"""What is in a folder of DICOM files: unique descriptions, names and modalities, and how often; from headers alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from pydicom.uid import UID

from dicom_assets.deidentification import UnreadableInstanceError, read_texts
from dicom_assets.errors import StorageError

READERS = 4
"""Threads: a file system on a network answers several questions as fast as one."""
FILES_AT_ONCE = 256

_STUDY_UID, _SERIES_UID, _SOP_UID, _SOP_CLASS = 0x0020000D, 0x0020000E, 0x00080018, 0x00080016
_PATIENT_ID, _ISSUER = 0x00100020, 0x00100021
SHOWN = {
    "Modality": 0x00080060,
    "SOPClassUID": _SOP_CLASS,
    "StudyDescription": 0x00081030,
    "SeriesDescription": 0x0008103E,
    "PatientName": 0x00100010,
    "PatientID": _PATIENT_ID,
    "Manufacturer": 0x00080070,
    "ManufacturerModelName": 0x00081090,
}
_TAGS = (*SHOWN.values(), _STUDY_UID, _SERIES_UID, _SOP_UID, _ISSUER)


@dataclass(slots=True)
class ValueCount:
    """Where a value occurs. *Identified* where the files are."""

    instances: int = 0
    studies: set[str] = field(default_factory=set, repr=False)
    series: set[str] = field(default_factory=set, repr=False)


@dataclass(slots=True)
class FolderSummary:
    """What a folder holds. *Identified* where its files are.

    `no_instance` counts DICOM files without a SOP Instance UID, such as DICOMDIR; `unreadable` those that are no DICOM
    or whose header is broken.
    """

    files: int = 0
    bytes: int = 0
    unreadable: int = 0
    no_instance: int = 0
    instances: int = 0
    patients: set[tuple[str, str]] = field(default_factory=set, repr=False)
    studies: set[str] = field(default_factory=set, repr=False)
    series: set[str] = field(default_factory=set, repr=False)
    values: dict[str, dict[str, ValueCount]] = field(default_factory=lambda: {name: {} for name in SHOWN}, repr=False)

    def counts(self) -> Mapping[str, int]:
        """Everything that is but counted."""
        return {
            "files": self.files,
            "bytes": self.bytes,
            "unreadable": self.unreadable,
            "no_instance": self.no_instance,
            "patients": len(self.patients),
            "studies": len(self.studies),
            "series": len(self.series),
            "instances": self.instances,
        }

    def add(self, size_bytes: int, texts: Mapping[int, str] | None) -> None:
        """Count a file; `texts` are None where it can't be read."""
        self.files += 1
        self.bytes += size_bytes
        if texts is None:
            self.unreadable += 1
        elif not texts[_SOP_UID]:
            self.no_instance += 1
        else:
            self._add_instance(texts)

    def _add_instance(self, texts: Mapping[int, str]) -> None:
        study, series = texts[_STUDY_UID], texts[_SERIES_UID]
        self.instances += 1
        self.patients.add((texts[_PATIENT_ID], texts[_ISSUER]))
        self.studies.add(study)
        self.series.add(series)
        for name, tag in SHOWN.items():
            value = UID(texts[tag]).name if tag == _SOP_CLASS else texts[tag]
            count = self.values[name].setdefault(value, ValueCount())
            count.instances += 1
            count.studies.add(study)
            count.series.add(series)


def summarize(folder: Path, progress: Callable[[str, int, int], None]) -> FolderSummary:
    """Read the headers of all files below a folder. `progress` is told what is done, how many files, of how many.

    Raises:
        StorageError: the folder can't be listed.
    """
    files = list(_files_below(folder, progress))
    summary = FolderSummary()
    remaining = iter(files)
    with ThreadPoolExecutor(READERS, thread_name_prefix="summary") as pool:
        while part := list(islice(remaining, FILES_AT_ONCE)):
            for size_bytes, texts in pool.map(_read, part):
                summary.add(size_bytes, texts)
            progress("reading headers", summary.files, len(files))
    return summary


def _files_below(folder: Path, progress: Callable[[str, int, int], None]) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise StorageError(f"A folder below the one that was named can't be read ({type(error).__name__}).") from None

    found = 0
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for path in (os.path.join(parent, name) for name in sorted(names)):  # noqa: PTH118  many of them
            if os.path.isfile(path):  # noqa: PTH113
                found += 1
                yield path
        progress("listing files", found, 0)


def _read(path: str) -> tuple[int, Mapping[int, str] | None]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            size_bytes = os.fstat(file.fileno()).st_size
            texts = read_texts(file, _TAGS)
            return size_bytes, texts if texts[_SOP_UID] or _has_prefix(file) else None
    except (UnreadableInstanceError, OSError):
        return 0, None


def _has_prefix(file: BinaryIO) -> bool:
    """Whether a file says that it is DICOM (PS3.10 7.1): many a text can be read as a few odd elements."""
    file.seek(128)
    return file.read(4) == b"DICM"


def value_rows(summary: FolderSummary) -> Sequence[Mapping[str, str | int]]:
    """A row for each unique value, most frequent first within its attribute."""
    return [
        {
            "attribute": name,
            "value": value,
            "studies": len(count.studies),
            "series": len(count.series),
            "instances": count.instances,
        }
        for name, counts in summary.values.items()
        for value, count in sorted(counts.items(), key=lambda item: (-item[1].instances, item[0]))
    ]
