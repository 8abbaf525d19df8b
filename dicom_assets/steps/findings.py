"""What the steps found of a study, as answers to the questions that people ask of it.

Nothing is decided here: the steps have let pass or refused by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dicom_assets.errors import (
    ChangedContentError,
    DicomAssetsError,
    IncompleteStudyError,
    RegistrationRefusedError,
    StudyError,
    StudyNotApprovedError,
    StudyNotFoundError,
)
from dicom_assets.study import Fact, Stage

Facts = Mapping[str, Fact]


class StudyCheck(StrEnum):
    """The questions; the names of the asset checks."""

    COMPLETE_AGAINST_PACS = "complete_against_pacs"
    ALL_INSTANCES_ACCOUNTED_FOR = "all_instances_accounted_for"
    NO_RESIDUAL_IDENTIFIERS = "no_residual_identifiers"
    UIDS_CONSISTENT = "uids_consistent"
    IOD_VALID = "iod_valid"
    REGISTERED_ROW_AGREES = "registered_row_agrees"
    PRESENT_IN_RESEARCH_PACS = "present_in_research_pacs"


STAGE_OF: Mapping[StudyCheck, Stage] = {
    StudyCheck.COMPLETE_AGAINST_PACS: Stage.PULLED,
    StudyCheck.ALL_INSTANCES_ACCOUNTED_FOR: Stage.DEIDENTIFIED,
    StudyCheck.NO_RESIDUAL_IDENTIFIERS: Stage.DEIDENTIFIED,
    StudyCheck.UIDS_CONSISTENT: Stage.DEIDENTIFIED,
    StudyCheck.IOD_VALID: Stage.DEIDENTIFIED,
    StudyCheck.REGISTERED_ROW_AGREES: Stage.REGISTERED,
    StudyCheck.PRESENT_IN_RESEARCH_PACS: Stage.PUBLISHED,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer. `said` explains it to people, `facts` are its counts: value-free, both.

    `warns` marks a negative answer that keeps nothing from being used, or that could not be found out.
    """

    check: StudyCheck
    passed: bool
    facts: Facts = field(default_factory=dict)
    said: str = ""
    warns: bool = False


def findings_of(stage: Stage, facts: Facts) -> list[Finding]:
    """What a stage that stands says of the checks that are about it; nothing of what an older version did not note."""
    return [
        _ANSWERS[check](check, facts)
        for check in StudyCheck
        if STAGE_OF[check] is stage and _NOTED[check] <= facts.keys()
    ]


def finding_of_failure(stage: Stage | None, error: DicomAssetsError) -> Finding | None:
    """The check that a study's failure is the answer to; None where it tells nothing of any."""
    check: StudyCheck | None = None
    match stage, error:
        case _, StudyNotApprovedError():
            pass
        case Stage.PULLED, IncompleteStudyError() | StudyNotFoundError():
            check = StudyCheck.COMPLETE_AGAINST_PACS
        case Stage.DEIDENTIFIED, ChangedContentError():
            check = StudyCheck.COMPLETE_AGAINST_PACS
        case Stage.PUBLISHED, ChangedContentError():
            check = StudyCheck.ALL_INSTANCES_ACCOUNTED_FOR
        case Stage.REGISTERED, RegistrationRefusedError():
            check = StudyCheck.REGISTERED_ROW_AGREES
        case Stage.PUBLISHED, StudyError():
            check = StudyCheck.PRESENT_IN_RESEARCH_PACS
    return None if check is None else Finding(check, False, said=str(error))


def _complete(check: StudyCheck, facts: Facts) -> Finding:
    return Finding(check, facts["instances"] == facts["listed"], _some(facts, "listed", "instances", "complete_by"))


def _accounted_for(check: StudyCheck, facts: Facts) -> Finding:
    shown = _some(facts, "pulled", "instances", "quarantined", "quarantined_by_reason", "unaccounted")
    return Finding(check, facts["unaccounted"] == 0, shown)


def _no_residue(check: StudyCheck, facts: Facts) -> Finding:
    by_reason = facts.get("quarantined_by_reason")
    kept_back = by_reason.get("residual-identifier", 0) if isinstance(by_reason, Mapping) else 0
    shown = {**_some(facts, "instances", "residual_scan"), "kept_back_for_it": kept_back}
    return Finding(check, facts["residual_scan"] == "passed", shown)


def _uids(check: StudyCheck, facts: Facts) -> Finding:
    return Finding(check, facts["uid_conflicts"] == 0, _some(facts, "instances", "series", "uid_conflicts"))


def _iod(check: StudyCheck, facts: Facts) -> Finding:
    return Finding(check, not facts["iod_losses"], _some(facts, "iod_examined", "iod_losses"), warns=True)


def _row(check: StudyCheck, facts: Facts) -> Finding:
    agreeing = facts["rows_agreeing"] == facts["rows_found"] and bool(facts["rows_found"])
    return Finding(check, agreeing, _some(facts, "rows_found", "rows_agreeing"))


def _present(check: StudyCheck, facts: Facts) -> Finding:
    shown = _some(facts, "instances", "sent", "already_there", "confirmed_by", "storage_commitment")
    return Finding(check, bool(facts["confirmed_by"]), shown)


def _some(facts: Facts, *names: str) -> dict[str, Fact]:
    return {name: facts[name] for name in names if name in facts}


_ANSWERS: Mapping[StudyCheck, Callable[[StudyCheck, Facts], Finding]] = {
    StudyCheck.COMPLETE_AGAINST_PACS: _complete,
    StudyCheck.ALL_INSTANCES_ACCOUNTED_FOR: _accounted_for,
    StudyCheck.NO_RESIDUAL_IDENTIFIERS: _no_residue,
    StudyCheck.UIDS_CONSISTENT: _uids,
    StudyCheck.IOD_VALID: _iod,
    StudyCheck.REGISTERED_ROW_AGREES: _row,
    StudyCheck.PRESENT_IN_RESEARCH_PACS: _present,
}
_NOTED: Mapping[StudyCheck, set[str]] = {
    StudyCheck.COMPLETE_AGAINST_PACS: {"instances", "listed"},
    StudyCheck.ALL_INSTANCES_ACCOUNTED_FOR: {"unaccounted"},
    StudyCheck.NO_RESIDUAL_IDENTIFIERS: {"residual_scan"},
    StudyCheck.UIDS_CONSISTENT: {"uid_conflicts"},
    StudyCheck.IOD_VALID: {"iod_losses"},
    StudyCheck.REGISTERED_ROW_AGREES: {"rows_found", "rows_agreeing"},
    StudyCheck.PRESENT_IN_RESEARCH_PACS: {"confirmed_by"},
}
