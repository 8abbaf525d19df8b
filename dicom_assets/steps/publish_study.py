"""registered -> published: instances that passed the residual scan go out, and are seen to have arrived."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dicom_assets.errors import StudyError
from dicom_assets.steps.manifests import StageOutcome, Stopwatch, commit, standing
from dicom_assets.steps.patience import SETTLE_SECONDS, Patience
from dicom_assets.steps.ports import Progress, ResearchPacs, StageFolder, StudyStore
from dicom_assets.steps.register_study import require_something
from dicom_assets.steps.sending import Sending
from dicom_assets.steps.turnstile import Turnstile
from dicom_assets.study import OutgoingInstance, Stage, StudyKey, StudyListing

Instances = Sequence[Mapping[str, Any]]

JOURNAL = "sending.json"
"""What a run set out to send, kept in the draft, so that the next run knows what an interrupted one left there."""


def publish_study(
    study_key: StudyKey,
    deidentified: StageFolder,
    *,
    research_pacs: ResearchPacs,
    store: StudyStore,
    refresh: bool,
    progress: Progress,
    patience: Patience,
    turnstile: Turnstile,
) -> StageOutcome:
    """Publish a registered study unless that stands already; sends only what the research PACS lacks.

    That it stands is for the research PACS to show: what was removed there since is sent again.

    Raises:
        ChangedContentError: an instance's content is not what its manifest says.
        StudyError: the research PACS refuses instances, or holds some that should not be there.
        PacsError: the research PACS is away, out of resources, or does not show all of what was sent.
    """
    require_something(deidentified)
    inputs = {"deidentified": deidentified.digest(), "research_pacs": research_pacs.name}
    manifest = deidentified.manifest()
    instances: Instances = manifest["instances"]
    study_uid = instances[0]["study_instance_uid"]
    hashes = {instance["sop_instance_uid"]: instance["sha256"] for instance in instances}

    def listed() -> StudyListing:
        return patience.keep_trying(lambda: research_pacs.find_study(study_uid))

    finished = None if refresh else standing(store, study_key, Stage.PUBLISHED, inputs)
    if finished is not None and _is_all_there(listed(), finished.manifest()["hashes"]):
        return StageOutcome(study_key, Stage.PUBLISHED, finished, redone=False)
    draft = store.draft(study_key, Stage.PUBLISHED, resume=JOURNAL)
    elsewhere = sent_before(store, study_key)
    before = elsewhere.pop(research_pacs.name, {})
    began = turnstile.wait(patience.pause)
    watch = Stopwatch()
    listing = listed()  # what is there now: the wait may have taken hours
    if _changed(hashes, before) - _present(listing, hashes):
        patience.pause(SETTLE_SECONDS, "other content was sent before, which the research PACS may list after a while")
        listing = listed()
    _refuse_outdated(listing, hashes, before)
    journal = {"research_pacs": research_pacs.name, "hashes": hashes, "elsewhere": elsewhere}
    draft.write(JOURNAL, json.dumps(journal).encode())
    outgoing = [_outgoing(deidentified, instance) for instance in instances]
    sending = Sending(study_uid, outgoing, research_pacs, patience, progress)
    try:
        sent = sending.send(listing)
    finally:
        turnstile.passed(sending.stored_bytes, began)
    facts = {
        "instances": len(instances),
        "series": len({instance["series_instance_uid"] for instance in instances}),
        "bytes": sum(instance["bytes"] for instance in instances),
        "sent": len(sent),
        "already_there": len(instances) - len(sent),
        **sending.confirm(),
        "study_instance_uid": manifest["facts"]["study_instance_uid"],
        "seconds": watch.seconds(),
    }
    content = {"hashes": hashes, "elsewhere": elsewhere, "transcoded": sending.transcoded}
    folder = commit(draft, study_key, Stage.PUBLISHED, inputs=inputs, facts=facts, content=content)
    return StageOutcome(study_key, Stage.PUBLISHED, folder, redone=True)


def _is_all_there(listing: StudyListing, hashes: Mapping[str, str]) -> bool:
    if listing.instances is None:
        return listing.total == len(hashes)
    return {ref.sop_instance_uid for ref in listing.instances} == hashes.keys()


def sent_before(store: StudyStore, study_key: StudyKey) -> dict[str, dict[str, str]]:
    """By research PACS, SOP Instance UID to content hash of what earlier runs published there, or set out to."""
    sent: dict[str, dict[str, str]] = {}

    def note(research_pacs: str, record: Mapping[str, Any]) -> None:
        for name, hashes in {**record.get("elsewhere", {}), research_pacs: record["hashes"]}.items():
            sent.setdefault(name, {}).update(hashes)

    folder = store.finished(study_key, Stage.PUBLISHED)
    if folder is not None:
        manifest = folder.manifest()
        note(manifest["inputs"]["research_pacs"], manifest)
    left = store.left_in_draft(study_key, Stage.PUBLISHED, JOURNAL)
    if left is not None:
        journal = json.loads(left)
        note(journal["research_pacs"], journal)
    return sent


def _present(listing: StudyListing, hashes: Mapping[str, str]) -> set[str]:
    """What the research PACS may hold: where it tells only how many, every instance is taken for one of them."""
    if listing.instances is None:
        return set(hashes) if listing.total else set()
    return {ref.sop_instance_uid for ref in listing.instances}


def _changed(hashes: Mapping[str, str], before: Mapping[str, str]) -> set[str]:
    """What was sent before with another content."""
    return {uid for uid, digest in hashes.items() if before.get(uid, digest) != digest}


def _refuse_outdated(listing: StudyListing, hashes: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Stop where the research PACS holds another content, or one of unknown origin: it may keep it whatever is sent."""
    present = _present(listing, hashes)
    outdated = sum(before.get(uid) != digest for uid, digest in hashes.items() if uid in present)
    if outdated:
        raise StudyError(
            f"The research PACS holds {outdated} instance(s) of this study that are not known to be what would be "
            "sent now, and may keep them whatever is sent: have the study removed there, then clear the error and "
            "run again."
        )


def _outgoing(deidentified: StageFolder, instance: Mapping[str, Any]) -> OutgoingInstance:
    return OutgoingInstance(
        sop_instance_uid=instance["sop_instance_uid"],
        sop_class_uid=instance["sop_class_uid"],
        transfer_syntax_uid=instance["transfer_syntax_uid"],
        path=deidentified.path_of(instance["file"]),
        sha256=instance["sha256"],
        size_bytes=instance["bytes"],
        stamp=deidentified.stamp_of(instance["file"]),
    )
