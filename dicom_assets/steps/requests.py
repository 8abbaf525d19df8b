"""The fewest requests for what is missing of a study: as a whole, by series, by instances."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from dicom_assets.steps.intake import Intake
from dicom_assets.study import InstanceRef, Retrieval

INSTANCES_PER_REQUEST = 100
"""Most SOP Instance UIDs in one request."""

SMALL_STUDY = 500
"""Instances: up to so many, one request for the whole study is as fast as one for each series."""

ROUNDS_WITH_LISTS = 2
"""Later rounds ask for each instance by itself: not every PACS takes a list of UIDs (PS3.4 C.2.2.2.2)."""


MOST_SINGLE_REQUESTS = 500
"""If more is missing than that, asking one by one is no remedy."""


def requests_for(intake: Intake, round_number: int) -> list[Retrieval]:
    """What to ask for in this round, the first being 0."""
    if intake.listing.instances is None:
        return _by_counts(intake, round_number)
    missing = intake.missing()
    is_whole = len(missing) == len(intake.expected)
    if missing and is_whole and round_number == 0 and len(missing) <= SMALL_STUDY:
        return [Retrieval(intake.study_uid, sop_class_uids=_classes(missing))]
    at_once = 1 if round_number >= ROUNDS_WITH_LISTS and len(missing) <= MOST_SINGLE_REQUESTS else INSTANCES_PER_REQUEST
    sizes = Counter(ref.series_instance_uid for ref in intake.expected.values())
    by_series: dict[str, list[InstanceRef]] = defaultdict(list)
    for ref in missing:
        by_series[ref.series_instance_uid].append(ref)
    requests: list[Retrieval] = []
    for series_uid, refs in sorted(by_series.items()):
        if len(refs) == sizes[series_uid] > 1 and round_number < ROUNDS_WITH_LISTS:
            requests.append(Retrieval(intake.study_uid, series_uid, sop_class_uids=_classes(refs)))
        else:
            requests += _by_instances(intake.study_uid, series_uid, refs, at_once)
    return requests


def _by_instances(study_uid: str, series_uid: str, refs: Sequence[InstanceRef], at_once: int) -> Iterator[Retrieval]:
    for start in range(0, len(refs), at_once):
        part = refs[start : start + at_once]
        yield Retrieval(study_uid, series_uid, tuple(ref.sop_instance_uid for ref in part), _classes(part))


def _by_counts(intake: Intake, round_number: int) -> list[Retrieval]:
    if not intake.missing_count():
        return []
    series = sorted(uid for uid in intake.listing.counts if uid)
    classes = intake.listing.sop_class_uids
    if round_number == 0 or not series:
        return [Retrieval(intake.study_uid, sop_class_uids=classes)]
    return [Retrieval(intake.study_uid, uid, sop_class_uids=classes) for uid in series]


def _classes(refs: Iterable[InstanceRef]) -> frozenset[str]:
    classes = frozenset(ref.sop_class_uid for ref in refs)
    return frozenset() if "" in classes else classes
