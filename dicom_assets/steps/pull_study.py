"""reviewed -> pulled: every instance the staging PACS has of a study, proven by comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dicom_assets.deidentification import InstanceIdentity
from dicom_assets.errors import IncompleteStudyError, PacsError, StudyError, StudyNotFoundError
from dicom_assets.steps.intake import Intake
from dicom_assets.steps.manifests import StageOutcome, Stopwatch, commit, standing
from dicom_assets.steps.ports import Progress, StagingPacs, StudyStore
from dicom_assets.study import Stage, StudyKey

ROUNDS = 3
"""How many times the staging PACS is asked for what is missing before the study fails."""


def pull_study(
    study_key: StudyKey,
    study_uid: str,
    *,
    staging_pacs: StagingPacs,
    store: StudyStore,
    refresh: bool,
    progress: Progress,
) -> StageOutcome:
    """Pull a study unless it stands already.

    Raises:
        StudyNotFoundError: the staging PACS has no instance of it.
        IncompleteStudyError: instances did not arrive however often they were asked for.
        StudyError: what arrived contradicts itself.
        PacsError: the staging PACS is away.
    """
    inputs = {"study": study_key}
    finished = None if refresh else standing(store, study_key, Stage.PULLED, inputs)
    if finished is not None:
        return StageOutcome(study_key, Stage.PULLED, finished, redone=False)
    watch = Stopwatch()
    expected = staging_pacs.find_instances(study_uid)
    if not expected:
        raise StudyNotFoundError("The staging PACS has no instance of this study: was it moved or deleted there?")
    draft = store.draft(study_key, Stage.PULLED, resume=not refresh)
    intake = Intake(study_uid, expected, draft)
    intake.take_over_leftovers()
    _retrieve_all(intake, staging_pacs, progress)
    identities = intake.identities()
    facts = {
        "instances": len(intake.received),
        "series": len({ref.series_instance_uid for ref in intake.expected.values()}),
        "bytes": sum(receipt.size_bytes for receipt in intake.received.values()),
        "unreadable": sum(identity is None for identity in identities.values()),
        "seconds": watch.seconds(),
    }
    content = {
        "complete_by": "instances",
        "instances": [_entry(intake, uid, identity) for uid, identity in identities.items()],
    }
    folder = commit(draft, study_key, Stage.PULLED, inputs=inputs, facts=facts, content=content)
    return StageOutcome(study_key, Stage.PULLED, folder, redone=True)


def _retrieve_all(intake: Intake, staging_pacs: StagingPacs, progress: Progress) -> None:
    total = len(intake.expected)

    def receive(sop_instance_uid: str, content: bytes) -> None:
        intake.receive(sop_instance_uid, content)
        progress(min(len(intake.received), total), total)

    failure: PacsError | None = None
    for _ in range(ROUNDS):
        failure = None
        for retrieval in intake.what_to_ask():
            try:
                staging_pacs.retrieve(retrieval, receive)
            except PacsError as error:
                failure = error
        if not intake.missing():
            break
    if differing := intake.drop_differing_duplicates():
        raise StudyError(
            f"{differing} instance(s) arrived twice with different content under one "
            "SOP Instance UID: have the staging PACS's copy repaired."
        )
    missing = len(intake.missing())
    if missing == total and failure is not None:
        raise failure
    if missing:
        why = f" ({failure})" if failure is not None else ""
        raise IncompleteStudyError(
            f"{missing} of {total} instances did not arrive, asked for {ROUNDS} times{why}. "
            "What arrived is kept; run again, only what is missing will be asked for."
        )


def _entry(intake: Intake, uid: str, identity: InstanceIdentity | None) -> Mapping[str, Any]:
    receipt = intake.received[uid]
    return {
        "file": intake.name_of(uid),
        "sha256": receipt.sha256,
        "bytes": receipt.size_bytes,
        "identity": None if identity is None else asdict(identity),
    }
