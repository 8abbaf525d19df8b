"""What the steps need of the world. Adapters fulfil these Protocols; `defs/resources.py` joins the two."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from dicom_assets.deidentification import EpochRequest
from dicom_assets.study import (
    Commitment,
    Fact,
    FileReceipt,
    OutgoingInstance,
    PatientIdentity,
    Piece,
    Receive,
    RegisteredStudy,
    Retrieval,
    ReviewConflict,
    ReviewedStudy,
    Stage,
    Stamp,
    StoreOutcome,
    StudyKey,
    StudyListing,
    Subject,
    UidLevel,
)
from dicom_assets.withdrawal import Withdrawal, WithdrawalState


class Pacs(Protocol):
    """A PACS at either end. Any number of threads may use it; it keeps to the number of connections it may have."""

    @property
    def name(self) -> str:
        """AE title, host and port (or the DICOMweb address), to tell one PACS from another in a manifest."""

    @property
    def protocol(self) -> str:
        """How it is pulled from or published to: `dicomweb`, `c-get`, `c-move` or `c-store`."""

    @property
    def connections(self) -> int:
        """How many associations or connections we may have there at once, over all studies."""

    def find_study(self, study_uid: str) -> StudyListing:
        """What the PACS says it has of a study: its instances, or counts where it does not answer for instances.

        Raises:
            PacsAwayError: it can't be asked for now.
            PacsError: it ended the query with a failure.
        """


class StagingPacs(Pacs, Protocol):
    """The PACS that holds identified studies."""

    def retrieve(self, retrieval: Retrieval, receive: Receive) -> str:
        """Ask once; hand every instance that arrives to `receive`. Never raises for what did not arrive.

        Returns:
            What the PACS says went wrong, value-free; nothing where it says that all is well.

        Raises:
            PacsAwayError: no association for now, or it was lost on the way.
            PacsError: the PACS ended the operation with a failure.
            StorageError: an instance that arrived could not be written.
        """


class ResearchPacs(Pacs, Protocol):
    """The PACS that researchers see."""

    def store(self, instances: Sequence[OutgoingInstance]) -> Generator[StoreOutcome]:
        """Send each instance once, several at a time, and yield its outcome as the PACS answers, in any order.

        Raises:
            PacsAwayError: no association for now, or it was lost on the way.
            PacsError: the PACS can't be sent to.
            ChangedContentError: an instance's content is not what passed the residual scan.
        """

    def commit(self, instances: Sequence[OutgoingInstance]) -> Commitment | None:
        """Ask the PACS to commit itself to keeping the instances; None where it does not offer that.

        Raises:
            PacsAwayError: it offered, and then did not answer in time.
        """


class StudyRemover(Protocol):
    """A way to have a research PACS delete a study."""

    @property
    def name(self) -> str:
        """What is asked and how, for the person who is asked whether to do it."""

    def remove(self, study_uid: str, ours: Collection[str]) -> int:
        """Have the whole study deleted and return how many instances the PACS said it had; whether they went is not
        told. `ours` are SOP Instance UIDs that we published.

        Raises:
            RemovalNotOfferedError: the PACS does not let us, or what it has is not a de-identified study of ours.
            PacsAwayError: it can't be asked for now.
            PacsError: it failed.
        """


class ReviewDb(Protocol):
    """The database of django-dicom-review. It is asked, and told of the outcome; it owns the reviews."""

    def ready(self) -> Iterable[ReviewedStudy]:
        """Studies that may be published now, oldest approval first, conflicts left out."""

    def conflicts(self) -> Sequence[ReviewConflict]:
        """Studies that an approval and another review are at odds about."""

    def approval(self, study_uid: str) -> ReviewedStudy:
        """The study's approval, whether or not it was published or marked with an error.

        Raises:
            StudyNotApprovedError: unknown, not approved, excluded or in conflict.
        """

    def standing_counts(self) -> Mapping[str, int]:
        """How many studies no run would take, by reason."""

    def mark_published(self, study_uid: str) -> None:
        """Set `image_published` on every row of the study; doing it again changes nothing."""

    def mark_error(self, study_uid: str, message: str) -> None:
        """Set the processing error of every row of the study; `message` holds no value."""

    def mark_withdrawn(self, study_uid: str, message: str, *, is_gone: bool) -> None:
        """Set the processing error of every row, published or not; with `is_gone` take `image_published` off as well.

        Doing it again changes nothing; a study without a row is none of this database's.
        """

    def objections_to(self, study_uid: str) -> tuple[tuple[str, ...], str]:
        """What rows and reviews of a study hold against it, whether or not it is published, and their version."""

    def is_published(self, study_uid: str) -> bool:
        """Whether a row of the study says so."""

    def mark_lifted(self, study_uid: str) -> None:
        """Take `image_published` and the processing error off every row, so that the next run looks at the study."""


class IdentityDb(Protocol):
    """The only home of real <-> pseudonym."""

    def study_key(self, study_uid: str) -> StudyKey:
        """The study's key, issued now if this is the first time it is asked for."""

    def original_study_uid(self, study_key: StudyKey) -> str:
        """The study behind a key.

        Raises:
            ConfigurationError: no such key was issued.
        """

    def subject(self, patient: PatientIdentity, epoch: EpochRequest | None = None) -> Subject:
        """What stands for the patient, the same in all studies and for ever.

        A new patient's date offset is reckoned from `epoch` where there is one; a recorded offset wins over it.

        Raises:
            StudyError: nothing tells the patient from others, or no date of a new patient is known.
        """

    def replacements(self, uids: Iterable[str]) -> Mapping[str, str]:
        """The recorded replacements of those of `uids` that have one."""

    def record(
        self,
        study_key: StudyKey,
        patient: PatientIdentity,
        uids: Mapping[str, str],
        values: Mapping[str, Mapping[str, str]],
        levels: Mapping[str, UidLevel] | None = None,
    ) -> Mapping[str, str]:
        """Record a study's mappings in one transaction and return the UID mappings in force.

        Where a UID was recorded before, the recorded replacement wins and is what comes back.
        `values` maps an attribute's keyword to its original -> replacement pairs, `levels` an original UID to what
        it names in this study.
        """


