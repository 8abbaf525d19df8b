"""Laying tiles out on one picture, and that picture as JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from textwrap import wrap
from typing import TYPE_CHECKING

from dicom_assets.contact_sheet.tiles import Tile

if TYPE_CHECKING:
    from PIL.Image import Image

GAP = 4
LABEL_HEIGHT = 16
LETTER_WIDTH = 6
FONT_SIZE = 11
PAPER, INK, GRAY, NO_IMAGE = (28, 28, 28), (235, 235, 235), (110, 110, 110), (60, 70, 90)
SERIES_IN_ONE_COLUMN = 3
SHORTEST_LABEL = 150
"""Pixels that a label may take."""


@dataclass(frozen=True, slots=True)
class Block:
    """One series on the sheet."""

    label: str
    tiles: Sequence[Tile]


def jpeg(blocks: Sequence[Block], footer: str, edge: int, quality: int) -> bytes:
    """All blocks in one picture, tiles `edge` pixels wide and high."""
    columns = 1 if len(blocks) <= SERIES_IN_ONE_COLUMN else 2
    rows = -(-len(blocks) // columns)
    tiles = max(SHORTEST_LABEL // edge + 1, *(len(block.tiles) for block in blocks))
    width, height = tiles * (edge + GAP) + 2 * GAP, edge + LABEL_HEIGHT + 2 * GAP
    colored = any(tile.picture is not None and tile.picture.ndim == 3 for block in blocks for tile in block.tiles)
    paper = _blank(columns * width, rows * height + (LABEL_HEIGHT if footer else 0), PAPER)
    for number, block in enumerate(blocks):
        _draw_block(paper, block, (number // rows) * width, (number % rows) * height, edge)
    if footer:
        _write(paper, (GAP, rows * height), footer)
    content = BytesIO()
    (paper if colored else paper.convert("L")).save(content, "JPEG", quality=quality, optimize=True)
    return content.getvalue()


def _blank(width: int, height: int, color: tuple[int, int, int]) -> Image:
    from PIL import Image

    return Image.new("RGB", (width, height), color)


def _draw_block(paper: Image, block: Block, left: int, top: int, edge: int) -> None:
    _write(paper, (left + GAP, top + 2), block.label)
    for place, tile in enumerate(block.tiles):
        picture = _drawn(tile, edge)
        middle_x = left + GAP + place * (edge + GAP) + (edge - picture.width) // 2
        middle_y = top + LABEL_HEIGHT + GAP + (edge - picture.height) // 2
        paper.paste(picture, (middle_x, middle_y))


def _drawn(tile: Tile, edge: int) -> Image:
    from PIL import Image

    if tile.picture is not None:
        picture = Image.fromarray(tile.picture)
        scale = edge / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        return picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)
    color, text = (GRAY, str(tile.word)) if tile.word is not None else (NO_IMAGE, tile.object_name)
    picture = _blank(edge, edge, color)
    lines = wrap(text, max(4, edge // LETTER_WIDTH - 1))[: edge // LABEL_HEIGHT]
    for number, line in enumerate(lines):
        _write(picture, (GAP, GAP + number * (LABEL_HEIGHT - 2)), line)
    return picture


def _write(paper: Image, place: tuple[int, int], text: str) -> None:
    from PIL import ImageDraw, ImageFont

    ImageDraw.Draw(paper).text(place, text, fill=INK, font=ImageFont.load_default(FONT_SIZE))
