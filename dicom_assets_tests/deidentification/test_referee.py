"""An independent referee: pydicom and our strict reader see the same elements in every file that both can read."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from dicom_assets.deidentification.dictionary import is_private, known_vr
from dicom_assets.deidentification.encoded import DataSet, EncodingError, Reader
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.deidentification.part10 import Part10, open_part10
from dicom_assets_tests.corpus import corpus_files

ROOT = Path(pydicom.data.__file__).parent
SHIPPED = sorted(path for path in ROOT.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})
PIXEL_REPRESENTATION = 0x00280103
SEQUENCE_STAYS_CLOSED = {"DICOMDIR-nooffset": "an item of (0004,1220) is longer than its sequence"}
"""Files in which pydicom reads on where one length contradicts another."""

Path_ = tuple[int, ...]
"""The tags and item numbers that lead to an element."""
Seen = dict[Path_, tuple[str, bytes]]
"""VR, where it was encoded, and bytes of each element."""


def ours(data_set: DataSet, path: Path_ = ()) -> Iterator[tuple[Path_, tuple[str, bytes]]]:
    for element in data_set.elements.values():
        here = (*path, element.tag)
        if element.items is None:
            yield here, (element.vr, bytes(element.value))
            continue
        yield here, ("SQ", b"%d items" % len(element.items))
        for number, item in enumerate(element.items):
            yield from ours(item, (*here, number))


def theirs(ds: Dataset, part10: Part10, path: Path_ = ()) -> Iterator[tuple[Path_, tuple[str, bytes]]]:
    for tag in list(ds.keys()):
        here = (*path, int(tag))
        element = ds._dict[tag]  # as it was read: all other ways decode
        vr = element.VR or ""
        if vr == "SQ" or (vr in {"", "UN"} and known_vr(int(tag)) == "SQ"):
            items = ds[tag].value or []
            yield here, ("SQ", b"%d items" % len(items))
            for number, item in enumerate(items):
                yield from theirs(item, part10, (*here, number))
        elif isinstance(element, RawDataElement):
            yield here, (vr, element.value or b"")
        elif int(tag) == PIXEL_REPRESENTATION:  # pydicom has decoded it to find its way through a sequence
            encoded = struct.pack(part10.encoding.order + "H", element.value)
            yield here, ("" if part10.encoding.implicit else vr, encoded)
        else:
            yield here, (vr, element.value or b"")


def both(content: bytes) -> tuple[Seen, Seen] | None:
    """What each of the two sees in a file; None where one refuses it."""
    try:
        part10 = open_part10(content)
        original, _ = Reader(part10.data, part10.encoding).data_set()
    except (EncodingError, RefusedError):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd values, which is what the corpus is for
        encoding = part10.encoding
        ds = read_dataset(io.BytesIO(bytes(part10.data)), encoding.implicit, encoding.little)
        return dict(ours(original)), dict(theirs(ds, part10))


def unequally_closed(mine: Seen, other: Seen) -> set[Path_]:
    """Where just one of the two looks into a sequence: which private ones there are, each knows from its own list."""
    return {
        place
        for place in mine.keys() & other.keys()
        if mine[place][1].endswith(b" items") != other[place][1].endswith(b" items")
    }


def check(path: Path) -> bool:
    """Whether both read the file; fails where they differ."""
    seen = both(path.read_bytes())
    if seen is None:
        return False
    mine, other = seen
    closed = unequally_closed(mine, other)
    for place in closed:
        assert is_private(place[-1]) or path.name in SEQUENCE_STAYS_CLOSED
    beyond = {place for place in mine.keys() | other.keys() if any(place[: len(outer)] == outer for outer in closed)}
    compared = (mine.keys() | other.keys()) - beyond
    different = [place for place in compared if mine.get(place) != other.get(place)]
    assert not different, [" ".join(f"{step:08X}" for step in place) for place in different[:5]]
    return True


def test_pydicom_and_our_reader_see_the_same_in_the_files_of_its_wheel() -> None:
    assert sum(check(path) for path in SHIPPED) > len(SHIPPED) * 0.8


@pytest.mark.skipif(not corpus_files(), reason="the corpus is not beside the repository")
def test_pydicom_and_our_reader_see_the_same_in_the_corpus() -> None:
    files = corpus_files()
    assert sum(check(file.path) for file in files) > len(files) * 0.8
