"""Our own, in three ways.

`engine`: `deidentify_instance` in a loop. `recorded`: the same, with the study's mappings recorded in the identity
database and a manifest written. `stage`: the product's own step, which besides compares each file with its hash, takes
the hash of what it writes, and flushes it to disk.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import harness

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.adapters.registration.none import NoRegistration
from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.deidentification import (
    Deidentified,
    InstanceIdentity,
    Quarantined,
    UidReplacer,
    deidentify_instance,
    read_identity,
    shipped_profile,
)
from dicom_assets.deidentification.quarantine import QuarantineRules
from dicom_assets.steps.deidentify_batch import DeidentificationSettings
from dicom_assets.steps.deidentify_study import deidentify_study
from dicom_assets.steps.manifests import StageOutcome
from dicom_assets.steps.patience import Patience
from dicom_assets.steps.ports import StageFolder
from dicom_assets.steps.pull_study import pull_study
from dicom_assets.steps.turnstile import Turnstile
from dicom_assets.study import InstanceRef, Receive, Retrieval, ReviewedStudy, Stage, StudyKey, StudyListing, Subject

Result = TypeVar("Result")
SECRET = b"the benchmark's secret, in no other use"
SETTINGS = DeidentificationSettings(shipped_profile("basic"), SECRET, "2.25", frozenset({"CT"}))
PROFILE = replace(SETTINGS.profile, quarantine=QuarantineRules(encapsulated_documents=False))


class QuarantinedError(Exception):
    """Nothing was written, on purpose."""


def deidentify_file(source: Path, target: Path, *, subject: Subject, uids: UidReplacer, **more: Any) -> Deidentified:
    """`deidentify_instance`, file to file; documents pass, since the rows of Table E.1-1 hold one."""
    settings = {"profile": PROFILE, "allowed_modalities": SETTINGS.allowed_modalities, **more}
    with source.open("rb") as file, target.open("wb") as written:
        outcome = deidentify_instance(file, written, subject=subject, uids=uids, **settings)
    if isinstance(outcome, Quarantined):
        raise QuarantinedError
    return outcome


def engine(job: harness.Job) -> harness.Deidentify:  # noqa: ARG001
    """`deidentify_instance` alone."""
    subject = Subject("PBENCHMARK", -100)

    def deidentify(source: Path, target: Path) -> None:
        deidentify_file(source, target, subject=subject, uids=UidReplacer(SECRET))

    return deidentify


class OneFolder:
    """A staging PACS that is a folder with one study."""

    name = "benchmark"
    protocol = "folder"
    connections = 1

    def __init__(self, folder: Path) -> None:
        self._files: dict[InstanceRef, Path] = {}
        for path in sorted(folder.iterdir()):
            with path.open("rb") as file:
                identity = read_identity(file)
            ref = InstanceRef(identity.sop_uid, identity.series_uid, identity.sop_class_uid)
            self._files[ref] = path
            self.study_uid = identity.study_uid

    def find_study(self, study_uid: str) -> StudyListing:  # noqa: ARG002
        """All there are."""
        return StudyListing(tuple(self._files))

    def retrieve(self, retrieval: Retrieval, receive: Receive) -> None:  # noqa: ARG002
        """Every file."""
        for ref, path in self._files.items():
            arrival = receive(ref.sop_instance_uid)
            arrival.write(path.read_bytes())
            arrival.keep()

    def file_names(self) -> list[str]:
        """The files' names in the order in which pulling numbers them."""
        return [self._files[ref].name for ref in sorted(self._files, key=lambda ref: ref.sop_instance_uid)]


def _never(seconds: float, reason: str) -> None:
    """Nothing here has to be waited for."""
    raise RuntimeError(f"{reason} ({seconds} s)")


