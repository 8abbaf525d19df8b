"""The sheet: tiles of each series in a row, with a label that tells nobody's name."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING

from dicom_assets.contact_sheet.order import SeriesOrder, SheetOrder, Shot
from dicom_assets.contact_sheet.paper import Block, jpeg
from dicom_assets.contact_sheet.tiles import EDGE, Tile, Word, tile_of
from dicom_assets.errors import DicomAssetsError

if TYPE_CHECKING:
    from dicom_assets.contact_sheet.order import Files

PATIENCE_SECONDS = 8.0
"""Once so long has been spent on a sheet, what is not drawn yet stays gray."""

_SIZES = ((EDGE, 75), (EDGE, 55), (128, 50), (96, 45), (80, 35), (64, 30), (48, 25))
"""Edges of a tile (pixels) and qualities of JPEG, tried until the sheet is small enough."""


class SheetTooLargeError(DicomAssetsError):
    """However it is drawn, the sheet is larger than it may be."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A contact sheet: `tiles` were drawn, and by word how many others could not be."""

    jpeg: bytes
    series: int
    tiles: int
    gray: Mapping[str, int]


def draw_sheet(order: SheetOrder) -> Sheet:
    """Draw it.

    Raises:
        SheetTooLargeError: it can't be made to fit.
        ImportError: NumPy or Pillow is not installed.
        OSError: a file can't be read.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    blocks = [_block(series, order, deadline) for series in order.series]
    tiles = [tile for block in blocks for tile in block.tiles]
    gray = Counter(str(tile.word) for tile in tiles if tile.word is not None)
    footer = f"and {order.series_left_out} more series" if order.series_left_out else ""
    for edge, quality in _SIZES:
        content = jpeg(blocks, footer, edge, quality)
        if len(content) <= order.most_bytes:
            return Sheet(content, len(blocks), len(tiles) - gray.total(), gray)
    raise SheetTooLargeError("The contact sheet is larger than CONTACT_SHEET_KILOBYTES, however it is drawn.")


def _block(series: SeriesOrder, order: SheetOrder, deadline: float) -> Block:
    tiles = list(_tiles(series.shots, order, deadline))
    numbers = {tile.series_number for tile in tiles} - {None}
    number = numbers.pop() if len(numbers) == 1 else series.number
    plural = "" if series.instances == 1 else "s"
    return Block(f"{series.modality}   series {number}   {series.instances} instance{plural}", tiles)


def _tiles(shots: Sequence[Shot], order: SheetOrder, deadline: float) -> Iterator[Tile]:
    without_decoders = Word(order.without_decoders) if order.without_decoders else None
    seen: set[tuple[str, int]] = set()
    for shot in shots:
        if time.monotonic() > deadline:
            yield Tile(word=Word.TOO_SLOW)
            return
        tile = _tile(order.files, shot, without_decoders)
        if (shot.name, tile.frame) not in seen:
            seen.add((shot.name, tile.frame))
            yield tile


def _tile(files: Files, shot: Shot, without_decoders: Word | None) -> Tile:
    with closing(files.open(shot.name)) as file:
        content = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))  # of what is not shown, nothing is read
    return tile_of(content, shot.position, without_decoders)
