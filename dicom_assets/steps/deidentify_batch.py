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
from dicom_assets.study import FileReceipt, Subject


@dataclass(frozen=True, slots=True)
class DeidentificationSettings:
    """How to de-identify. *Secret*: holds the deployment's key."""

    profile: Profile
    secret: bytes = field(repr=False)
    uid_root: str
    allowed_modalities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """Files of one study, each with its content's hash, and all that is needed to de-identify them. *Identified*.

    An empty hash is not compared.
    """

    files: Mapping[str, str]
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
    return [_deidentify_file(batch, name) for name in batch.files]


def _deidentify_file(batch: Batch, name: str) -> InstanceOutcome:
    settings = batch.settings
    uids = UidReplacer(settings.secret, settings.uid_root, batch.recorded_uids)
    content = BytesIO()
    with closing(batch.pulled.open(name)) as source:
        expected = batch.files[name]
        if expected and hashlib.file_digest(source, "sha256").hexdigest() != expected:  # type: ignore[arg-type]
            raise ChangedContentError(
                f"File {name} of stage pulled is not what the staging PACS delivered. "
                "Find out who changed it, clear the error, then run again with `refresh: true`."
            )
        outcome = deidentify_instance(
            source,
            content,
            profile=settings.profile,
            subject=batch.subject,
            uids=uids,
            allowed_modalities=settings.allowed_modalities,
            identifiers=batch.identifiers,
        )
    receipt = batch.draft.write(name, [content.getbuffer()]) if isinstance(outcome, Deidentified) else None
    return InstanceOutcome(name, outcome, receipt, uids.seen)
