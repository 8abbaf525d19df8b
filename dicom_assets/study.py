"""The words that every layer shares: studies, stages, instances and what became of them.

Values marked *identified* hold originals. Their `repr` shows none of them, so that a traceback or
a log line that formats one gives nothing away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NewType

Fact = str | int | float | Mapping[str, int]
"""What may be said of a study to anybody: value-free."""

Receive = Callable[[str, bytes], None]
"""Takes an original SOP Instance UID and a whole Part 10 file; returns once it is safely on disk."""

StudyKey = NewType("StudyKey", str)
"""`S` and 12 Crockford base32 characters; opaque, stable, the Dagster partition key."""


class Stage(StrEnum):
    """The four stages of a study, in order; the names of the assets."""

    PULLED = "pulled"
    DEIDENTIFIED = "deidentified"
    REGISTERED = "registered"
    PUBLISHED = "published"


STAGES: tuple[Stage, ...] = tuple(Stage)


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


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One instance as a PACS names it. *Identified* when the PACS is the staging PACS.

    `sop_class_uid` is empty where a PACS leaves it out of its C-FIND answers.
    """

    sop_instance_uid: str = field(repr=False)
    series_instance_uid: str = field(repr=False)
    sop_class_uid: str = ""


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
    """What was written: content hash (SHA-256, hex) and size in bytes."""

    sha256: str
    size_bytes: int


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
    """What to ask a staging PACS for: a study, one of its series, or one instance. *Identified*."""

    study_uid: str = field(repr=False)
    series_uid: str | None = field(default=None, repr=False)
    sop_instance_uid: str | None = field(default=None, repr=False)
    sop_class_uids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OutgoingInstance:
    """A de-identified instance on its way to the research PACS."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: Path


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What the research PACS answered for one instance.

    `problem` is empty when it was stored; `retriable` tells a full disk from a refusal.
    """

    sop_instance_uid: str
    problem: str = ""
    retriable: bool = False
