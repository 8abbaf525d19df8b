"""pulled -> deidentified: what may leave, written once; what may not, kept back with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dicom_assets.deidentification import Deidentified, EpochRequest, Profile, Quarantined
from dicom_assets.deidentification.options import Option
from dicom_assets.steps.aliases import alias_of
from dicom_assets.steps.contact_sheets import ContactSheets
from dicom_assets.steps.deidentify_batch import (
    Batch,
    DeidentificationSettings,
    Expected,
    InstanceOutcome,
)
from dicom_assets.steps.deidentify_files import deidentify_files
from dicom_assets.steps.hold_back import held_back_input, without_held_back
from dicom_assets.steps.look_over import look_over
from dicom_assets.steps.manifests import StageOutcome, Stopwatch, commit, standing
from dicom_assets.steps.ports import IdentityDb, Progress, Registration, StageFolder, StudyStore
from dicom_assets.study import PatientIdentity, QuarantineReason, Stage, StudyKey, Subject


@dataclass(frozen=True, slots=True)
class PulledFacts:
    """What a pulled study says of itself: content hash and UIDs (study, series, instance) by file. *Identified*."""

    files: Mapping[str, str]
    patient: PatientIdentity
    identifiers: frozenset[str]
    uids: frozenset[str]
    accession_numbers: Sequence[str]
    earliest_dates: Sequence[str] = ()
    uids_of: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)


def read_pulled(pulled: StageFolder) -> PulledFacts:
    """Read who and what a pulled study is: of one patient, which pulling made sure of."""
    instances = pulled.manifest()["instances"]
    identities = [entry["identity"] for entry in instances if entry["identity"] is not None]
    patients = [PatientIdentity(**identity["patient"]) for identity in identities]
    accession_numbers = sorted({identity["accession_number"] for identity in identities} - {""})
    said = {value for patient in patients for value in asdict(patient).values()} | set(accession_numbers)
    uid_fields = ("study_uid", "series_uid", "sop_uid")
    return PulledFacts(
        files={entry["file"]: entry["sha256"] for entry in instances},
        patient=max(patients, key=lambda patient: (patient.issuer, patient.patient_name)),
        identifiers=frozenset(said - {""}),
        uids=frozenset(identity[name] for identity in identities for name in uid_fields),
        accession_numbers=accession_numbers,
        earliest_dates=[identity.get("earliest_date", "") for identity in identities],  # not noted by older versions
        uids_of={
            entry["file"]: [entry["identity"][name] for name in uid_fields] if entry["identity"] else ()
            for entry in instances
        },
    )


def deidentify_study(
    study_key: StudyKey,
    pulled: StageFolder,
    *,
    settings: DeidentificationSettings,
    identity_db: IdentityDb,
    registration: Registration,
    store: StudyStore,
    executor: Executor,
    refresh: bool,
    progress: Progress,
    sheets: ContactSheets | None = None,
) -> StageOutcome:
    """De-identify a pulled study unless that stands already; `sheets` draws its contact sheet.

    Raises:
        ChangedContentError: a file is not what was pulled.
        StudyError: worker processes die on it.
    """
    facts = read_pulled(pulled)
    subject = subject_of(facts, settings.profile, identity_db, registration)
    held_back = store.held_back(study_key)
    inputs = _inputs(pulled, subject, settings) | held_back_input(held_back)
    finished = None if refresh else standing(store, study_key, Stage.DEIDENTIFIED, inputs)
    if finished is not None:
        return StageOutcome(study_key, Stage.DEIDENTIFIED, finished, redone=False)
    watch = Stopwatch()
    draft = store.draft(study_key, Stage.DEIDENTIFIED)
    batch = Batch(
        files={name: Expected(sha256, pulled.stamp_of(name)) for name, sha256 in facts.files.items()},
        pulled=pulled,
        draft=draft,
        settings=settings,
        subject=subject,
        identifiers=facts.identifiers,
        recorded_uids=identity_db.replacements(facts.uids),
    )
    outcomes = deidentify_files(
        study_key, batch, facts.patient, facts.accession_numbers, identity_db, executor, progress
    )
    if held_back:
        replacements = identity_db.replacements(facts.uids)
        outcomes = [
            without_held_back(one, facts.uids_of[one.source], replacements, held_back, draft) for one in outcomes
        ]
    seen = look_over(pulled, draft, outcomes, executor, sheets)
    folder = commit(
        draft,
        study_key,
        Stage.DEIDENTIFIED,
        inputs=inputs,
        facts={**_facts(outcomes, settings.profile, watch), **seen},
        content=_content(outcomes),
        written={outcome.source: outcome.receipt for outcome in outcomes if outcome.receipt is not None},
    )
    return StageOutcome(study_key, Stage.DEIDENTIFIED, folder, redone=True)


def standing_deidentification(
    store: StudyStore,
    study_key: StudyKey,
    pulled: StageFolder,
    *,
    settings: DeidentificationSettings,
    identity_db: IdentityDb,
    registration: Registration,
) -> StageFolder | None:
    """The finished stage if it is what these settings would make of the pulled study, else None."""
    subject = subject_of(read_pulled(pulled), settings.profile, identity_db, registration)
    inputs = _inputs(pulled, subject, settings) | held_back_input(store.held_back(study_key))
    return standing(store, study_key, Stage.DEIDENTIFIED, inputs)


def _inputs(pulled: StageFolder, subject: Subject, settings: DeidentificationSettings) -> dict[str, str]:
    return {
        "pulled": pulled.digest(),
        "profile": settings.profile.fingerprint,
        "modalities": ",".join(sorted(settings.allowed_modalities)),
        "subject": subject.patient_id,
        "uid_root": settings.uid_root,
    }


def subject_of(facts: PulledFacts, profile: Profile, identity_db: IdentityDb, registration: Registration) -> Subject:
    """What stands for the patient: the registration's alias where it has one, else the pseudonym.

    Raises:
        StudyError: the profile counts dates from an epoch and no date of a new patient is known.
        RegistrationFailedError: the alias can't be used.
    """
    subject = identity_db.subject(facts.patient, EpochRequest.among(profile.epoch, facts.earliest_dates))
    alias = alias_of(facts.patient, registration)
    return subject if alias is None else replace(subject, patient_id=alias)


def _facts(outcomes: Sequence[InstanceOutcome], profile: Profile, watch: Stopwatch) -> Mapping[str, Any]:
    done = [o.outcome for o in outcomes if isinstance(o.outcome, Deidentified)]
    kept_back = [o.outcome for o in outcomes if isinstance(o.outcome, Quarantined)]
    has_new_uids = bool(done) and Option.RETAIN_UIDS not in profile.options
    protocol = sum(q.reason is QuarantineReason.PATIENT_PROTOCOL and q.detail.endswith(" exact") for q in kept_back)
    return {
        "instances": len(done),
        "series": len({d.series_instance_uid for d in done}),
        "bytes": sum(o.receipt.size_bytes for o in outcomes if o.receipt is not None),
        "quarantined": len(kept_back),
        "quarantined_by_reason": dict(Counter(str(q.reason) for q in kept_back).most_common()),
        "protocol_series_instances": protocol,
        "pixels_cleaned": sum(bool(d.pixels) for d in done),
        "residual_scan": "passed",
        "study_instance_uid": done[0].study_instance_uid if has_new_uids else "",
        "seconds": watch.seconds(),
    }


def _content(outcomes: Sequence[InstanceOutcome]) -> Mapping[str, Any]:
    instances, quarantined = [], []
    for one in outcomes:
        if isinstance(one.outcome, Quarantined):
            quarantined.append({"file": one.source, "reason": one.outcome.reason, "detail": one.outcome.detail})
        elif one.receipt is not None:
            instances.append(
                {
                    "file": one.source,
                    "sha256": one.receipt.sha256,
                    "bytes": one.receipt.size_bytes,
                    "sop_instance_uid": one.outcome.sop_instance_uid,
                    "series_instance_uid": one.outcome.series_instance_uid,
                    "study_instance_uid": one.outcome.study_instance_uid,
                    "sop_class_uid": one.outcome.sop_class_uid,
                    "transfer_syntax_uid": one.outcome.transfer_syntax_uid,
                    "modality": one.outcome.modality,
                    "pixels": one.outcome.pixels,
                }
            )
    return {"instances": instances, "quarantined": quarantined, "residual_scan": "passed"}
