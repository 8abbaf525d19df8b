"""`overview.html`: the run at a glance in one file that needs no network, light or dark, on any width of screen."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from statistics import median

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from dicom_assets import __version__
from dicom_assets.adapters.overview import Overview, StudyLine
from dicom_assets.adapters.overview_charts import bar_chart, duration_chart, progress_chart
from dicom_assets.adapters.overview_summary import stage_instances, stage_seconds
from dicom_assets.study import STAGES, Fact, Stage, StudyKey


def overview_page(overview: Overview) -> str:
    """The page. Every text is escaped; the charts, of our own making, are put in as they are."""
    end = overview.finished_at or overview.noted_at or overview.started_at
    return _template().render(
        overview=overview,
        state=_state(overview),
        as_of=end,
        seconds=(end - overview.started_at).total_seconds(),
        tiles=_tiles(overview),
        stages=STAGES,
        stage_rows=[_stage_row(overview, stage) for stage in STAGES],
        study_rows=[_study_row(key, line) for key, line in sorted(overview.studies.items())],
        progress_chart=Markup(progress_chart(overview)),  # noqa: S704  an XML library wrote and escaped it
        duration_chart=Markup(duration_chart(overview)),  # noqa: S704
        quarantine_chart=Markup(bar_chart(overview.quarantined(), "instances")),  # noqa: S704
        left_out=overview.left_out_counts(),
        problems=overview.problems(),
        version=__version__,
        script_hash=_script_hash(),
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dicom_assets.adapters"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration_text
    return environment


def _template() -> Template:
    return _environment().get_template("overview.html")


@lru_cache(maxsize=1)
def _script_hash() -> str:
    """What lets the page's one script run, and no other (Content Security Policy)."""
    source = _environment().get_template("overview_sorting.js").render()
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def duration_text(seconds: float) -> str:
    """A time span as people say it: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _state(overview: Overview) -> str:
    if overview.finished_at is not None:
        return "finished, with failures" if overview.counts()["failed"] else "finished"
    return "stopped" if overview.stopped else "not finished"


def _tiles(overview: Overview) -> Iterator[tuple[str, int, str]]:
    """What, how many, and whether that is good or bad news."""
    counts = overview.counts()
    yield "studies", len(overview.studies), ""
    for stage in STAGES:
        yield str(stage), counts[stage], ""
    yield "up to date", counts["up_to_date"], ""
    yield "failed", counts["failed"], "bad" if counts["failed"] else ""
    if counts["busy"]:
        yield "in another run", counts["busy"], ""
    quarantined = overview.quarantined().total()
    yield "instances quarantined", quarantined, "warn" if quarantined else ""


def _stage_row(overview: Overview, stage: Stage) -> Mapping[str, object]:
    seconds = stage_seconds(overview, stage)
    return {
        "stage": str(stage),
        "studies": len(seconds),
        "instances": stage_instances(overview, stage),
        "median": median(seconds) if seconds else None,
        "longest": max(seconds, default=None),
        "total": sum(seconds),
    }


def _study_row(study_key: StudyKey, line: StudyLine) -> Mapping[str, object]:
    spent = [seconds for stage in STAGES if (seconds := line.seconds(stage)) is not None]
    return {
        "key": study_key,
        "state": line.state,
        "kind": re.sub(r"[^a-z]+", "-", line.state),
        "cells": [_cell(line, stage) for stage in STAGES],
        "quarantined": sum(line.kept_back.values()),
        "reasons": ", ".join(f"{count} {reason}" for reason, count in line.kept_back.items()),
        "seconds": round(sum(spent), 1) if spent else None,
        "problem": line.problem,
    }


def _cell(line: StudyLine, stage: Stage) -> Mapping[str, Fact]:
    """What to show of a stage, and the number to sort it by."""
    if stage is line.doing:
        done, total = line.progress
        return {"text": f"{done} of {total}" if total else "begun", "sort": done}
    if stage not in line.done:
        return {"text": "", "sort": -1}
    instances = line.done[stage].get("instances", 0)
    return {"text": f"{instances} stood" if stage in line.skipped else str(instances), "sort": instances}
