"""What every stage writes down: what went in, what came out, how long it took."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dicom_assets.steps.ports import StageDraft, StageFolder, StudyStore
from dicom_assets.study import Fact, FileReceipt, Stage, StudyKey

FORMAT = 1


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """A stage that stands. `redone` is False when it stood already and nothing had to be done."""

    study_key: StudyKey
    stage: Stage
    folder: StageFolder
    redone: bool

    @property
    def facts(self) -> Mapping[str, Fact]:
        """What to show of the stage: counts, bytes, seconds, new UIDs; no original value."""
        facts: Mapping[str, Fact] = self.folder.manifest()["facts"]
        return facts


@dataclass(slots=True)
class Stopwatch:
    """Seconds since it was made."""

    started: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Rounded to milliseconds."""
        return round(time.monotonic() - self.started, 3)


def standing(store: StudyStore, study_key: StudyKey, stage: Stage, inputs: Mapping[str, str]) -> StageFolder | None:
    """The finished stage if it was made from these inputs, else None."""
    folder = store.finished(study_key, stage)
    if folder is None:
        return None
    manifest = folder.manifest()
    return folder if manifest.get("format") == FORMAT and manifest.get("inputs") == dict(inputs) else None


def digest_of(inputs: Mapping[str, str]) -> str:
    """One text for a stage's inputs."""
    return hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode()).hexdigest()


def commit(
    draft: StageDraft,
    study_key: StudyKey,
    stage: Stage,
    *,
    inputs: Mapping[str, str],
    facts: Mapping[str, Fact],
    content: Mapping[str, Any],
    written: Mapping[str, FileReceipt] | None = None,
) -> StageFolder:
    """Finish a stage with its manifest. `facts` may be shown to anybody, `content` stays in the folder."""
    manifest = {
        "format": FORMAT,
        "study_key": study_key,
        "stage": stage,
        "inputs": dict(inputs),
        "facts": dict(facts),
        **content,
    }
    return draft.commit(manifest, written or {})
