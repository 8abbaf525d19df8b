"""The words that every layer shares: studies, stages, instances and what became of them.

Values marked *identified* hold originals. Their `repr` shows none of them, so that a traceback or
a log line that formats one gives nothing away.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NewType, Protocol

from dicom_assets.errors import ChangedContentError, StorageError

Fact = str | int | float | Mapping[str, int]
"""What may be said of a study to anybody: value-free."""

Piece = bytes | bytearray | memoryview

Stamp = tuple[int, int, int, int]
"""How a file looks: inode, nanoseconds of its content's and of its status's last change, size in bytes.

Nobody changes a file's content and leaves its stamp as it was: the third figure is the kernel's own clock.
"""


def stamp_of(file: BinaryIO) -> Stamp:
    """How an open file looks now."""
    status = os.fstat(file.fileno())
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


class IncomingFile(Protocol):
    """One Part 10 file as it arrives, in pieces of any size. Either kept or dropped, and then done with."""

    def write(self, piece: Piece, /) -> None:
        """Take the next piece, which the caller may overwrite afterwards.

        Raises:
            StorageError: it can't be written.
        """

    def keep(self) -> None:
        """Return once the whole file is safely on disk: flushed, renamed.

        Raises:
            StorageError: it can't be written.
        """

    def drop(self) -> None:
        """Leave nothing of it."""


Receive = Callable[[str], IncomingFile]
"""Takes an original SOP Instance UID; what is returned takes the file. Any number of threads may call it."""

StudyKey = NewType("StudyKey", str)
"""`S` and 12 Crockford base32 characters; opaque, stable, the Dagster partition key."""


class Stage(StrEnum):
    """The four stages of a study, in order; the names of the assets."""

    PULLED = "pulled"
    DEIDENTIFIED = "deidentified"
    REGISTERED = "registered"
    PUBLISHED = "published"


STAGES: tuple[Stage, ...] = tuple(Stage)


class UidLevel(StrEnum):
    """What a UID is the name of, where that is known."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


