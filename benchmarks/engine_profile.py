"""What our own engine spends its time on: microseconds per CT slice, by the module that spends them."""

from __future__ import annotations

import cProfile
import io
import pstats
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from dicom_assets.deidentification import Deidentified, UidReplacer, deidentify_instance, shipped_profile
from dicom_assets.study import Subject

REPETITIONS = 3
LEAST_MICROSECONDS = 5.0
PACKAGE = "dicom_assets/"

Function = tuple[str, int, str]


def profile_table(study: Path) -> str:
    """Markdown: each module's own share, with what it calls of libraries, scaled to the time without a profiler."""
    files = sorted(study.iterdir())
    contents = [file.read_bytes() for file in files]
    _deidentify(contents)
    each = min(_cpu_seconds(contents) for _ in range(REPETITIONS)) / len(contents) * 1e6
    profiler = cProfile.Profile()
    profiler.enable()
    _deidentify(contents)
    profiler.disable()
    spent = _by_module(pstats.Stats(profiler).stats)  # type: ignore[attr-defined]  # documented nowhere, always there
    scale = each / sum(spent.values())
    lines = [f"| {name} | {share * scale:.0f} |" for name, share in spent.most_common()]
    lines = [line for line in lines if float(line.split("|")[2]) >= LEAST_MICROSECONDS]
    head = ["| module | CPU microseconds per slice |", "| --- | ---: |", f"| all, memory to memory | {each:.0f} |"]
    return "\n".join([*head, *lines])


def _deidentify(contents: list[bytes]) -> None:
    profile, subject = shipped_profile("basic"), Subject("PBENCHMARK", -100)
    for content in contents:
        outcome = deidentify_instance(
            io.BytesIO(content),
            io.BytesIO(),
            profile=profile,
            subject=subject,
            uids=UidReplacer(b"the benchmark's secret, in no other use"),
            allowed_modalities=frozenset({"CT"}),
        )
        if not isinstance(outcome, Deidentified):
            raise TypeError("a slice was quarantined")


def _cpu_seconds(contents: list[bytes]) -> float:
    begun = time.process_time()
    _deidentify(contents)
    return time.process_time() - begun


def _by_module(
    stats: Mapping[Function, tuple[int, int, float, float, Mapping[Function, tuple[int, int, float, float]]]],
) -> Counter[str]:
    spent: Counter[str] = Counter()
    for function, (_, _, own, _, callers) in stats.items():
        if PACKAGE in function[0] or not callers:
            spent[_module(function)] += own
            continue
        for caller, (_, _, own_from_caller, _) in callers.items():
            spent[_module(caller)] += own_from_caller
    return spent


def _module(function: Function) -> str:
    _, found, inside = function[0].rpartition(PACKAGE)
    if found:
        return f"`{inside}`"
    return (
        "reading and writing in memory" if function[0].endswith(Path(__file__).name) else "libraries among themselves"
    )