class Registration(Protocol):
    """How a study is linked with a research database; chosen by `REGISTRATION_HOOK`."""

    @property
    def name(self) -> str:
        """What the manifest calls this hook."""

    def alias_for(self, patient: PatientIdentity) -> str | None:
        """The patient's research alias, or None where the hook has none and the pseudonym serves."""

    def check(self, study: RegisteredStudy) -> None:
        """Whether the study could be linked; changes nothing.

        Raises:
            RegistrationRefusedError: it could not.
        """

    def register(self, study: RegisteredStudy) -> Mapping[str, int]:
        """Link the study; doing it again changes nothing. Returns counts of rows for the manifest.

        Raises:
            RegistrationRefusedError: the study can't be linked; the message goes to the review row.
        """


@runtime_checkable
class Unlinking(Protocol):
    """What a registration hook may offer besides: taking back what it wrote of a study."""

    def unlink(self, original_study_uid: str, study_uids: Collection[str]) -> Mapping[str, int]:
        """Take a withdrawn study's link with its images back; doing it again changes nothing.

        `study_uids` are its replacements. Returns counts of rows.
        """


@runtime_checkable
class ReadsBack(Protocol):
    """A registration that can be asked what it holds of a study."""

    def read_back(self, study: RegisteredStudy) -> Mapping[str, int]:
        """How many rows there are of the study (`rows_found`), and how many say what registering it would write.

        The latter are `rows_agreeing`. Changes nothing.

        Raises:
            RegistrationRefusedError: the study could not be linked now.
        """


class Production(Protocol):
    """What researchers see of published studies in the research database."""

    def copy(self, original_study_uid: str, study_uid: str) -> Mapping[str, int]:
        """Copy what the research database knows of a published study; doing it again changes nothing.

        `study_uid` is the one that it was published under. Returns counts of rows; opened for a dry run, what they
        would be.

        Raises:
            StudyError: the research database does not say so, or its rows belong to somebody else.
        """


class InstanceSource(Protocol):
    """Where worker processes read instance files. Picklable."""

    def open(self, name: str) -> BinaryIO:
        """Read an instance file."""


class InstanceSink(Protocol):
    """Where worker processes write instance files. Picklable."""

    def write(self, name: str, content: bytes | Sequence[bytes | memoryview]) -> FileReceipt:
        """Write one instance file: temporary name, then renamed."""


class Folder(Protocol):
    """A folder of DICOM files and one for what becomes of them, of the same tree."""

    @property
    def source(self) -> InstanceSource:
        """The files as they came."""

    @property
    def draft(self) -> InstanceSink:
        """De-identified files that are not in their places yet, under the names they came by."""

    def names(self) -> Sequence[str]:
        """Every file, as a path relative to the source folder with slashes, sorted."""

    def place(self, name: str, target: str, sha256: str) -> None:
        """Put a drafted file in its place, a path relative to the target folder.

        Raises:
            StorageError: the disk is full or not writable.
            ChangedContentError: this run put other bytes there before.
        """

    def keep_back(self, name: str) -> None:
        """Copy a source file to the quarantine folder, where there is one."""


class FileInWriting(Protocol):
    """An instance file that is being written; nobody sees it before `finish`."""

    def write(self, piece: Piece, /) -> None:
        """Write the next piece."""

    def finish(self) -> FileReceipt:
        """Flush to disk and rename to its name."""

    def discard(self) -> None:
        """Leave nothing of it; harmless once it is finished."""


