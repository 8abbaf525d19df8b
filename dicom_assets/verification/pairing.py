"""Which de-identified file came from which source file."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dicom_assets.verification.folders import DestinationNames, SourceNames
from dicom_assets.verification.reading import Instance
from dicom_assets.verification.report_file import ReportLine
from dicom_assets.verification.verdict import CheckResult

# Attributes that de-identification leaves as they are (PS3.15 Table E.1-1 does not list them).
_LASTING = (
    "InstanceNumber",
    "AcquisitionNumber",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "BitsAllocated",
    "PhotometricInterpretation",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SliceLocation",
    "EchoTime",
    "TriggerTime",
    "TemporalPositionIdentifier",
)


@dataclass(frozen=True, slots=True)
class Trait:
    """By what a file is recognised on the other side. *Identified* where it is of a source file."""

    path: Path
    folder: Path
    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    pixel_digest: str
    lasting: tuple[str, ...]

    def __repr__(self) -> str:
        """Nothing of it."""
        return "Trait()"


def trait_of(instance: Instance, root: Path) -> Trait:
    """What to recognise an instance by."""
    return Trait(
        path=instance.path,
        folder=instance.path.parent.relative_to(root),
        sop_class_uid=instance.text("SOPClassUID"),
        sop_instance_uid=instance.text("SOPInstanceUID"),
        series_uid=instance.text("SeriesInstanceUID"),
        pixel_digest=instance.pixel_digest,
        lasting=tuple(instance.text(keyword) for keyword in _LASTING),
    )


Key = Callable[[Trait], Hashable]
_KEYS: tuple[Key, ...] = (
    lambda one: one.sop_instance_uid,
    lambda one: (one.sop_class_uid, one.pixel_digest, one.lasting),
    lambda one: (one.sop_class_uid, one.pixel_digest, one.lasting, one.folder),
    lambda one: (one.pixel_digest, one.lasting, one.folder),
    lambda one: (one.sop_class_uid, one.lasting, one.folder),
    lambda one: (one.sop_class_uid, one.lasting),
)


def pair_by_content(sources: Iterable[Trait], dests: Iterable[Trait]) -> dict[Path, Path]:
    """Destination to source, where one key or another leaves no choice.

    From the pairs found, replacements of series are learned, which tell equal instances of different series apart.
    """
    left, wanted = list(sources), list(dests)
    pairs: dict[Path, Path] = {}
    series: dict[str, str] = {}
    for key in (*_KEYS, *_within_series(series)):
        for source, dest in _only_choices(left, wanted, key):
            pairs[dest.path] = source.path
            series[dest.series_uid] = series[source.series_uid] = source.series_uid
        taken = set(pairs.values())
        left = [one for one in left if one.path not in taken]
        wanted = [one for one in wanted if one.path not in pairs]
    return pairs


def _within_series(series: Mapping[str, str]) -> tuple[Key, ...]:
    def known(one: Trait) -> Hashable:
        return series.get(one.series_uid, one.path)

    return (
        lambda one: (known(one), one.sop_class_uid, one.pixel_digest, one.lasting),
        lambda one: (known(one), one.sop_class_uid, one.lasting, one.folder),
    )


def _only_choices(sources: list[Trait], dests: list[Trait], key: Key) -> list[tuple[Trait, Trait]]:
    buckets: defaultdict[Hashable, tuple[list[Trait], list[Trait]]] = defaultdict(lambda: ([], []))
    for one in sources:
        buckets[key(one)][0].append(one)
    for one in dests:
        buckets[key(one)][1].append(one)
    return [(before[0], after[0]) for before, after in buckets.values() if len(before) == len(after) == 1]


def pair_by_report(
    lines: list[ReportLine],
    sources: Mapping[Path, Trait | None],
    dests: Iterable[Path],
    result: CheckResult,
    names: tuple[SourceNames, DestinationNames],
) -> dict[Path, Path]:
    """Destination to source as the report says; what is not accounted for on either side is found.

    Args:
        lines: the report.
        sources: all files of SOURCE, with the traits of those that are DICOM files.
        dests: all files of DEST.
        result: where findings go.
        names: what files are called in them.
    """
    source_name, dest_name = names
    present, arrived = sources.keys(), set(dests)
    told = Counter(line.source for line in lines)
    for path in sorted(present - told.keys()):
        result.find("a source file of which the report says nothing", source_name(path))
    unknown = sum(not os.path.lexists(path) for path in told)
    if unknown:
        result.find("sources in the report that are not in SOURCE", count=unknown)
    pairs: dict[Path, Path] = {}
    for line in lines:
        if line.source in present:
            _take(line, pairs, arrived, sources, result, names)
    for path in sorted(arrived - pairs.keys()):
        result.find("appeared from nowhere: the report does not name it as written", dest_name(path))
    return pairs


def _take(
    line: ReportLine,
    pairs: dict[Path, Path],
    arrived: set[Path],
    sources: Mapping[Path, Trait | None],
    result: CheckResult,
    names: tuple[SourceNames, DestinationNames],
) -> None:
    source_name, dest_name = names
    if line.outcome != "written" or line.output is None:
        return
    if line.output not in arrived:
        result.find("was written, says the report, but is not in DEST", source_name(line.source))
    elif line.output not in pairs:
        pairs[line.output] = line.source
    elif _are_copies(sources[line.source], sources[pairs[line.output]]):
        result.note("source files are copies of others, and written to one file with them")
    else:
        result.find("two sources were written to one file", dest_name(line.output))


def _are_copies(one: Trait | None, other: Trait | None) -> bool:
    if one is None or other is None:
        return False
    return (one.sop_instance_uid, one.pixel_digest) == (other.sop_instance_uid, other.pixel_digest)
