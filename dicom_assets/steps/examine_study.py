"""The checks once more, against the real things: PACSs, databases, and the bytes of every file.

Where the checks of a run display what the steps found, these go and look again; nothing is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dicom_assets.errors import DicomAssetsError, RegistrationRefusedError, RunStoppedError, StageNotReadyError
from dicom_assets.steps.file_hashes import FileState, compare_files
from dicom_assets.steps.findings import Finding, StudyCheck
from dicom_assets.steps.iod_sample import examine_sample
from dicom_assets.steps.patience import Patience
from dicom_assets.steps.ports import (
    IdentityDb,
    Pacs,
    Progress,
    ReadsBack,
    Registration,
    StageFolder,
    StudyStore,
)
from dicom_assets.steps.register_study import registered_study
from dicom_assets.steps.uid_conflicts import count_uid_conflicts
from dicom_assets.study import STAGES, Fact, Stage, StudyKey, StudyListing
from dicom_assets.verification import Check, Outcome, Verdict

MOST_RULES = 20
"""Different defects that a finding names."""


class SecondOpinion(Protocol):
    """Compares some de-identified instances with those they were made from, without the engine."""

    def __call__(self, pairs: Mapping[str, tuple[Path, Path]]) -> Verdict:
        """Compare files, each under its name: the pulled one and what was made of it.

        Raises:
            StorageError: one can't be read.
        """


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Whom an examination asks. `most_instances` of a study are read by the second opinion."""

    staging_pacs: Pacs
    research_pacs: Pacs
    identity_db: IdentityDb
    registration: Registration
    store: StudyStore
    second_opinion: SecondOpinion
    patience: Patience
    most_instances: int


def examine_study(study_key: StudyKey, witnesses: Witnesses, progress: Progress) -> list[Finding]:
    """An answer to each check about the stages that the study has been through; nothing of a study that has none.

    Of a study whose images were purged, what needs images is left out. What can't be found out now is a warning.

    Raises:
        StudyBusyError: a run works on the study.
        RunStoppedError: the examination was ended.
    """
    store = witnesses.store
    if store.recorded(study_key, Stage.PULLED) is None:
        return []
    with store.lock(study_key):
        return list(_Examination(study_key, witnesses, progress).findings())


@dataclass(slots=True)
class _Sample:
    """What the second opinion said of some instances, or why it said nothing."""

    names: Sequence[str] = ()
    verdict: Verdict | None = None
    findings: Mapping[Check, Counter[str]] = field(default_factory=dict)
    problem: str = ""


