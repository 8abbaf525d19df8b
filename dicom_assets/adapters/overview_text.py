"""The overview as plain text: what was pulled, quarantined, registered, published, left out."""

from __future__ import annotations

from collections.abc import Iterator

from dicom_assets.adapters.overview import Overview, StudyLine
from dicom_assets.study import STAGES, Stage


def overview_text(overview: Overview) -> str:
    """The page; cheap, since it is written at every event."""
    parts = (
        _head(overview),
        _alerts(overview),
        _table(overview),
        _problems(overview),
        _kept_back(overview),
        _rest(overview),
    )
    return "".join(f"{line}\n" for part in parts for line in part)


def state_of(overview: Overview) -> str:
    """Whether the run ended, and how; said of a run that was killed, it is true as well."""
    if overview.finished_at is not None:
        return f"finished {overview.finished_at:%Y-%m-%d %H:%M:%S} UTC"
    if overview.stopped:
        return f"NOT FINISHED, stopped: {overview.stopped}"
    at = overview.noted_at or overview.started_at
    return f"NOT FINISHED as of {at:%Y-%m-%d %H:%M:%S} UTC"


def _head(overview: Overview) -> Iterator[str]:
    yield f"Run {overview.run_id}, started {overview.started_at:%Y-%m-%d %H:%M:%S} UTC, {state_of(overview)}"
    yield "Settings: " + ", ".join(f"{name} {value}" for name, value in overview.settings.items())
    yield from (f"Risk accepted {what}: {why}" for what, why in overview.accepted_risks.items())
    if overview.is_dry_run:
        yield "DRY RUN: nothing was changed anywhere; this is what would happen."
    yield "Studies: " + ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in overview.counts().items())
    if not overview.studies and overview.finished_at:
        yield "Nothing was left to do."


def _alerts(overview: Overview) -> Iterator[str]:
    if overview.to_be_removed:
        yield "\nTO BE REMOVED from the research PACS, published before somebody objected:"
        yield from (f"  {study_key} {why}" for study_key, why in sorted(overview.to_be_removed.items()))


def _table(overview: Overview) -> Iterator[str]:
    if not overview.studies:
        return
    yield ""
    yield _row("study", *STAGES, "quarantined")
    for study_key, line in sorted(overview.studies.items()):
        reasons = ", ".join(f"{count} {reason}" for reason, count in line.kept_back.items())
        yield _row(study_key, *(_cell(line, stage) for stage in STAGES), reasons)


def _problems(overview: Overview) -> Iterator[str]:
    problems = overview.problems()
    if problems:
        yield "\nDid not get through:"
        yield from (f"  {study_key} {problem}" for study_key, problem in problems.items())


def _kept_back(overview: Overview) -> Iterator[str]:
    quarantined = overview.quarantined()
    if quarantined:
        yield "\nInstances in quarantine, by reason:"
        yield from (f"  {count:6d} {reason}" for reason, count in quarantined.most_common())


def _rest(overview: Overview) -> Iterator[str]:
    if overview.conflicts:
        yield "\nLeft out, because reviews are at odds:"
        yield from (f"  {study_key} {why}" for study_key, why in overview.conflicts.items())
    left_out = overview.left_out_counts()
    if left_out:
        yield "\nLeft out, studies of the review database by reason:"
        yield from (f"  {count:6d} {reason}" for reason, count in left_out.items())
    if overview.finished_at and overview.missing_protocol:
        yield "\nReviewed as having a protocol series, none found: " + " ".join(overview.missing_protocol)


def _cell(line: StudyLine, stage: Stage) -> str:
    if stage is line.doing:
        return "under way"
    if stage not in line.done:
        return "-"
    instances = str(line.done[stage].get("instances", 0))
    return f"{instances} (stood)" if stage in line.skipped else instances


def _row(study_key: str, *cells: str) -> str:
    return "  ".join([f"{study_key:13}", *(f"{cell:14}" for cell in cells)]).rstrip()
