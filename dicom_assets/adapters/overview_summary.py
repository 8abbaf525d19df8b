"""The overview in Markdown, as Dagster's interface shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from dicom_assets.adapters.overview import Overview
from dicom_assets.adapters.overview_text import state_of
from dicom_assets.study import STAGES, Stage

MOST_PROBLEMS = 50
"""Studies to name: metadata are loaded with the page that shows them."""


def overview_summary(overview: Overview) -> str:
    """Stages, quarantine, what did not get through, what was left out."""
    parts = (_head(overview), _stages(overview), _quarantine(overview), _problems(overview), _left_out(overview))
    return "\n".join(line for part in parts for line in part)


def _head(overview: Overview) -> Iterator[str]:
    yield f"**{_cell(state_of(overview))}**"
    yield ""
    if overview.to_be_removed:
        yield from _table_head("to be removed from the research PACS", "why")
        yield from (_row(key, why) for key, why in sorted(overview.to_be_removed.items()))
        yield ""


def _stages(overview: Overview) -> Iterator[str]:
    counts = overview.counts()
    yield from _table_head("stage", "studies", "instances", "median s", "longest s")
    for stage in STAGES:
        seconds = stage_seconds(overview, stage)
        times = (f"{median(seconds):.1f}", f"{max(seconds):.1f}") if seconds else ("", "")
        yield _row(stage, counts[stage], stage_instances(overview, stage), *times)
    yield ""
    yield ", ".join(f"{name.replace('_', ' ')} {counts[name]}" for name in ("up_to_date", "failed", "busy"))


def _quarantine(overview: Overview) -> Iterator[str]:
    quarantined = overview.quarantined()
    if quarantined:
        yield ""
        yield from _table_head("quarantined, reason", "instances")
        yield from (_row(reason, count) for reason, count in quarantined.most_common())


def _problems(overview: Overview) -> Iterator[str]:
    problems = list(overview.problems().items())
    if problems:
        yield ""
        yield from _table_head("did not get through", "why")
        yield from (_row(key, why) for key, why in problems[:MOST_PROBLEMS])
        if len(problems) > MOST_PROBLEMS:
            yield _row(f"and {len(problems) - MOST_PROBLEMS} more", "see the run's folder")


def _left_out(overview: Overview) -> Iterator[str]:
    left_out = overview.left_out_counts()
    if left_out:
        yield ""
        yield from _table_head("left out, reason", "studies")
        yield from (_row(reason, count) for reason, count in left_out.items())


def stage_seconds(overview: Overview, stage: Stage) -> Sequence[float]:
    """How long the stage took in this run, for each study."""
    found = (line.seconds(stage) for line in overview.studies.values())
    return [seconds for seconds in found if seconds is not None]


def stage_instances(overview: Overview, stage: Stage) -> int:
    """Instances that came out of the stage in this run."""
    found = (line.done[stage] for line in overview.studies.values() if stage in line.done and stage not in line.skipped)
    return sum(count for facts in found if isinstance(count := facts.get("instances", 0), int))


def _table_head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|" + "---|" * len(names)


def _row(*cells: object) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(value: object) -> str:
    """Texts are ours and hold no values; what Markdown would take for markup is shown as it is."""
    text = " ".join(str(value).split())
    return "".join(f"\\{letter}" if letter in "\\|`*_<>[]#" else letter for letter in text)
