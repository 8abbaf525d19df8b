"""The files of one study through worker processes, with the mappings that are in force."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import islice

from dicom_assets.deidentification import Deidentified
from dicom_assets.errors import StudyError
from dicom_assets.steps.deidentify_batch import Batch, Expected, InstanceOutcome, deidentify_batch
from dicom_assets.steps.ports import IdentityDb, Progress
from dicom_assets.study import PatientIdentity, StudyKey, Subject, UidLevel

SMALLEST_BATCH = 8
"""Files that go to a worker process at once: few enough to share a study, many enough to be worth the way."""

MOST_BATCHES = 128
"""Of a large study: each batch carries the study's recorded UIDs, which must not cost the square of their number."""

_one_retry_at_a_time = threading.Lock()


def deidentify_files(
    study_key: StudyKey,
    batch: Batch,
    patient: PatientIdentity,
    accession_numbers: Sequence[str],
    identity_db: IdentityDb,
    executor: Executor,
    progress: Progress,
) -> list[InstanceOutcome]:
    """De-identify, record the mappings, and do again what used a mapping that was recorded otherwise.

    Replacements are derived, so this happens only where the identity DB holds older mappings of UIDs
    that an instance refers to and that do not belong to this study.

    Raises:
        ChangedContentError: a file is not what was pulled.
        StudyError: worker processes die on it.
    """
    outcomes = {outcome.source: outcome for outcome in _run(batch, executor, progress)}
    while True:
        used = {original: new for outcome in outcomes.values() for original, new in outcome.uids.items()}
        values = _values(patient, accession_numbers, batch.subject)
        in_force = identity_db.record(study_key, patient, used, values, _levels(outcomes.values(), used))
        overruled = {original: new for original, new in in_force.items() if used[original] != new}
        again = [name for name, outcome in outcomes.items() if outcome.uids.keys() & overruled.keys()]
        if not again:
            return [outcomes[name] for name in batch.files]
        batch = replace(batch, recorded_uids={**batch.recorded_uids, **in_force})
        outcomes |= {
            o.source: o
            for o in _run(replace(batch, files={name: batch.files[name] for name in again}), executor, progress)
        }


def _values(
    patient: PatientIdentity, accession_numbers: Sequence[str], subject: Subject
) -> Mapping[str, Mapping[str, str]]:
    """What can be looked up later besides UIDs: keyword to original -> replacement."""
    return {
        "PatientID": {patient.patient_id: subject.patient_id},
        "PatientName": {patient.patient_name: subject.patient_id} if patient.patient_name else {},
        "PatientBirthDate": {patient.birth_date: ""} if patient.birth_date else {},
        "AccessionNumber": dict.fromkeys(accession_numbers, ""),
    }


def _levels(outcomes: Iterable[InstanceOutcome], used: Mapping[str, str]) -> Mapping[str, UidLevel]:
    """What the original UIDs name, as far as the instances that were written say."""
    names: dict[str, UidLevel] = {}
    for outcome in (one.outcome for one in outcomes if isinstance(one.outcome, Deidentified)):
        names[outcome.study_instance_uid] = UidLevel.STUDY
        names[outcome.series_instance_uid] = UidLevel.SERIES
        names[outcome.sop_instance_uid] = UidLevel.INSTANCE
    return {original: names[new] for original, new in used.items() if new in names}


def _run(batch: Batch, executor: Executor, progress: Progress) -> list[InstanceOutcome]:
    """De-identify the batch's files; once more, and no other study's beside it, when a worker process died.

    A dead worker takes down what the others were doing: only who kills one alone is to blame.
    """
    try:
        return list(_attempt(batch, executor, progress))
    except BrokenProcessPool:
        pass
    with _one_retry_at_a_time:
        try:
            return list(_attempt(batch, executor, progress))
        except BrokenProcessPool:
            raise StudyError(
                "A worker process died on this study twice, perhaps for want of memory: "
                "give the machine more, or run with fewer workers, then clear the error and run again."
            ) from None


def _attempt(batch: Batch, executor: Executor, progress: Progress) -> Iterator[InstanceOutcome]:
    parts = [replace(batch, files=part) for part in _parts(batch.files)]
    total, done = len(batch.files), 0
    futures: list[Future[list[InstanceOutcome]]] = []
    try:
        futures += [executor.submit(deidentify_batch, part) for part in parts]
        for future in as_completed(futures):
            outcomes = future.result()
            done += len(outcomes)
            progress(done, total)
            yield from outcomes
    finally:
        for future in futures:
            future.cancel()


def _parts(files: Mapping[str, Expected]) -> Iterator[Mapping[str, Expected]]:
    remaining = iter(files.items())
    size = max(SMALLEST_BATCH, -(-len(files) // MOST_BATCHES))
    while part := dict(islice(remaining, size)):
        yield part
