"""Sees text in frames, offline: a character reader whose weights come with its package, and a quick look before it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dicom_assets.deidentification.pixel_cleaning.geometry import Box
from dicom_assets.deidentification.pixel_cleaning.rules import PixelRules
from dicom_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_assets.deidentification.pixel_cleaning.display import View

SHORTEST_TEXT = 3
"""Reads with fewer letters and digits than this are edges of anatomy more often than text."""

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
    """Where text stands in a frame."""
    found = []
    for tile in _tiles(*view.shape[:2]):
        part = view[tile.top : tile.bottom, tile.left : tile.right]
        for corners, text, _ in _reader()(part)[0] or ():
            if sum(character.isalnum() for character in text) >= SHORTEST_TEXT:
                columns, rows = zip(*corners, strict=True)
                box = Box(int(min(columns)), int(min(rows)), int(max(columns)) + 1, int(max(rows)) + 1)
                left, top = tile.left + max(0, box.left), tile.top + max(0, box.top)
                found.append(Box(left, top, tile.left + box.right, tile.top + box.bottom))
    return found


def looks_like_text(view: View) -> bool:
    """Whether fine strokes in high contrast stand in rows; says yes rather too often."""
    import cv2

    gray = view if view.ndim == 2 else cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
    strokes = cv2.getStructuringElement(cv2.MORPH_RECT, (9, 9))
    for operation in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        _, fine = cv2.threshold(cv2.morphologyEx(gray, operation, strokes), 48, 255, cv2.THRESH_BINARY)
        joined = cv2.morphologyEx(fine, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_RECT, (13, 3)))
        _, _, statistics, _ = cv2.connectedComponentsWithStats(joined)
        for _, _, width, height, area in statistics[1:].tolist():
            if 6 <= height <= 80 and width >= 1.5 * height and area >= 0.3 * width * height:
                return True
    return False


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
