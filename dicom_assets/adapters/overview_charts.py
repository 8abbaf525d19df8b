"""The overview's plots as SVG: shapes and classes alone; colours are the page's, so that they suit light and dark."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import pygal

from dicom_assets.adapters.overview import Overview
from dicom_assets.adapters.overview_summary import stage_seconds
from dicom_assets.study import STAGES

# pygal leaves a finder for map plugins behind, of an interface that Python has given up: each failed import would warn.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]

WIDTH, HEIGHT = 520, 260
MOST_POINTS = 200
_NAMESPACE = "http://www.w3.org/2000/svg"
_NOT_DRAWN = {"defs", "title", "desc"}
"""Styles, a script and the texts that it would show: the page has no use for them and allows no other script."""


def progress_chart(overview: Overview) -> str:
    """How many studies had reached each stage, over the time of the run; empty before the first did."""
    at = {
        stage: sorted(
            line.finished_at[stage]
            for line in overview.studies.values()
            if stage in line.finished_at and stage not in line.skipped
        )
        for stage in STAGES
    }
    if not any(at.values()):
        return ""
    end = overview.finished_at or overview.noted_at or overview.started_at
    unit, seconds = _unit((end - overview.started_at).total_seconds())
    chart = _chart(pygal.XY, show_dots=False, x_title=f"{unit} since the start", y_title="studies")
    chart.y_labels = _whole_numbers(max(map(len, at.values())))
    for stage in STAGES:
        chart.add(str(stage), _steps(at[stage], overview.started_at, end, seconds))
    return _svg(chart)


def duration_chart(overview: Overview) -> str:
    """How long each stage took for a study: least, quarters, most; empty before the first was done."""
    seconds = {stage: stage_seconds(overview, stage) for stage in STAGES}
    if not any(seconds.values()):
        return ""
    chart = _chart(pygal.Box, box_mode="extremes", y_title="seconds a study")
    for stage in STAGES:
        chart.add(str(stage), list(seconds[stage]))
    return _svg(chart)


def bar_chart(counts: Mapping[str, int], what: str) -> str:
    """A bar for each count, the longest on top; empty without any."""
    if not counts:
        return ""
    rows = sorted(counts.items(), key=lambda item: item[1])
    height = 90 + 26 * len(rows)
    chart = _chart(
        pygal.HorizontalBar, height=height, show_legend=False, x_title=what, print_values=True, margin_right=40
    )
    chart.x_labels = [name for name, _ in rows]
    chart.y_labels = _whole_numbers(rows[-1][1])
    chart.add(what, [count for _, count in rows])
    return _svg(chart)


def _steps(times: Sequence[datetime], start: datetime, end: datetime, unit: float) -> list[tuple[float, int]]:
    """A staircase of at most so many steps, drawn on to the end."""
    every = max(1, len(times) // MOST_POINTS)
    points: list[tuple[float, int]] = [(0.0, 0)]
    for number, at in enumerate(times, start=1):
        if number % every == 0 or number == len(times):
            x = (at - start).total_seconds() / unit
            points += [(x, points[-1][1]), (x, number)]
    return [*points, ((end - start).total_seconds() / unit, points[-1][1])]


def _whole_numbers(most: int) -> list[int]:
    """Marks for an axis that counts."""
    every = next(size * 10**power for power in range(20) for size in (1, 2, 5) if size * 10**power * 6 >= most)
    return list(range(0, most + every, every))


def _unit(seconds: float) -> tuple[str, float]:
    if seconds < 180:
        return "seconds", 1.0
    return ("minutes", 60.0) if seconds < 3 * 3600 else ("hours", 3600.0)


def _chart(kind: Any, **options: Any) -> Any:
    common = {
        "js": (),
        "css": (),
        "width": WIDTH,
        "height": HEIGHT,
        "margin": 8,
        "margin_bottom": 14,
        "max_scale": 8,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": len(STAGES),
        "truncate_legend": -1,
    }
    return kind(**(common | options))


def _svg(chart: Any) -> str:
    root = chart.render_tree()
    _prune(root)
    root.attrib.pop("id", None)
    root.set("role", "img")
    ElementTree.register_namespace("", _NAMESPACE)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return text


def _prune(element: ElementTree.Element) -> None:
    for child in list(element):
        if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] in _NOT_DRAWN:
            element.remove(child)
        else:
            child.attrib.pop("id", None)
            _prune(child)
