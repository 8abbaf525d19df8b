"""Reads text in frames, offline: the reader's weights come with its package."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dicom_assets.deidentification.pixel_cleaning.geometry import Box
from dicom_assets.deidentification.pixel_cleaning.rules import PixelRules
from dicom_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_assets.deidentification.pixel_cleaning.display import View

SHORTEST_TEXT = 3
"""Reads with fewer letters and digits than this are edges of anatomy more often than text; so are those of one letter
again and again."""

_TILE, _OVERLAP = 1600, 200
"""The reader shrinks larger images, and with them their text; sides of tiles and what they share, in pixels."""


def require_detector(rules: PixelRules) -> None:
    """Be sure that text can be looked for, if the profile asks for it; to be called before the first instance.

    Raises:
        ConfigurationError: what is to be installed.
    """
    if rules.detector is None:
        return
    try:
        import rapidocr_onnxruntime  # noqa: F401
    except ImportError:
        raise ConfigurationError(
            "the profile looks for text in pixels (pixels.detector), which needs: pip install 'dicom-assets[ocr]'"
        ) from None


def read_text(view: View) -> list[Box]:
    """Where text stands in a frame; where one text is certain, the short ones beside it are text too."""
    reads = [
        (_box(tile, corners), [character for character in text if character.isalnum()])
        for tile in _tiles(*view.shape[:2])
        for corners, text, _ in _reader()(view[tile.top : tile.bottom, tile.left : tile.right])[0] or ()
    ]
    if not any(len(characters) >= SHORTEST_TEXT and len(set(characters)) > 1 for _, characters in reads):
        return []
    return [box for box, characters in reads if characters]


def _box(tile: Box, corners: list[list[float]]) -> Box:
    columns, rows = zip(*corners, strict=True)
    return Box(
        tile.left + max(0, int(min(columns))),
        tile.top + max(0, int(min(rows))),
        min(tile.right, tile.left + int(max(columns)) + 1),
        min(tile.bottom, tile.top + int(max(rows)) + 1),
    )


@lru_cache(maxsize=1)
def _reader() -> Any:
    import cv2
    from rapidocr_onnxruntime import RapidOCR

    # Workers are as many as processors: each keeps to one thread.
    cv2.setNumThreads(1)
    return RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)


def _tiles(rows: int, columns: int) -> list[Box]:
    return [
        Box(left, top, min(columns, left + _TILE), min(rows, top + _TILE))
        for top in _starts(rows)
        for left in _starts(columns)
    ]


def _starts(length: int) -> list[int]:
    return [0, *range(_TILE - _OVERLAP, length - _OVERLAP, _TILE - _OVERLAP)]