class _Examination:
    """One study under examination."""

    def __init__(self, study_key: StudyKey, witnesses: Witnesses, progress: Progress) -> None:
        self._key = study_key
        self._ask = witnesses
        self._progress = progress
        self._stages = {stage: witnesses.store.recorded(study_key, stage) for stage in STAGES}
        self._with_images = {stage: witnesses.store.finished(study_key, stage) is not None for stage in STAGES}
        self._sample = _Sample()

    def findings(self) -> list[Finding]:
        """All that can be answered."""
        asked: list[Finding | None] = [self._answer(StudyCheck.COMPLETE_AGAINST_PACS, self._complete)]
        if self._stages[Stage.DEIDENTIFIED] is not None:
            asked.append(self._answer(StudyCheck.ALL_INSTANCES_ACCOUNTED_FOR, self._accounted_for))
            if self._with_images[Stage.PULLED] and self._with_images[Stage.DEIDENTIFIED]:
                self._sample = self._second_opinion()
                asked.append(self._answer(StudyCheck.NO_RESIDUAL_IDENTIFIERS, self._no_residue))
                asked.append(self._answer(StudyCheck.IOD_VALID, self._iod))
            asked.append(self._answer(StudyCheck.UIDS_CONSISTENT, self._uids))
        if self._stages[Stage.REGISTERED] is not None:
            asked.append(self._answer(StudyCheck.REGISTERED_ROW_AGREES, self._row))
        if self._stages[Stage.PUBLISHED] is not None:
            asked.append(self._answer(StudyCheck.PRESENT_IN_RESEARCH_PACS, self._present))
        return [finding for finding in asked if finding is not None]

    def _answer(self, check: StudyCheck, find: Callable[[StudyCheck], Finding | None]) -> Finding | None:
        try:
            return find(check)
        except RunStoppedError:
            raise
        except RegistrationRefusedError as error:
            return Finding(check, False, said=str(error))
        except DicomAssetsError as error:
            return Finding(check, False, said=f"Could not be found out: {error}", warns=True)

    def _complete(self, check: StudyCheck) -> Finding:
        pulled = self._stage(Stage.PULLED)
        instances = pulled.manifest()["instances"]
        files = self._files(Stage.PULLED)
        original = self._ask.identity_db.original_study_uid(self._key)
        listing = self._ask.patience.keep_trying(lambda: self._ask.staging_pacs.find_study(original))
        here = {entry["identity"]["sop_uid"] for entry in instances if entry["identity"] is not None}
        missing, gone = _differences(listing, here, unread=len(instances) - len(here))
        facts = {"listed": listing.total, "instances": len(instances), "missing": missing, "not_listed_now": gone}
        return Finding(check, not missing and files.agree, {**facts, **files.facts}, self._other_pacs(Stage.PULLED))

    def _accounted_for(self, check: StudyCheck) -> Finding:
        manifest = self._stage(Stage.DEIDENTIFIED).manifest()
        pulled = {entry["file"] for entry in self._stage(Stage.PULLED).manifest()["instances"]}
        told = [entry["file"] for entry in (*manifest["instances"], *manifest["quarantined"])]
        files = self._files(Stage.DEIDENTIFIED)
        unaccounted = len(pulled ^ set(told)) + len(told) - len(set(told))
        facts: dict[str, Fact] = {
            "pulled": len(pulled),
            "instances": len(manifest["instances"]),
            "quarantined": len(manifest["quarantined"]),
            "unaccounted": unaccounted,
        }
        return Finding(check, not unaccounted and files.agree, {**facts, **files.facts})

    def _no_residue(self, check: StudyCheck) -> Finding:
        return self._by_second_opinion(check, Check.LEAKS, Check.METHOD)

    def _uids(self, check: StudyCheck) -> Finding:
        pairs = self._uid_pairs()
        conflicts = count_uid_conflicts(pairs)
        originals = {uid for old, _ in pairs for uid in old}
        recorded = self._ask.identity_db.replacements(originals)
        otherwise = sum(any(recorded.get(a, b) != b for a, b in zip(*pair, strict=True)) for pair in pairs)
        facts: dict[str, Fact] = {"instances": len(pairs), "uid_conflicts": conflicts, "recorded_otherwise": otherwise}
        if self._sample.verdict is None:
            return Finding(check, not conflicts and not otherwise, facts)
        seen = self._by_second_opinion(check, Check.UIDS, Check.INTERVALS)
        return Finding(check, seen.passed and not conflicts and not otherwise, {**facts, **seen.facts}, seen.said)

    def _iod(self, check: StudyCheck) -> Finding:
        """Errors are warnings, but for pixels or a SOP Class that are not those of the original."""
        seen = self._by_second_opinion(check, Check.IOD, Check.OBJECTS)
        broken = bool(self._sample.findings.get(Check.OBJECTS))
        if self._sample.verdict is None or self._sample.verdict.result(Check.IOD).outcome is not Outcome.SKIPPED:
            return Finding(check, seen.passed, seen.facts, seen.said, warns=not broken)
        losses = self._losses()
        facts = {**seen.facts, "iod_losses": dict(losses.most_common(MOST_RULES))}
        return Finding(check, seen.passed and not losses, facts, "Looked at without dciodvfy.", warns=not broken)

    def _losses(self) -> Counter[str]:
        entries = self._stage(Stage.DEIDENTIFIED).manifest()["instances"]
        classes = {entry["file"]: entry["sop_class_uid"] for entry in entries}
        sample = {name: classes[name] for name in self._sample.names}
        losses = examine_sample(self._stage(Stage.PULLED), self._stage(Stage.DEIDENTIFIED), sample)
        return losses if not isinstance(losses, str) else Counter({losses: 1})

    def _row(self, check: StudyCheck) -> Finding | None:
        if not isinstance(self._ask.registration, ReadsBack):
            return None
        pulled, deidentified = self._stage(Stage.PULLED), self._stage(Stage.DEIDENTIFIED)
        study = registered_study(self._key, pulled, deidentified, self._ask.identity_db)
        rows = self._ask.registration.read_back(study)
        return Finding(check, bool(rows["rows_found"]) and rows["rows_found"] == rows["rows_agreeing"], dict(rows))

    def _present(self, check: StudyCheck) -> Finding:
        wanted = set(self._stage(Stage.PUBLISHED).manifest()["hashes"])
        study_uid = self._stage(Stage.DEIDENTIFIED).manifest()["instances"][0]["study_instance_uid"]
        listing = self._ask.patience.keep_trying(lambda: self._ask.research_pacs.find_study(study_uid))
        surplus, missing = _differences(listing, wanted, unread=0)
        facts = {"instances": len(wanted), "listed": listing.total, "missing": missing, "surplus": surplus}
        return Finding(check, not missing and not surplus, facts, self._other_pacs(Stage.PUBLISHED))

    def _other_pacs(self, stage: Stage) -> str:
        role = "staging_pacs" if stage is Stage.PULLED else "research_pacs"
        name = self._ask.staging_pacs.name if stage is Stage.PULLED else self._ask.research_pacs.name
        if self._stage(stage).manifest()["inputs"].get(role) in (None, name):
            return ""
        return f"Stage {stage} was made with another PACS than {role.upper()} names now."

    def _files(self, stage: Stage) -> FileState:
        if not self._with_images[stage]:
            return FileState()
        return compare_files(self._stage(stage), self._progress)

    def _stage(self, stage: Stage) -> StageFolder:
        folder = self._stages[stage]
        if folder is None:
            raise StageNotReadyError(f"Stage {stage} is not there.")
        return folder

    def _uid_pairs(self) -> list[tuple[tuple[str, str, str], tuple[str, str, str]]]:
        entries = self._stage(Stage.PULLED).manifest()["instances"]
        identities: dict[str, Any] = {entry["file"]: entry["identity"] for entry in entries}
        return [
            (
                (identity["study_uid"], identity["series_uid"], identity["sop_uid"]),
                (entry["study_instance_uid"], entry["series_instance_uid"], entry["sop_instance_uid"]),
            )
            for entry in self._stage(Stage.DEIDENTIFIED).manifest()["instances"]
            if (identity := identities.get(entry["file"])) is not None
        ]

    def _second_opinion(self) -> _Sample:
        pulled, deidentified = self._stage(Stage.PULLED), self._stage(Stage.DEIDENTIFIED)
        names = spread(deidentified.manifest()["instances"], self._ask.most_instances)
        if not names:
            return _Sample(problem="nothing may leave")
        try:
            verdict = self._ask.second_opinion(
                {name: (pulled.path_of(name), deidentified.path_of(name)) for name in names}
            )
        except DicomAssetsError as error:
            return _Sample(names, problem=str(error))
        findings: dict[Check, Counter[str]] = {}
        for finding in verdict.findings:
            findings.setdefault(finding.check, Counter())[finding.rule] += finding.count
        return _Sample(names, verdict, findings)

    def _by_second_opinion(self, check: StudyCheck, *of: Check) -> Finding:
        if self._sample.verdict is None:
            return Finding(check, False, said=f"Could not be found out: {self._sample.problem}", warns=True)
        found: Counter[str] = Counter()
        for one in of:
            found += self._sample.findings.get(one, Counter())
        facts: dict[str, Fact] = {"read_again": len(self._sample.names), "defects": dict(found.most_common(MOST_RULES))}
        return Finding(check, not found, facts)


def spread(instances: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    """At most so many files: one of each series as far as there is room, the others evenly from all."""
    if len(instances) <= most:
        return [entry["file"] for entry in instances]
    first_of_series = {entry["series_instance_uid"]: entry["file"] for entry in reversed(instances)}
    chosen = dict.fromkeys(list(first_of_series.values())[:most])
    step = len(instances) / most
    for place in range(most):
        if len(chosen) == most:
            break
        chosen.setdefault(instances[int(place * step)]["file"])
    return sorted(chosen)


def _differences(listing: StudyListing, here: set[str], *, unread: int) -> tuple[int, int]:
    """How many are listed and not here, and how many are here and not listed; `unread` more are here, unnamed."""
    if listing.instances is None:
        difference = listing.total - len(here) - unread
        return max(0, difference), max(0, -difference)
    listed = {ref.sop_instance_uid for ref in listing.instances}
    return max(0, len(listed - here) - unread), len(here - listed)
