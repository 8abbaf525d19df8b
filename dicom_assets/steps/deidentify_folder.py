"""A folder of DICOM files in, a folder of de-identified ones out, of the same tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from threading import Lock

from dicom_assets.deidentification import (
    EpochRequest,
    InstanceIdentity,
    Quarantined,
    UidReplacer,
    UnreadableInstanceError,
    read_identity,
)
from dicom_assets.errors import ChangedContentError, StorageError, StudyError
from dicom_assets.steps.deidentify_batch import Batch, DeidentificationSettings, Expected, InstanceOutcome
from dicom_assets.steps.deidentify_files import deidentify_files
from dicom_assets.steps.folder_names import FolderNames
from dicom_assets.steps.ports import Folder, IdentityDb, InstanceSource
from dicom_assets.steps.pull_study import require_one_patient
from dicom_assets.study import PatientIdentity, QuarantineReason, Subject

SCAN_SIZE = 64
"""Files whose headers a worker process reads at once."""

WRITTEN, QUARANTINED, FAILED = "written", "quarantined", "failed"


@dataclass(frozen=True, slots=True)
class InstanceReport:
    """What became of one file. *Identified*: `source` is a path that people chose."""

    source: str = field(repr=False)
    outcome: str
    output: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Scanned:
    name: str
    identity: InstanceIdentity | None
    reason: str = ""
    detail: str = ""


def deidentify_folder(
    folder: Folder,
    *,
    settings: DeidentificationSettings,
    identity_db: IdentityDb,
    executor: Executor,
    workers: int,
    on_total: Callable[[int], None],
    on_report: Callable[[InstanceReport], None],
) -> None:
    """De-identify every file; each is reported once, by `on_report`, as its study is done.

    A file that can't be read fails alone, a study that can't be told apart fails alone. Original UIDs of the study
    and its patient, and the replacements, are recorded in the identity DB.

    Args:
        folder: where the files are and where they go.
        settings: what is done.
        identity_db: who is who.
        executor: worker processes.
        workers: studies in flight.
        on_total: told the number of files once it is known.
        on_report: told of each file, from this thread alone.

    Raises:
        StorageError: what was made can't be written.
    """
    names = folder.names()
    on_total(len(names))
    studies: dict[str, list[_Scanned]] = defaultdict(list)
    for scanned in _scan(folder.source, names, executor):
        if scanned.identity is None:
            on_report(_kept_back_unread(folder, scanned))
        else:
            studies[scanned.identity.study_uid].append(scanned)
    everybody = (file.identity for files in studies.values() for file in files if file.identity is not None)
    names_shown = FolderNames(everybody, UidReplacer(settings.secret).hash_text)
    job = _FolderJob(folder, settings, identity_db, executor, names_shown)
    job.settle_offsets(studies)
    with ThreadPoolExecutor(workers, thread_name_prefix="study") as threads:
        futures = [threads.submit(job.study, uid, files) for uid, files in studies.items()]
        try:
            for future in as_completed(futures):
                for report in future.result():
                    on_report(report)
        finally:
            for future in futures:
                future.cancel()


def _kept_back_unread(folder: Folder, scanned: _Scanned) -> InstanceReport:
    if scanned.reason == FAILED:
        return InstanceReport(scanned.name, FAILED, reason="unreadable-file", detail=scanned.detail)
    folder.keep_back(scanned.name)
    return InstanceReport(scanned.name, QUARANTINED, reason=scanned.reason, detail=scanned.detail)


def _scan(source: InstanceSource, names: Sequence[str], executor: Executor) -> Iterator[_Scanned]:
    parts = [names[start : start + SCAN_SIZE] for start in range(0, len(names), SCAN_SIZE)]
    futures = [executor.submit(_scan_files, source, part) for part in parts]
    for future in futures:
        yield from future.result()


def _scan_files(source: InstanceSource, names: Sequence[str]) -> list[_Scanned]:
    return [_scan_file(source, name) for name in names]


def _scan_file(source: InstanceSource, name: str) -> _Scanned:
    try:
        with closing(source.open(name)) as file:
            identity = read_identity(file)
    except UnreadableInstanceError as error:
        return _Scanned(name, None, QuarantineReason.UNREADABLE, str(error))
    except (StorageError, OSError) as error:
        return _Scanned(name, None, FAILED, str(error) if isinstance(error, StorageError) else type(error).__name__)
    if not identity.study_uid:
        return _Scanned(name, None, QuarantineReason.MALFORMED, "(0020,000D) is missing")
    return _Scanned(name, identity)


class _FolderJob:
    """One study after the other, on threads."""

    def __init__(
        self,
        folder: Folder,
        settings: DeidentificationSettings,
        identity_db: IdentityDb,
        executor: Executor,
        names: FolderNames,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._identity_db = identity_db
        self._executor = executor
        self._names = names
        self._placing = Lock()

    def settle_offsets(self, studies: Mapping[str, Sequence[_Scanned]]) -> None:
        """Under an epoch, reckon each new patient's offset from the earliest study here, whichever is done first."""
        if self._settings.profile.epoch is None:
            return
        known = [(uid, [file.identity for file in files if file.identity]) for uid, files in studies.items()]
        for uid, identities in sorted(known, key=_earliest_date):
            with suppress(StudyError):  # the study is reported as failed in its turn
                self._subject(_patient_of(uid, identities), identities)

    def study(self, study_uid: str, files: Sequence[_Scanned]) -> list[InstanceReport]:
        """Report each file of a study, or the same failure for all of them."""
        identities = [file.identity for file in files if file.identity is not None]
        try:
            outcomes = self._deidentify(study_uid, [file.name for file in files], identities)
            with self._placing:
                return [self._report(outcome) for outcome in outcomes]
        except StudyError as error:
            return [InstanceReport(file.name, FAILED, reason="study", detail=str(error)) for file in files]

    def _deidentify(
        self, study_uid: str, names: Sequence[str], identities: Sequence[InstanceIdentity]
    ) -> list[InstanceOutcome]:
        patient = _patient_of(study_uid, identities)
        accession_numbers = sorted({identity.accession_number for identity in identities} - {""})
        uids = {uid for one in identities for uid in (one.study_uid, one.series_uid, one.sop_uid)} - {""}
        said = {value for one in identities for value in asdict(one.patient).values()} | set(accession_numbers)
        batch = Batch(
            files=dict.fromkeys(names, Expected()),
            pulled=self._folder.source,
            draft=self._folder.draft,
            settings=self._settings,
            subject=self._subject(patient, identities),
            identifiers=frozenset(said - {""}),
            recorded_uids=self._identity_db.replacements(uids),
        )
        study_key = self._identity_db.study_key(study_uid)
        return deidentify_files(
            study_key, batch, patient, accession_numbers, self._identity_db, self._executor, lambda _done, _total: None
        )

    def _subject(self, patient: PatientIdentity, identities: Sequence[InstanceIdentity]) -> Subject:
        noted = (identity.earliest_date for identity in identities)
        return self._identity_db.subject(patient, EpochRequest.among(self._settings.profile.epoch, noted))

    def _report(self, outcome: InstanceOutcome) -> InstanceReport:
        done = outcome.outcome
        if isinstance(done, Quarantined):
            return self._kept_back(outcome.source, done.reason, done.detail)
        sha256 = "" if outcome.receipt is None else outcome.receipt.sha256
        try:
            target = self._names.parent_of(outcome.source) / f"{done.sop_instance_uid}.dcm"
            self._folder.place(outcome.source, target.as_posix(), sha256)
        except ChangedContentError as error:
            return self._kept_back(outcome.source, QuarantineReason.CONFLICTING_DUPLICATE, str(error))
        return InstanceReport(outcome.source, WRITTEN, output=target.as_posix(), detail=done.pixels)

    def _kept_back(self, name: str, reason: str, detail: str) -> InstanceReport:
        self._folder.keep_back(name)
        return InstanceReport(name, QUARANTINED, reason=reason, detail=detail)


def _earliest_date(study: tuple[str, Sequence[InstanceIdentity]]) -> str:
    """As DA has it; studies without any come last."""
    return min((identity.earliest_date for identity in study[1] if identity.earliest_date), default="99999999")


def _patient_of(study_uid: str, identities: Sequence[InstanceIdentity]) -> PatientIdentity:
    """The one patient of a study; a study that names none, or by a name or birth date alone, is a patient of its own.

    Raises:
        StudyError: the instances are of several patients.
    """
    patients = [one.patient for one in identities]
    require_one_patient(patients, "sort its files out, then run again.")
    found = max(patients, key=lambda one: (one.issuer, one.patient_name, one.birth_date))
    if found.patient_id or (found.patient_name and found.birth_date):
        return found
    return replace(found, patient_id=study_uid, issuer="study without patient")
