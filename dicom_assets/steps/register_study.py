"""deidentified -> registered: the study is linked with the research database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from dicom_assets.errors import StudyError
from dicom_assets.steps.deidentify_study import read_pulled
from dicom_assets.steps.manifests import StageOutcome, Stopwatch, commit, standing
from dicom_assets.steps.ports import IdentityDb, ReadsBack, Registration, StageFolder, StudyStore
from dicom_assets.study import Fact, RegisteredStudy, Stage, StudyKey


def register_study(
    study_key: StudyKey,
    pulled: StageFolder,
    deidentified: StageFolder,
    *,
    identity_db: IdentityDb,
    registration: Registration,
    store: StudyStore,
    refresh: bool,
    dry_run: bool,
) -> StageOutcome:
    """Register a de-identified study unless that stands already; a dry run only asks whether it could be.

    Raises:
        StudyError: every instance was quarantined, there is nothing to register.
        RegistrationRefusedError: the research database can't link the study.
    """
    require_something(deidentified)
    inputs = _inputs(pulled, deidentified, registration)
    finished = None if refresh else standing(store, study_key, Stage.REGISTERED, inputs)
    if finished is not None:
        return StageOutcome(study_key, Stage.REGISTERED, finished, redone=False)
    watch = Stopwatch()
    study = registered_study(study_key, pulled, deidentified, identity_db)
    rows: Mapping[str, int] = {}
    read_back: Mapping[str, int] = {}
    if dry_run:
        registration.check(study)
    else:
        rows = registration.register(study)
        read_back = registration.read_back(study) if isinstance(registration, ReadsBack) else {}
    facts: dict[str, Fact] = {
        "instances": study.number_of_instances,
        "series": study.number_of_series,
        "rows": dict(rows),
        **read_back,
        "study_instance_uid": deidentified.manifest()["facts"]["study_instance_uid"],
        "seconds": watch.seconds(),
    }
    draft = store.draft(study_key, Stage.REGISTERED)
    folder = commit(draft, study_key, Stage.REGISTERED, inputs=inputs, facts=facts, content={})
    return StageOutcome(study_key, Stage.REGISTERED, folder, redone=True)


def standing_registration(
    store: StudyStore, study_key: StudyKey, pulled: StageFolder, deidentified: StageFolder, registration: Registration
) -> StageFolder | None:
    """The finished stage if it linked this very study, and there, else None."""
    return standing(store, study_key, Stage.REGISTERED, _inputs(pulled, deidentified, registration))


def _inputs(pulled: StageFolder, deidentified: StageFolder, registration: Registration) -> dict[str, str]:
    """The accession number, by which a study is linked, is in what was pulled alone."""
    return {
        "pulled": pulled.digest(),
        "deidentified": deidentified.digest(),
        "registration": registration.name,
    }


def require_something(deidentified: StageFolder) -> None:
    """Stop a study of which nothing may leave.

    Raises:
        StudyError: every instance was quarantined; the message counts the reasons.
    """
    facts = deidentified.manifest()["facts"]
    if not facts["instances"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in facts["quarantined_by_reason"].items())
        raise StudyError(f"Every instance was quarantined ({reasons}): there is nothing to publish.")


def registered_study(
    study_key: StudyKey, pulled: StageFolder, deidentified: StageFolder, identity_db: IdentityDb
) -> RegisteredStudy:
    """What registration is told. The alias is the one that the instances carry, whatever it would say by now."""
    originals = read_pulled(pulled)
    manifest = deidentified.manifest()
    instances = manifest["instances"]
    return RegisteredStudy(
        study_key=study_key,
        patient=originals.patient,
        alias=manifest["inputs"]["subject"],
        original_study_uid=identity_db.original_study_uid(study_key),
        accession_numbers=tuple(originals.accession_numbers),
        study_uid=instances[0]["study_instance_uid"],
        modality=_most_frequent(instances, "modality"),
        sop_class_uid=_most_frequent(instances, "sop_class_uid"),
        number_of_series=len({instance["series_instance_uid"] for instance in instances}),
        number_of_instances=len(instances),
    )


def _most_frequent(instances: list[Mapping[str, str]], field: str) -> str:
    return Counter(instance[field] for instance in instances).most_common(1)[0][0]