class InThisProcess(Executor):
    """Does what it is given at once, so that one process's time is all the time."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """The finished future."""
        future: Future[Result] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Recorded:
    """A plain loop that leaves what the product leaves: mappings in the identity database, and a manifest."""

    def __init__(self, job: harness.Job) -> None:
        self._scratch = Path(job["scratch"])
        self._numbers = itertools.count()
        self._identity_db: IdentityDatabase
        self._identity: InstanceIdentity

    def open(self, source: Path, target: Path) -> None:  # noqa: ARG002
        """A fresh identity database, and whose study it is, which the stage before has found out."""
        home = self._scratch / str(next(self._numbers))
        home.mkdir()
        self._identity_db = IdentityDatabase.open(f"sqlite:///{home / 'identity.sqlite'}", SECRET)
        with next(source.iterdir()).open("rb") as file:
            self._identity = read_identity(file)

    def deidentify(self, source: Path, target: Path) -> harness.Failed:
        """What is timed."""
        patient, study_uid = self._identity.patient, self._identity.study_uid
        subject, study_key = self._identity_db.subject(patient), self._identity_db.study_key(study_uid)
        recorded = self._identity_db.replacements([study_uid])
        identifiers = frozenset({*asdict(patient).values(), self._identity.accession_number} - {""})
        used: dict[str, str] = {}
        entries = []
        for file in sorted(source.iterdir()):
            uids = UidReplacer(SECRET, recorded=recorded)
            written = target / file.name
            outcome = deidentify_file(file, written, subject=subject, uids=uids, identifiers=identifiers)
            used |= uids.seen
            entries.append({"file": file.name, "bytes": written.stat().st_size, **asdict(outcome)})
        values = {"PatientID": {patient.patient_id: subject.patient_id}}
        if self._identity_db.record(study_key, patient, used, values) != used:
            raise RuntimeError("a fresh identity database knew other mappings")
        manifest = {"study_key": study_key, "instances": entries, "quarantined": []}
        (self._scratch / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
        return {}

    def close(self, source: Path, target: Path) -> None:  # noqa: ARG002
        """Give back the database."""
        self._identity_db.close()


class WholeStage:
    """The asset `deidentified`: contents checked, files written durably, mappings recorded, a manifest written."""

    def __init__(self, job: harness.Job) -> None:
        self._scratch = Path(job["scratch"])
        self._numbers = itertools.count()
        self._pacs: OneFolder
        self._store: FolderStudyStore
        self._key: StudyKey
        self._pulled: StageFolder
        self._identity_db: IdentityDatabase

    def pull(self, source: Path, target: Path) -> None:  # noqa: ARG002
        """Lay the study out as the stage before would, with a fresh identity database."""
        home = self._scratch / str(next(self._numbers))
        home.mkdir()
        self._pacs = OneFolder(source)
        self._identity_db = IdentityDatabase.open(f"sqlite:///{home / 'identity.sqlite'}", SECRET)
        self._store = FolderStudyStore(home / "studies")
        self._key = self._identity_db.study_key(self._pacs.study_uid)
        self._pulled = pull_study(
            self._key,
            ReviewedStudy(self._pacs.study_uid, approved_at=None, version="1"),  # type: ignore[arg-type]
            staging_pacs=self._pacs,
            store=self._store,
            refresh=False,
            progress=_unheard,
            patience=Patience(0, _never),
            turnstile=Turnstile(),
        ).folder

    def deidentify(self, source: Path, target: Path) -> harness.Failed:  # noqa: ARG002
        """What is timed."""
        outcome: StageOutcome = deidentify_study(
            self._key,
            self._pulled,
            settings=SETTINGS,
            identity_db=self._identity_db,
            registration=NoRegistration(),
            store=self._store,
            executor=InThisProcess(),
            refresh=False,
            progress=_unheard,
        )
        return {entry["file"]: entry["reason"] for entry in outcome.folder.manifest()["quarantined"]}

    def lay_out(self, source: Path, target: Path) -> None:  # noqa: ARG002
        """Give the files the names that the benchmark knows."""
        folder = self._store.finished(self._key, Stage.DEIDENTIFIED)
        assert folder is not None  # noqa: S101
        for number, name in enumerate(self._pacs.file_names(), start=1):
            written = folder.path_of(f"{number:06d}.dcm")
            if written.exists():
                written.rename(target / name)
        self._identity_db.close()


def _unheard(done: int, total: int) -> None:
    """Progress that nobody watches."""


def prepare(job: harness.Job) -> harness.FolderEngine:
    """The variant that the job asks for."""
    if job["variant"] == "engine":
        return harness.each_file(engine)(job)
    if job["variant"] == "recorded":
        recorded = Recorded(job)
        return harness.FolderEngine(recorded.deidentify, recorded.open, recorded.close)
    stage = WholeStage(job)
    return harness.FolderEngine(stage.deidentify, stage.pull, stage.lay_out)


harness.main(prepare)
