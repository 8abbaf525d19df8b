"""Contact sheets in worker processes: whatever a decoder does, there is a sheet or a reason, and the study goes on."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from pydicom import dcmread
from pydicom.uid import RLELossless

from dicom_assets.contact_sheet import SeriesOrder
from dicom_assets.contact_sheet.tiles import Word
from dicom_assets.defs.workers import worker_processes
from dicom_assets.deidentification import Deidentified
from dicom_assets.steps import contact_sheets
from dicom_assets.steps.contact_sheets import MOST_DECODER_MEMORY, ContactSheets, series_of
from dicom_assets.steps.deidentify_batch import InstanceOutcome
from dicom_assets_tests.deidentification.builders import as_file
from dicom_assets_tests.deidentification.pixel_cleaning.builders import noise, of_array

PLAIN = SeriesOrder.of(1, "CT", ["plain"])
COMPRESSED = SeriesOrder.of(2, "CT", ["compressed"], is_compressed=True)


@dataclass(frozen=True)
class TrickyFiles:
    """Files that make the process in which decoders run misbehave; no other one."""

    folder: Path
    trick: str = ""

    def open(self, name: str) -> BinaryIO:
        if name == "compressed" and resource.getrlimit(resource.RLIMIT_AS)[0] == MOST_DECODER_MEMORY:
            if self.trick == "die":
                os._exit(1)
            if self.trick == "hang":
                time.sleep(600)
        return (self.folder / name).open("rb")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    plain = as_file(of_array(noise(1, 64, 64)))
    (folder / "plain").write_bytes(plain)
    ds = dcmread(folder / "plain")
    ds.compress(RLELossless)
    ds.save_as(folder / "compressed")
    return folder


@pytest.fixture(scope="module")
def sheets() -> Iterator[ContactSheets]:
    with worker_processes(1) as workers, worker_processes(1) as apart:
        yield ContactSheets(workers, apart, most_kilobytes=100)


def drawn(sheets: ContactSheets, files: TrickyFiles, *series: SeriesOrder) -> tuple[bytes | None, Any]:
    return sheets.draw(files, series)


def test_sheet_of_plain_and_compressed_pixels_is_drawn(sheets: ContactSheets, folder: Path) -> None:
    jpeg, told = drawn(sheets, TrickyFiles(folder), PLAIN, COMPRESSED)

    assert jpeg is not None
    assert jpeg.startswith(b"\xff\xd8")
    assert (told["tiles"], told["series"], told["bytes"]) == (2, 2, len(jpeg))


def test_decoder_that_dies_leaves_gray_tiles_and_the_next_sheet_whole(sheets: ContactSheets, folder: Path) -> None:
    jpeg, told = drawn(sheets, TrickyFiles(folder, "die"), PLAIN, COMPRESSED)
    _, after = drawn(sheets, TrickyFiles(folder), PLAIN, COMPRESSED)

    assert jpeg is not None
    assert (told["tiles"], told[str(Word.DECODER_DIED)]) == (1, 1)
    assert after["tiles"] == 2


def test_decoder_that_hangs_is_ended(sheets: ContactSheets, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(sheets, TrickyFiles(folder), COMPRESSED)  # the process is there
    monkeypatch.setattr(contact_sheets, "HANG_SECONDS", 2.0)

    jpeg, told = drawn(sheets, TrickyFiles(folder, "hang"), PLAIN, COMPRESSED)
    monkeypatch.undo()
    _, after = drawn(sheets, TrickyFiles(folder), PLAIN, COMPRESSED)

    assert jpeg is not None
    assert (told["tiles"], told[str(Word.TOO_SLOW)]) == (1, 1)
    assert after["tiles"] == 2


def test_reason_without_a_sheet_is_the_name_of_a_class_alone(sheets: ContactSheets, tmp_path: Path) -> None:
    jpeg, told = drawn(sheets, TrickyFiles(tmp_path / "NAME^OF"), PLAIN)

    assert (jpeg, told) == (None, "none: FileNotFoundError")


def test_no_more_than_twelve_series_are_drawn_and_the_others_counted(sheets: ContactSheets, folder: Path) -> None:
    _, told = drawn(sheets, TrickyFiles(folder), *[PLAIN] * 24)

    assert (told["series"], told["series_left_out"]) == (12, 12)


def test_instances_of_a_series_are_ordered_as_their_device_counted_them() -> None:
    uids = {f"{place:06d}.dcm": f"1.2.{number}" for place, number in enumerate([10, 9, 1, 11, 2])}
    done = Deidentified("1.2.840.10008.5.1.4.1.1.2", "2.25.1", "2.25.2", "2.25.3", "1.2.840.10008.1.2.1", "CT")
    outcomes = [InstanceOutcome(name, done, None, {}) for name in uids]

    [series] = series_of(outcomes, uids)

    assert [uids[shot.name] for shot in series.shots] == ["1.2.1", "1.2.9", "1.2.11"]
    assert (series.instances, series.is_compressed) == (5, False)