class StageDraft(Protocol):
    """A stage's folder while it is being written; nobody sees it before `commit`. Picklable."""

    def names(self) -> Sequence[str]:
        """Instance files that a killed run left in this draft, sorted."""

    def begin(self, name: str) -> FileInWriting:
        """Begin an instance file under a temporary name."""

    def write(self, name: str, content: bytes | Sequence[bytes | memoryview]) -> FileReceipt:
        """Write one instance file: temporary name, flushed to disk, renamed."""

    def open(self, name: str) -> BinaryIO:
        """Read an instance file of the draft."""

    def take(self, name: str, path: Path) -> None:
        """Put in an instance file of a finished stage, as it is."""

    def discard(self, name: str) -> None:
        """Drop one instance file of the draft."""

    def attach(self, name: str, content: bytes) -> None:
        """Write something for people to look at, which goes when the stage's images go."""

    def commit(self, manifest: Mapping[str, Any], written: Mapping[str, FileReceipt]) -> StageFolder:
        """Make the stage visible in one rename, in place of what was there before; `written` are its instance files."""


class StageFolder(Protocol):
    """A finished stage of a study. Picklable."""

    def manifest(self) -> Mapping[str, Any]:
        """What went in and what came out."""

    def digest(self) -> str:
        """SHA-256 of the manifest but for facts and inputs, which a later stage names as its input."""

    def open(self, name: str) -> BinaryIO:
        """Read an instance file."""

    def path_of(self, name: str) -> Path:
        """Where an instance file lies, for those who must have a path."""

    def stamp_of(self, name: str) -> Stamp | None:
        """How an instance file looked when this process finished the stage; None where another process did."""

    def names(self) -> Sequence[str]:
        """The instance files that are there, sorted."""

    def attachment(self, name: str) -> bytes | None:
        """What was attached under this name, None where there is no such thing."""


class StudyStore(Protocol):
    """The folders of all studies."""

    def lock(self, study_key: StudyKey) -> AbstractContextManager[None]:
        """Hold the study for this run.

        Raises:
            StudyBusyError: another run holds it.
        """

    def finished(self, study_key: StudyKey, stage: Stage) -> StageFolder | None:
        """A finished stage, or None."""

    def recorded(self, study_key: StudyKey, stage: Stage) -> StageFolder | None:
        """A stage that was finished once, though its images may be gone by now; or None."""

    def manifest_of(self, study_key: StudyKey, stage: Stage) -> Mapping[str, Any] | None:
        """The manifest of a stage that was finished once, also where its images were removed or it was taken back."""

    def left_in_draft(self, study_key: StudyKey, stage: Stage, name: str) -> bytes | None:
        """A file that a run which ended before its time left in the draft of a stage; or None."""

    def others(self, stage: Stage, than: StudyKey) -> Iterator[Mapping[str, Any]]:
        """The manifests of that stage of all other studies that have it and of which it was not taken back."""

    def put_off(self, study_key: StudyKey, *, failed: bool) -> None:
        """Have a study that failed for now come after others from now on, and one that did not in its turn again."""

    def those_put_off(self) -> Collection[StudyKey]:
        """The studies that failed for now when they were tried last."""

    def retire(self, study_key: StudyKey, stage: Stage) -> None:
        """Let a finished stage count as not done; its manifest stays to be read about. The study has to be locked."""

    def draft(self, study_key: StudyKey, stage: Stage, *, resume: str = "") -> StageDraft:
        """A draft to write the stage into; it still holds what a killed run left that named the same `resume`."""

    def held_back(self, study_key: StudyKey) -> frozenset[str]:
        """De-identified UIDs of studies, series and instances that a person wants kept back."""

    def hold_back(self, study_key: StudyKey, uids: Collection[str]) -> None:
        """Keep back what has these UIDs, and nothing else any more."""


class Withdrawals(Protocol):
    """What is known of withdrawn studies. Any number of processes may use it."""

    def of(self, study_key: StudyKey) -> Withdrawal | None:
        """What is known of a study's withdrawal; None for a study that never was.

        Raises:
            StorageError: nobody can tell.
        """

    def all(self) -> Sequence[Withdrawal]:
        """Every withdrawal, lifted ones too.

        Raises:
            StorageError: a record can't be read.
        """

    def set(self, found: Withdrawal, state: WithdrawalState, by: str) -> Withdrawal:
        """Bring a study's withdrawal into a state; what is there already stays as it is."""

    def is_sending(self, study_key: StudyKey) -> None:
        """Write down that a study may be in the research PACS from now on, in parts or whole."""

    def is_settled(self, study_key: StudyKey) -> None:
        """Forget that a study is on its way: the review database says that it is published, or it is gone again."""

    def in_flight(self) -> Collection[StudyKey]:
        """The studies that are, or were left, on their way to the research PACS."""


class AuditTrail(Protocol):
    """The run's folder, written as things happen."""

    def event(self, name: str, study_key: StudyKey | None = None, facts: Mapping[str, Fact] | None = None) -> None:
        """Write down what happened; facts are value-free.

        Raises:
            StorageError: it could not be written.
        """


Progress = Callable[[int, int], None]
"""Told how many instances are done, of how many."""
