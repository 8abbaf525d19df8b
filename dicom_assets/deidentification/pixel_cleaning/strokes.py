"""A quick look for text: fine strokes in high contrast, as high as one another, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dicom_assets.deidentification.pixel_cleaning.display import View

_LETTERS = 3
"""So many strokes in a row make text."""
_ENLARGED_BELOW, _ENLARGED = 1000, 2
"""Smaller images are enlarged: their letters touch one another."""
_KERNEL = 19
_CONTRAST = 90
"""By how much strokes differ from what is around them, of 255."""
_GRAY_DIFFERENCE = 40
"""By how much the strokes of one text may differ from one another."""
_LOWEST, _HIGHEST, _MOST = 10, 128, 1500
"""Heights in pixels, and how many strokes are compared, the largest first."""


def looks_like_text(view: View) -> bool:
    """Whether to read a frame; says yes to few clean ones, and no to text whose letters touch one another."""
    import cv2

    gray: Any = view if view.ndim == 2 else cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
    if min(gray.shape) < _ENLARGED_BELOW:
        gray = cv2.resize(gray, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (_KERNEL, _KERNEL))
    return any(
        _stands_in_rows(gray, cv2.morphologyEx(gray, operation, kernel) > _CONTRAST)
        for operation in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    )


def _stands_in_rows(gray: Any, strokes: NDArray[np.bool_]) -> bool:
    import cv2
    import numpy as np

    count, labels, statistics, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), connectivity=8)
    left, top, width, height, area = (statistics[1:, column].astype(np.float64) for column in range(5))
    fits = (height >= _LOWEST) & (height <= _HIGHEST) & (width <= 2.5 * height) & (area >= 0.12 * width * height)
    chosen = np.nonzero(fits)[0]
    if len(chosen) < _LETTERS:
        return False
    chosen = chosen[np.argsort(-area[chosen])][:_MOST]
    shades = np.bincount(labels.ravel(), weights=gray.ravel().astype(np.float64), minlength=count)[1:] / area
    left, width, height, shade = left[chosen], width[chosen], height[chosen], shades[chosen]
    middle = top[chosen] + height / 2
    taller = np.maximum(height[None], height[:, None])
    gap = left[None] - (left + width)[:, None]
    beside = (gap > -0.15 * taller) & (gap < 0.9 * taller) & (left[None] > left[:, None])
    beside &= np.abs(middle[None] - middle[:, None]) < 0.3 * taller
    beside &= np.minimum(height[None], height[:, None]) > 0.6 * taller
    beside &= np.abs(shade[None] - shade[:, None]) < _GRAY_DIFFERENCE
    reached: Any = np.ones(len(chosen), dtype=bool)
    for _ in range(_LETTERS - 1):
        reached = (beside & reached[None]).any(axis=1)
    return bool(reached.any())
