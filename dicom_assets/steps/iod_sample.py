"""Did de-identification take what an IOD asks for? Looked at in one instance of each SOP Class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from mmap import ACCESS_READ, mmap

from dicom_assets.deidentification import Deidentified
from dicom_assets.deidentification.encoded import DataSet, EncodingError, Reader
from dicom_assets.deidentification.iod_losses import iod_losses
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.deidentification.part10 import open_part10
from dicom_assets.steps.deidentify_batch import InstanceOutcome
from dicom_assets.steps.ports import InstanceSource

MOST_SOP_CLASSES = 8

NOT_READABLE = "not readable"


def choose_sample(outcomes: Iterable[InstanceOutcome]) -> dict[str, str]:
    """One file of each SOP Class that may leave, to its SOP Class UID."""
    first: dict[str, str] = {}
    for one in outcomes:
        if isinstance(one.outcome, Deidentified):
            first.setdefault(one.outcome.sop_class_uid, one.source)
    return {name: uid for uid, name in list(first.items())[:MOST_SOP_CLASSES]}


def examine_sample(before: InstanceSource, after: InstanceSource, sample: Mapping[str, str]) -> Counter[str] | str:
    """What the files lost, by tag and Type; for a worker process. What goes wrong is told by the name of its class."""
    found: Counter[str] = Counter()
    try:
        for name, sop_class_uid in sample.items():
            found += _losses(before, after, name, sop_class_uid)
    except Exception as error:  # noqa: BLE001  the outer edge: looking never fails a study
        return type(error).__name__
    return found


def _losses(before: InstanceSource, after: InstanceSource, name: str, sop_class_uid: str) -> Counter[str]:
    original, written = _data_set(before, name), _data_set(after, name)
    if written is None:
        return Counter({NOT_READABLE: 1})
    return iod_losses(original or DataSet(), written, sop_class_uid)


def _data_set(source: InstanceSource, name: str) -> DataSet | None:
    """The data set of a file, of which no more is read than what is looked at."""
    with closing(source.open(name)) as file:
        content = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
    try:
        part10 = open_part10(content)
        return Reader(part10.data, part10.encoding).data_set()[0]
    except (EncodingError, RefusedError):
        return None
