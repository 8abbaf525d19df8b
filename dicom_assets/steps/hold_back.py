"""Instances that a person wants kept back: out of `deidentified`, and accounted for as quarantined.

What is held back is written down beside the stages, by de-identified UIDs of studies, series or instances, and is one
of the inputs of `deidentified`: however often a study is de-identified, it comes without them until they are released.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dicom_assets.deidentification import Deidentified, Quarantined
from dicom_assets.errors import StageNotReadyError, StudyError
from dicom_assets.steps.deidentify_batch import InstanceOutcome
from dicom_assets.steps.manifests import commit
from dicom_assets.steps.ports import StageDraft, StudyStore
from dicom_assets.study import QuarantineReason, Stage, StudyKey

_LEVELS = {"study": "study_instance_uid", "series": "series_instance_uid", "instance": "sop_instance_uid"}


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What became of a study: instances that were moved out, and those that are left to be published."""

    instances: int
    left: int


def held_back_input(uids: Collection[str]) -> dict[str, str]:
    """What is held back, as an input of `deidentified`; nothing where there is nothing."""
    return {"held_back": hashlib.sha256(json.dumps(sorted(uids)).encode()).hexdigest()} if uids else {}


def without_held_back(
    outcome: InstanceOutcome,
    originals: Sequence[str],
    replacements: Mapping[str, str],
    held_back: Collection[str],
    draft: StageDraft,
) -> InstanceOutcome:
    """The outcome, a quarantine where the instance is held back.

    `originals` are its original UIDs: their replacements count whether or not this profile retains UIDs, and so do the
    originals, for what was held back under one that does.
    """
    done = outcome.outcome
    if not isinstance(done, Deidentified):
        return outcome
    new = (done.study_instance_uid, done.series_instance_uid, done.sop_instance_uid)
    if not {*new, *originals, *(replacements.get(uid, "") for uid in originals)} & set(held_back):
        return outcome
    draft.discard(outcome.source)
    return replace(outcome, outcome=Quarantined(QuarantineReason.HELD_BACK, "by a person"), receipt=None)


def levels_of(manifest: Mapping[str, Any], uids: Collection[str]) -> Mapping[str, tuple[str, int]]:
    """Those of `uids` that a manifest of `deidentified` has: study, series or instance, and how many instances."""
    return {
        uid: (level, count)
        for level, name in _LEVELS.items()
        for uid, count in Counter(instance[name] for instance in manifest["instances"]).items()
        if uid in uids
    }


def hold_back(store: StudyStore, study_key: StudyKey, uids: Collection[str]) -> HeldBack:
    """Move what has one of these UIDs out of `deidentified`. The caller holds the study's lock.

    Raises:
        StageNotReadyError: the study is not de-identified.
        StudyError: it was published.
    """
    folder = store.finished(study_key, Stage.DEIDENTIFIED)
    if folder is None:
        raise StageNotReadyError(f"{study_key}: stage deidentified does not stand, so nothing can be moved out of it.")
    require_unpublished(store, study_key)
    manifest, before = folder.manifest(), store.held_back(study_key)
    held = before | set(uids)
    store.hold_back(study_key, held)  # first: whatever happens next, no run publishes these any more
    kept = [one for one in manifest["instances"] if not held & {one[name] for name in _LEVELS.values()}]
    moved = len(manifest["instances"]) - len(kept)
    draft = store.draft(study_key, Stage.DEIDENTIFIED)
    for instance in kept:
        draft.take(instance["file"], folder.path_of(instance["file"]))
    commit(draft, study_key, Stage.DEIDENTIFIED, **_without(manifest, kept, before, held))
    return HeldBack(moved, len(kept))


def require_unpublished(store: StudyStore, study_key: StudyKey) -> None:
    """Stop before something is held back that has left.

    Raises:
        StudyError: the study was published.
    """
    if store.finished(study_key, Stage.PUBLISHED) is not None:
        raise StudyError(f"{study_key}: the study was published; withdraw it from the research PACS first.")


def release(store: StudyStore, study_key: StudyKey, uids: Collection[str]) -> int:
    """Hold these UIDs back no longer; returns how many were. The next run de-identifies the study again."""
    before = store.held_back(study_key)
    rest = before - set(uids)
    store.hold_back(study_key, rest)
    return len(before) - len(rest)


def _without(
    manifest: Mapping[str, Any], kept: Sequence[Mapping[str, Any]], before: Collection[str], held: Collection[str]
) -> dict[str, Any]:
    """The manifest with the kept instances alone, the others quarantined, in the parts that `commit` takes.

    A stage that something was released from since it was made stays one that has to be made again.
    """
    files = {instance["file"] for instance in kept}
    moved = [
        {"file": instance["file"], "reason": QuarantineReason.HELD_BACK, "detail": "by a person"}
        for instance in manifest["instances"]
        if instance["file"] not in files
    ]
    quarantined = [*manifest["quarantined"], *moved]
    inputs = dict(manifest["inputs"])
    if held_back_input(before).get("held_back") == inputs.get("held_back"):
        inputs |= held_back_input(held)
    facts = {
        **manifest["facts"],
        "instances": len(kept),
        "series": len({instance["series_instance_uid"] for instance in kept}),
        "bytes": sum(instance["bytes"] for instance in kept),
        "quarantined": len(quarantined),
        "quarantined_by_reason": dict(Counter(str(one["reason"]) for one in quarantined).most_common()),
        "pixels_cleaned": sum(bool(instance["pixels"]) for instance in kept),
    }
    if not kept:
        facts["study_instance_uid"] = ""
    rest = {name: part for name, part in manifest.items() if name not in ("format", "study_key", "stage")}
    content = {name: part for name, part in rest.items() if name not in ("inputs", "facts")}
    return {"inputs": inputs, "facts": facts, "content": {**content, "instances": kept, "quarantined": quarantined}}