class QuarantineReason(StrEnum):
    """Why an instance was kept back."""

    UNREADABLE = "unreadable"
    MALFORMED = "malformed"
    PATIENT_PROTOCOL = "patient-protocol"
    SCREEN_SAVE = "screen-save"
    BURNED_IN_ANNOTATION = "burned-in-annotation"
    BURNED_IN_TEXT = "burned-in-text"
    PIXEL_RULE = "pixel-rule"
    PIXELS_NOT_CLEANABLE = "pixels-not-cleanable"
    SUSPECT_DEVICE = "suspect-device"
    ENCAPSULATED_DOCUMENT = "encapsulated-document"
    SECONDARY_CAPTURE = "secondary-capture"
    SOP_CLASS_NOT_ALLOWED = "sop-class-not-allowed"
    QUARANTINE_RULE = "quarantine-rule"
    MODALITY_MISSING = "modality-missing"
    MODALITY_NOT_ALLOWED = "modality-not-allowed"
    UNWRITABLE_VALUE = "unwritable-value"
    RESIDUAL_IDENTIFIER = "residual-identifier"
    CONFLICTING_DUPLICATE = "conflicting-duplicate"
    HELD_BACK = "held-back"


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One instance as a PACS names it. *Identified* when the PACS is the staging PACS.

    `sop_class_uid` is empty where a PACS leaves it out of its C-FIND answers.
    """

    sop_instance_uid: str = field(repr=False)
    series_instance_uid: str = field(repr=False)
    sop_class_uid: str = ""


@dataclass(frozen=True, slots=True)
class StudyListing:
    """What a PACS says it has of a study. *Identified* when the PACS is the staging PACS.

    `instances` is None where the PACS does not answer for single instances; `counts` (Series Instance UID to number
    of instances, "" for the study as a whole where it does not tell by series) is what can be compared then, and
    `sop_class_uids` are the SOP Classes in the study, empty where the PACS does not tell them either.
    """

    instances: tuple[InstanceRef, ...] | None
    counts: Mapping[str, int] = field(default_factory=dict, repr=False)
    sop_class_uids: frozenset[str] = frozenset()

    @property
    def total(self) -> int:
        """Number of instances."""
        return sum(self.counts.values()) if self.instances is None else len(self.instances)


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """Who a patient is in the hospital. *Identified*."""

    patient_id: str = field(repr=False)
    issuer: str = field(default="", repr=False)
    patient_name: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """What stands for one patient in research data.

    `patient_id` also goes into Patient's Name. `date_offset_days` is the patient's one shift in days,
    applied by profiles that retain modified dates.
    """

    patient_id: str
    date_offset_days: int


@dataclass(frozen=True, slots=True)
class FileReceipt:
    """What was written: content hash (SHA-256, hex), size in bytes, and how the file looks since, if that is known."""

    sha256: str
    size_bytes: int
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class ReviewedStudy:
    """A study that people have reviewed. *Identified*.

    `approved_at` is the time of the earliest review that approves it; `version` changes with every
    change of its reviews and holds no original value. `comments` are what reviewers wrote.
    """

    study_uid: str = field(repr=False)
    approved_at: datetime
    version: str
    has_protocol_series: bool = False
    comments: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ReviewConflict:
    """A study that one review approves and another forbids. *Identified*."""

    study_uid: str = field(repr=False)
    review_ids: tuple[int, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegisteredStudy:
    """What registration is told of a de-identified study. *Identified*: it joins originals and replacements."""

    study_key: StudyKey
    patient: PatientIdentity
    alias: str
    original_study_uid: str = field(repr=False)
    accession_numbers: tuple[str, ...] = field(repr=False)
    study_uid: str = ""
    modality: str = ""
    sop_class_uid: str = ""
    number_of_series: int = 0
    number_of_instances: int = 0


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What to ask a staging PACS for: a study, one of its series, or some instances of a series. *Identified*.

    `sop_class_uids` are those of what is asked for, empty where they are not known.
    """

    study_uid: str = field(repr=False)
    series_uid: str | None = field(default=None, repr=False)
    sop_instance_uids: tuple[str, ...] = field(default=(), repr=False)
    sop_class_uids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OutgoingInstance:
    """A de-identified instance on its way to the research PACS, a Part 10 file at `path`.

    `sha256` (hex) is the content that passed the residual scan: only `content` may be sent. `stamp` is
    how the file looked when that content was written or compared.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: Path
    sha256: str
    size_bytes: int
    stamp: Stamp | None = None

    def checked(self) -> OutgoingInstance:
        """The same, its content compared with `sha256` unless the file still looks as it did when it was that.

        Raises:
            ChangedContentError: the file is gone, or is not what was written there.
            StorageError: it can't be read.
        """
        with self._opened() as file:
            stamp = stamp_of(file)
            if stamp == self.stamp:
                return self
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != self.sha256:
            raise self._changed()
        return replace(self, stamp=stamp)

    def content(self) -> memoryview:
        """The file's bytes, known to be what passed the scan; large files stay on disk until they are sent.

        Raises:
            ChangedContentError: the file is gone, or is not what was written there.
            StorageError: it can't be read.
        """
        stamp = self.checked().stamp
        with self._opened() as file:
            if stamp_of(file) != stamp:
                raise self._changed()
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    @contextmanager
    def _opened(self) -> Iterator[BufferedReader]:
        try:
            with self.path.open("rb") as file:
                yield file
        except (FileNotFoundError, ValueError):  # mmap refuses empty files
            raise self._changed() from None
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "OSError")
            raise StorageError(f"Could not read a de-identified file ({name}): check the disk of DATA_DIR.") from None

    def _changed(self) -> ChangedContentError:
        return ChangedContentError(
            f"File {self.path.name} of stage deidentified is gone, or is not what was written there; nothing was sent "
            "of it. Find out who changed it, clear the error, then run again with `refresh: true`."
        )


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What the research PACS answered for one instance.

    `problem` is empty when it was stored; `retriable` tells a full disk from a refusal. `transcoded_to` is the
    transfer syntax it was sent in where that is another than its own.
    """

    sop_instance_uid: str
    problem: str = ""
    retriable: bool = False
    transcoded_to: str = ""


@dataclass(frozen=True, slots=True)
class Commitment:
    """What a PACS answered to a storage commitment request (PS3.4 J.3): failed SOP Instance UID to reason code."""

    committed: frozenset[str]
    failed: Mapping[str, int] = field(default_factory=dict)
