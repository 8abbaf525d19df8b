"""reviewed -> pulled: every instance the staging PACS has of a study, proven by comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from typing import Any

from dicom_assets.deidentification import InstanceIdentity
from dicom_assets.errors import IncompleteStudyError, PacsError, PacsStatusError, StudyError, StudyNotFoundError
from dicom_assets.steps.intake import Intake
from dicom_assets.steps.manifests import StageOutcome, Stopwatch, commit, digest_of, standing
from dicom_assets.steps.patience import Patience
from dicom_assets.steps.ports import Progress, StageFolder, StagingPacs, StudyStore
from dicom_assets.steps.requests import requests_for
from dicom_assets.steps.turnstile import Turnstile
from dicom_assets.study import Fact, IncomingFile, PatientIdentity, Receive, Retrieval, ReviewedStudy, Stage, StudyKey

ROUNDS = 3
"""How many times the staging PACS is asked for what is missing before the study fails."""


def pull_study(
    study_key: StudyKey,
    reviewed: ReviewedStudy,
    *,
    staging_pacs: StagingPacs,
    store: StudyStore,
    refresh: bool,
    progress: Progress,
    patience: Patience,
    turnstile: Turnstile,
) -> StageOutcome:
    """Pull a study unless it stands already, as it was when it was last reviewed.

    Raises:
        StudyNotFoundError: the staging PACS has no instance of it.
        IncompleteStudyError: instances did not arrive however often they were asked for.
        StudyError: what arrived contradicts itself.
        PacsError: the staging PACS is away.
    """
    inputs = _inputs(reviewed, staging_pacs)
    finished = None if refresh else standing(store, study_key, Stage.PULLED, inputs)
    if finished is not None:
        return StageOutcome(study_key, Stage.PULLED, finished, redone=False)
    began = turnstile.wait(patience.pause)
    watch = Stopwatch()
    listing = patience.keep_trying(lambda: staging_pacs.find_study(reviewed.study_uid))
    if not listing.total:
        raise StudyNotFoundError("The staging PACS has no instance of this study: was it moved or deleted there?")
    draft = store.draft(study_key, Stage.PULLED, resume="" if refresh else digest_of(inputs))
    intake = Intake(reviewed.study_uid, listing, draft)
    intake.take_over_leftovers()
    try:
        _retrieve_all(intake, staging_pacs, patience, progress)
    finally:
        turnstile.passed(intake.arrived_bytes, began)
    identities = _identities(intake)
    intake.drop_what_is_aside()
    complete_by = "counts" if listing.instances is None else "instances"
    facts: dict[str, Fact] = {
        "instances": len(intake.received),
        "listed": listing.total,
        "complete_by": complete_by,
        "series": len({identity.series_uid for identity in identities.values() if identity is not None}),
        "bytes": sum(receipt.size_bytes for receipt in intake.received.values()),
        "unreadable": sum(identity is None for identity in identities.values()),
        "seconds": watch.seconds(),
    }
    content = {
        "complete_by": complete_by,
        "instances": [_entry(intake, uid, identity) for uid, identity in identities.items()],
    }
    written = {intake.name_of(uid): receipt for uid, receipt in intake.received.items()}
    folder = commit(draft, study_key, Stage.PULLED, inputs=inputs, facts=facts, content=content, written=written)
    return StageOutcome(study_key, Stage.PULLED, folder, redone=True)


def standing_pull(
    store: StudyStore, study_key: StudyKey, reviewed: ReviewedStudy, staging_pacs: StagingPacs
) -> StageFolder | None:
    """The finished stage if the study was neither reviewed again nor moved to another PACS since, else None."""
    return standing(store, study_key, Stage.PULLED, _inputs(reviewed, staging_pacs))


def _inputs(reviewed: ReviewedStudy, staging_pacs: StagingPacs) -> dict[str, str]:
    return {"review": reviewed.version, "staging_pacs": staging_pacs.name}


def _retrieve_all(intake: Intake, staging_pacs: StagingPacs, patience: Patience, progress: Progress) -> None:
    total = intake.listing.total

    def receive(sop_instance_uid: str) -> IncomingFile:
        progress(min(len(intake.received), total), total)
        return intake.receive(sop_instance_uid)

    def ask() -> _Answer:
        return _ask(requests_for(intake, round_number), staging_pacs, receive)

    failure: PacsError | None = None
    said = ""
    for round_number in range(ROUNDS):
        patience.pause_before_round(round_number)
        try:
            failure, said = patience.keep_trying(ask, last_gain=lambda: intake.last_gain)
        except PacsError as error:
            failure = error
            break
        if not intake.missing_count():
            break
    progress(min(len(intake.received), total), total)
    _judge(intake, failure, said)


_Answer = tuple[PacsStatusError | None, str]
"""A failure that ended a retrieval, and what else the PACS said went wrong."""


def _ask(retrievals: Sequence[Retrieval], staging_pacs: StagingPacs, receive: Receive) -> _Answer:
    """Ask for each once, as many at a time as there may be connections; returns what the PACS answered.

    Raises:
        PacsError: the PACS can't be asked.
        DicomAssetsError: what was received could not be taken in, or the run was ended.
    """
    failure: PacsStatusError | None = None
    said = ""
    if not retrievals:
        return failure, said
    with ThreadPoolExecutor(min(len(retrievals), staging_pacs.connections), "retrieve") as pool:
        futures = [pool.submit(staging_pacs.retrieve, retrieval, receive) for retrieval in retrievals]
        try:
            for future in as_completed(futures):
                try:
                    said = future.result() or said
                except PacsStatusError as error:
                    failure = error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failure, said


def _judge(intake: Intake, failure: PacsError | None, said: str) -> None:
    """Raise for what did not arrive, or arrived with two contents; `said` is what the PACS has to say about it."""
    if differing := intake.drop_differing_duplicates():
        raise StudyError(
            f"{differing} instance(s) arrived twice with different content under one "
            "SOP Instance UID: have the staging PACS's copy repaired."
        )
    missing, total = intake.missing_count(), intake.listing.total
    if not missing:
        return
    blames_study = isinstance(failure, PacsStatusError) and (missing < total or failure.blames_study)
    if failure is not None and not blames_study:
        raise PacsError(f"{missing} of {total} instances did not arrive: {failure}")
    raise IncompleteStudyError(
        f"{missing} of {total} instances did not arrive, asked for {ROUNDS} times, though the staging PACS "
        f"{'counts' if intake.listing.instances is None else 'lists'} them{said and f'; {said}'}. "
        "Have it repaired, then clear the error and run again: what arrived is kept."
    )


def _identities(intake: Intake) -> Mapping[str, InstanceIdentity | None]:
    """Who each instance says it is.

    Raises:
        StudyError: they contradict each other; what arrived is dropped, so that the next run asks anew.
    """
    try:
        identities = intake.identities()
        require_one_patient(identity.patient for identity in identities.values() if identity is not None)
    except StudyError:
        intake.drop_all()
        raise
    return identities


REPAIR = "have it repaired in the staging PACS, then clear the error and run again."


def require_one_patient(patients: Iterable[PatientIdentity], advice: str = REPAIR) -> None:
    """Stop a study that mixes patients, which some PACSs do, or that nobody can read; `advice` is what to do.

    Raises:
        StudyError: it holds several Patient IDs, or none and several names, or several issuers, or nothing readable.
    """
    everybody = list(patients)
    if not everybody:
        raise StudyError("None of the study's instances can be read: look at it in the staging PACS.")
    ids = {patient.patient_id.strip() for patient in everybody}
    nameless = {(patient.patient_name.strip(), patient.birth_date.strip()) for patient in everybody}
    issuers = {patient.issuer.strip() for patient in everybody} - {""}
    if len(ids) > 1:
        raise StudyError(f"The study holds {len(ids)} different Patient IDs: {advice}")
    if ids == {""} and len(nameless) > 1:
        raise StudyError(f"The study holds no Patient ID (0010,0020) and {len(nameless)} different patients: {advice}")
    if len(issuers) > 1:
        raise StudyError(f"The study holds {len(issuers)} different issuers of one Patient ID: {advice}")


def _entry(intake: Intake, uid: str, identity: InstanceIdentity | None) -> Mapping[str, Any]:
    receipt = intake.received[uid]
    return {
        "file": intake.name_of(uid),
        "sha256": receipt.sha256,
        "bytes": receipt.size_bytes,
        "identity": None if identity is None else asdict(identity),
    }
