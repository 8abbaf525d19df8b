"""What became of the CT study as a whole: do its instances still find each other, is every UID mapped one way?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID_dictionary

SEQUENCES = ("ReferencedImageSequence", "SourceImageSequence")


@dataclass(frozen=True, slots=True)
class Study:
    """Counts over a study's files. A reference is valid when it names the instance it named before.

    `mapped_two_ways` counts UIDs that got two replacements, and replacements that stand for two UIDs.
    """

    written: int
    valid: int
    removed: int
    dangling: int
    mapped_two_ways: int
    sop_instance_uids: tuple[str, ...]

    @property
    def references(self) -> int:
        """How many there were."""
        return self.valid + self.removed + self.dangling


def follow(source: Path, target: Path) -> Study:
    """Compare each file with the one that was made of it."""
    originals = {file.name: _read(file) for file in sorted(source.iterdir())}
    written = {name: _read(target / name) for name in originals if (target / name).exists()}
    new_uid = {str(originals[name].SOPInstanceUID): str(ds.get("SOPInstanceUID", "")) for name, ds in written.items()}
    valid = removed = dangling = 0
    for name, original in originals.items():
        for sequence in SEQUENCES:
            wanted = new_uid.get(_referenced(original, sequence))
            found = _referenced(written.get(name, Dataset()), sequence)
            valid += found != "" and found == wanted
            removed += found == ""
            dangling += found not in {"", wanted}
    return Study(len(written), valid, removed, dangling, _mapped_two_ways(originals, written), tuple(new_uid.values()))


def _read(file: Path) -> Dataset:
    return pydicom.dcmread(file, force=True, stop_before_pixels=True)


def _referenced(ds: Dataset, sequence: str) -> str:
    items = ds.get(sequence) or []
    return str(items[0].get("ReferencedSOPInstanceUID", "")) if len(items) else ""


def _mapped_two_ways(originals: dict[str, Dataset], written: dict[str, Dataset]) -> int:
    forth, back = defaultdict(set), defaultdict(set)
    for name, ds in written.items():
        new = dict(_uids(ds))
        for place, uid in _uids(originals[name]):
            if uid not in UID_dictionary and new.get(place):
                forth[uid].add(new[place])
                back[new[place]].add(uid)
    return sum(len(others) > 1 for mapping in (forth, back) for others in mapping.values())


def _uids(ds: Dataset, place: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], str]]:
    for element in ds:
        if element.VR == "SQ":
            for number, item in enumerate(element.value or []):
                yield from _uids(item, (*place, int(element.tag), number))
        elif element.VR == "UI" and not element.is_empty:
            yield (*place, int(element.tag)), str(element.value)
