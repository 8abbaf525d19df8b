"""The part of de-identification that runs in worker processes: some files of one study at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO

from dicom_assets.deidentification import Deidentified, Profile, Quarantined, UidReplacer, deidentify_instance
from dicom_assets.errors import ChangedContentError
from dicom_assets.steps.ports import InstanceSink, InstanceSource
from dicom_assets.study import FileReceipt, Stamp, Subject, stamp_of


@dataclass(frozen=True, slots=True)
class DeidentificationSettings:
    """How to de-identify. *Secret*: holds the deployment's key."""

    profile: Profile
    secret: bytes = field(repr=False)
    uid_root: str
    allowed_modalities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a file holds, by its SHA-256 (hex; empty where nobody knows), and how it looked when it was that."""

    sha256: str = ""
    stamp: Stamp | None = None

    def is_as(self, content: bytes, stamp: Stamp) -> bool:
        """Whether content that was read from the file, which then looked so, is what is expected."""
        if not self.sha256 or stamp == self.stamp:
            return True
        return hashlib.sha256(content).hexdigest() == self.sha256


@dataclass(frozen=True, slots=True)
class Batch:
    """Files of one study and all that is needed to de-identify them. *Identified*."""

    files: Mapping[str, Expected]
    pulled: InstanceSource
    draft: InstanceSink
    settings: DeidentificationSettings
    subject: Subject
    identifiers: frozenset[str] = field(repr=False)
    recorded_uids: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class InstanceOutcome:
    """What became of one file. `uids` (*identified*) are the replacements that were used."""

    source: str
    outcome: Deidentified | Quarantined
    receipt: FileReceipt | None
    uids: Mapping[str, str] = field(repr=False)


def deidentify_batch(batch: Batch) -> list[InstanceOutcome]:
    """De-identify each file into the draft, under the same name.

    Raises:
        ChangedContentError: a file is not what was pulled.
        StorageError: a file can't be read or written.
    """
    uids = UidReplacer(batch.settings.secret, batch.settings.uid_root, batch.recorded_uids)
    return [_deidentify_file(batch, name, uids.fork()) for name in batch.files]


class _Parts:
    """What is to be written, in the pieces it came in: pixels stay in the buffer they were read into."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.parts: list[memoryview] = []

    def write(self, content: bytes | bytearray | memoryview, /) -> None:
        """Take the next bytes."""
        self.parts.append(memoryview(content))


def _deidentify_file(batch: Batch, name: str, uids: UidReplacer) -> InstanceOutcome:
    settings = batch.settings
    with closing(batch.pulled.open(name)) as source:
        content = source.read()
        stamp = stamp_of(source)
    if not batch.files[name].is_as(content, stamp):
        raise ChangedContentError(
            f"File {name} of stage pulled is not what the staging PACS delivered. "
            "Find out who changed it, clear the error, then run again with `refresh: true`."
        )
    written = _Parts()
    outcome = deidentify_instance(
        BytesIO(content),
        written,
        profile=settings.profile,
        subject=batch.subject,
        uids=uids,
        allowed_modalities=settings.allowed_modalities,
        identifiers=batch.identifiers,
    )
    receipt = batch.draft.write(name, written.parts) if isinstance(outcome, Deidentified) else None
    return InstanceOutcome(name, outcome, receipt, uids.seen)
