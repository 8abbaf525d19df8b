"""registered -> published: instances that passed the residual scan go out, and are seen to have arrived."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from dicom_assets.errors import ChangedContentError, PacsError, StudyError
from dicom_assets.steps.manifests import StageOutcome, Stopwatch, commit, standing
from dicom_assets.steps.ports import Progress, ResearchPacs, StageDraft, StageFolder, StudyStore
from dicom_assets.steps.register_study import require_something
from dicom_assets.study import OutgoingInstance, Stage, StoreOutcome, StudyKey

Instances = Sequence[Mapping[str, Any]]

_JOURNAL = "sending.json"
"""What a run set out to send, kept in the draft, so that the next run knows what an interrupted one left there."""


def publish_study(
    study_key: StudyKey,
    deidentified: StageFolder,
    *,
    research_pacs: ResearchPacs,
    store: StudyStore,
    refresh: bool,
    progress: Progress,
) -> StageOutcome:
    """Publish a registered study unless that stands already; sends only what the research PACS lacks.

    That it stands is for the research PACS to show: what was removed there since is sent again.

    Raises:
        ChangedContentError: an instance's content is not what its manifest says.
        StudyError: the research PACS refuses instances, or holds some that should not be there.
        PacsError: the research PACS is away, out of resources, or does not show all of what was sent.
    """
    require_something(deidentified)
    watch = Stopwatch()
    inputs = {"deidentified": deidentified.digest(), "research_pacs": research_pacs.name}
    instances: Instances = deidentified.manifest()["instances"]
    study_uid = instances[0]["study_instance_uid"]
    present = _present(research_pacs, study_uid)
    finished = None if refresh else standing(store, study_key, Stage.PUBLISHED, inputs)
    if finished is not None and present == finished.manifest()["hashes"].keys():
        return StageOutcome(study_key, Stage.PUBLISHED, finished, redone=False)
    draft = store.draft(study_key, Stage.PUBLISHED, resume=_JOURNAL)
    hashes = {instance["sop_instance_uid"]: instance["sha256"] for instance in instances}
    _refuse_outdated(present, hashes, _sent_before(store, study_key, draft, research_pacs))
    to_send = [instance for instance in instances if instance["sop_instance_uid"] not in present]
    draft.write(_JOURNAL, json.dumps({"research_pacs": research_pacs.name, "hashes": hashes}).encode())
    _send(deidentified, to_send, research_pacs, progress)
    _confirm(instances, _present(research_pacs, study_uid))
    facts = {
        "instances": len(instances),
        "series": len({instance["series_instance_uid"] for instance in instances}),
        "bytes": sum(instance["bytes"] for instance in instances),
        "sent": len(to_send),
        "already_there": len(instances) - len(to_send),
        "study_instance_uid": deidentified.manifest()["facts"]["study_instance_uid"],
        "seconds": watch.seconds(),
    }
    folder = commit(draft, study_key, Stage.PUBLISHED, inputs=inputs, facts=facts, content={"hashes": hashes})
    return StageOutcome(study_key, Stage.PUBLISHED, folder, redone=True)


def _present(research_pacs: ResearchPacs, study_uid: str) -> set[str]:
    return {ref.sop_instance_uid for ref in research_pacs.find_instances(study_uid)}


def _sent_before(
    store: StudyStore, study_key: StudyKey, draft: StageDraft, research_pacs: ResearchPacs
) -> Mapping[str, str]:
    """SOP Instance UID to content hash of what earlier runs published there, or set out to."""
    hashes: dict[str, str] = {}
    folder = store.finished(study_key, Stage.PUBLISHED)
    if folder is not None and folder.manifest()["inputs"].get("research_pacs") == research_pacs.name:
        hashes.update(folder.manifest()["hashes"])
    if _JOURNAL in draft.names():
        with closing(draft.open(_JOURNAL)) as file:
            journal = json.load(file)
        if journal["research_pacs"] == research_pacs.name:
            hashes.update(journal["hashes"])
    return hashes


def _refuse_outdated(present: set[str], hashes: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Stop where the research PACS holds another content, or one of unknown origin: it may keep it whatever is sent."""
    outdated = sum(before.get(uid) != digest for uid, digest in hashes.items() if uid in present)
    if outdated:
        raise StudyError(
            f"The research PACS holds {outdated} instance(s) of this study that are not known to be what would be "
            "sent now, and may keep them whatever is sent: have the study removed there, then clear the error and "
            "run again."
        )


def _send(deidentified: StageFolder, to_send: Instances, research_pacs: ResearchPacs, progress: Progress) -> None:
    outgoing = [_outgoing(deidentified, instance) for instance in to_send]
    problems: list[StoreOutcome] = []
    with closing(research_pacs.store(outgoing)) as outcomes:
        for number, outcome in enumerate(outcomes, start=1):
            if outcome.problem:
                problems.append(outcome)
            progress(number, len(outgoing))
    if not problems:
        return
    counts = Counter(outcome.problem for outcome in problems)
    said = "; ".join(f"{count} {problem}" for problem, count in counts.most_common())
    message = f"The research PACS did not take {len(problems)} of {len(outgoing)} instances: {said}."
    if all(outcome.retriable for outcome in problems):
        raise PacsError(f"{message} It is out of resources; run again later.")
    raise StudyError(f"{message} See its own log, or have it accept these.")


def _outgoing(deidentified: StageFolder, instance: Mapping[str, Any]) -> OutgoingInstance:
    with closing(deidentified.open(instance["file"])) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a BinaryIO has `readinto`
    if digest != instance["sha256"]:
        raise ChangedContentError(
            f"File {instance['file']} of stage deidentified is not what was written there; nothing was sent. "
            "Find out who changed it, clear the error, then run again with `refresh: true`."
        )
    return OutgoingInstance(
        sop_instance_uid=instance["sop_instance_uid"],
        sop_class_uid=instance["sop_class_uid"],
        transfer_syntax_uid=instance["transfer_syntax_uid"],
        path=deidentified.path_of(instance["file"]),
    )


def _confirm(instances: Instances, present: set[str]) -> None:
    wanted = {instance["sop_instance_uid"] for instance in instances}
    if missing := len(wanted - present):
        raise PacsError(
            f"The research PACS answered that it stored all, but does not show {missing} of {len(wanted)} instances: "
            "run again, only what is missing will be sent."
        )
    if surplus := len(present - wanted):
        raise StudyError(
            f"The research PACS holds {surplus} instance(s) of this study that are not, or no longer, "
            "among the de-identified ones: have them removed there, then clear the error and run again."
        )
