"""A contact sheet: which instances, how large, what it says."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image

from dicom_assets.contact_sheet import SeriesOrder, Sheet, SheetOrder, SheetTooLargeError, draw_sheet, sheet
from dicom_assets.contact_sheet.order import Shot
from dicom_assets.contact_sheet.tiles import Word
from dicom_assets_tests.deidentification.builders import as_file
from dicom_assets_tests.deidentification.pixel_cleaning.builders import noise, of_array

ROOM = 75_000


class FolderOfFiles:
    """Files under a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str) -> BinaryIO:
        return (self._folder / name).open("rb")


@pytest.fixture
def files(tmp_path: Path) -> FolderOfFiles:
    """One image of noise, which JPEG can't make small, one that is all black, one of three frames."""
    (tmp_path / "noise").write_bytes(as_file(of_array(noise(1, 200, 200), SeriesNumber=4)))
    (tmp_path / "black").write_bytes(as_file(of_array(np.zeros((1, 64, 64), "u1"), SeriesNumber=4)))
    (tmp_path / "frames").write_bytes(as_file(of_array(noise(3, 64, 64), SeriesNumber=5)))
    (tmp_path / "broken").write_bytes(b"no DICOM at all" * 20)
    return FolderOfFiles(tmp_path)


def drawn(files: FolderOfFiles, *series: SeriesOrder, left_out: int = 0, most_bytes: int = ROOM) -> Sheet:
    return draw_sheet(SheetOrder(files, series, left_out, most_bytes))


def size_of(one: Sheet) -> tuple[int, int]:
    return Image.open(BytesIO(one.jpeg)).size


@pytest.mark.parametrize(
    ("count", "places"),
    [(2, [0, 1]), (3, [0, 1, 2]), (10, [0, 5, 9]), (301, [0, 150, 300])],
)
def test_first_middle_and_last_instance_of_a_series_are_shown(count: int, places: list[int]) -> None:
    order = SeriesOrder.of(1, "CT", [str(place) for place in range(count)])

    assert [shot.name for shot in order.shots] == [str(place) for place in places]


def test_first_middle_and_last_frame_of_a_lone_instance_are_shown(files: FolderOfFiles) -> None:
    order = SeriesOrder.of(1, "US", ["frames"])

    assert [shot.position for shot in order.shots] == [0.0, 0.5, 1.0]
    assert drawn(files, order).tiles == 3


def test_lone_instance_of_one_frame_is_shown_once(files: FolderOfFiles) -> None:
    assert drawn(files, SeriesOrder.of(1, "CR", ["black"])).tiles == 1


@pytest.mark.parametrize("most_bytes", [75_000, 30_000, 12_000])
def test_sheet_is_made_smaller_until_it_fits(files: FolderOfFiles, most_bytes: int) -> None:
    series = [SeriesOrder(number, "MR", 300, (Shot("noise"),) * 1) for number in range(1, 13)]

    one = drawn(files, *series, most_bytes=most_bytes)

    assert len(one.jpeg) <= most_bytes
    assert one.series == 12


def test_sheet_that_can_not_be_made_to_fit_is_refused(files: FolderOfFiles) -> None:
    series = [SeriesOrder(number, "MR", 300, (Shot("noise"),)) for number in range(1, 13)]

    with pytest.raises(SheetTooLargeError, match="CONTACT_SHEET_KILOBYTES"):
        drawn(files, *series, most_bytes=2_000)


def test_series_that_are_left_out_are_counted_on_the_sheet(files: FolderOfFiles) -> None:
    one = SeriesOrder.of(1, "CT", ["black"])

    assert size_of(drawn(files, one, left_out=12))[1] > size_of(drawn(files, one))[1]


def test_what_can_not_be_drawn_is_gray_and_counted(files: FolderOfFiles) -> None:
    one = drawn(files, SeriesOrder.of(1, "CT", ["black", "broken"]))

    assert (one.tiles, one.gray) == (1, {"not readable": 1})


def test_gray_sheet_is_stored_without_color(files: FolderOfFiles) -> None:
    assert Image.open(BytesIO(drawn(files, SeriesOrder.of(1, "CT", ["noise"])).jpeg)).mode == "L"


def test_drawing_ends_when_its_time_is_over(files: FolderOfFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "PATIENCE_SECONDS", -1.0)

    one = drawn(files, SeriesOrder.of(1, "CT", ["noise", "black"]), SeriesOrder.of(2, "CT", ["noise"]))

    assert (one.tiles, one.gray) == (0, {str(Word.TOO_SLOW): 2})
