"""A look at what de-identification made of a study, for people: counts that must agree, and a contact sheet.

None of it decides anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool

from dicom_assets.deidentification import Deidentified
from dicom_assets.steps.contact_sheets import CONTACT_SHEET, ContactSheets, series_of
from dicom_assets.steps.deidentify_batch import InstanceOutcome
from dicom_assets.steps.iod_sample import choose_sample, examine_sample
from dicom_assets.steps.ports import StageDraft, StageFolder
from dicom_assets.steps.uid_conflicts import Uids, count_uid_conflicts
from dicom_assets.study import Fact

MOST_LOSSES = 20
"""Different attributes that are named."""


def look_over(
    pulled: StageFolder,
    draft: StageDraft,
    outcomes: Sequence[InstanceOutcome],
    executor: Executor,
    sheets: ContactSheets | None,
) -> Mapping[str, Fact]:
    """What to tell of a de-identified study; a contact sheet is attached to the draft."""
    originals = {entry["file"]: _uids(entry["identity"]) for entry in pulled.manifest()["instances"]}
    done = [(one.source, one.outcome) for one in outcomes if isinstance(one.outcome, Deidentified)]
    pairs = [
        (original, (new.study_instance_uid, new.series_instance_uid, new.sop_instance_uid))
        for source, new in done
        if (original := originals[source]) is not None
    ]
    sample = choose_sample(outcomes)
    losses = executor.submit(examine_sample, pulled, draft, sample)
    return {
        "pulled": len(originals),
        "unaccounted": len(originals.keys() ^ {one.source for one in outcomes}),
        "uid_conflicts": count_uid_conflicts(pairs),
        **_sheet(draft, outcomes, {file: uids[2] for file, uids in originals.items() if uids is not None}, sheets),
        **_iod(losses, len(sample)),
    }


def _uids(identity: Mapping[str, str] | None) -> Uids | None:
    return None if identity is None else (identity["study_uid"], identity["series_uid"], identity["sop_uid"])


def _sheet(
    draft: StageDraft,
    outcomes: Sequence[InstanceOutcome],
    original_uids: Mapping[str, str],
    sheets: ContactSheets | None,
) -> Mapping[str, Fact]:
    series = series_of(outcomes, original_uids)
    if sheets is None or not series:
        return {"contact_sheet": "off" if sheets is None else "none: nothing may leave"}
    jpeg, told = sheets.draw(draft, series)
    if jpeg is not None:
        draft.attach(CONTACT_SHEET, jpeg)
    return {"contact_sheet": told}


def _iod(losses: Future[Counter[str] | str], examined: int) -> Mapping[str, Fact]:
    try:
        found = losses.result()
    except BrokenProcessPool:  # by another study's doing
        found = "BrokenProcessPool"
    if isinstance(found, str):
        return {"iod_sample": f"none: {found}"}
    return {"iod_examined": examined, "iod_losses": dict(found.most_common(MOST_LOSSES))}
