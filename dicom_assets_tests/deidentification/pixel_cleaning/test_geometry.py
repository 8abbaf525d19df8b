"""Boxes within images, and what lies outside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_assets.deidentification.pixel_cleaning.geometry import Box, fitted, outside
from dicom_assets.deidentification.pixel_cleaning.rules import Rectangle

ROWS, COLUMNS = 9, 12


def covered(boxes: list[Box]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """How often each pixel is covered."""
    times = np.zeros((ROWS, COLUMNS), dtype=np.int64)
    for box in boxes:
        assert 0 <= box.left < box.right <= COLUMNS
        assert 0 <= box.top < box.bottom <= ROWS
        times[box.top : box.bottom, box.left : box.right] += 1
    return times


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    left, right = sorted(draw(st.lists(st.integers(0, COLUMNS), min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(draw(st.lists(st.integers(0, ROWS), min_size=2, max_size=2, unique=True)))
    return Box(left, top, right, bottom)


@given(st.lists(boxes(), max_size=5))
def test_outside_is_every_pixel_that_no_box_covers_and_no_other(inside: list[Box]) -> None:
    times = covered(outside(inside, ROWS, COLUMNS))
    assert np.array_equal(times, (covered(inside) == 0).astype(np.int64))


@pytest.mark.parametrize(
    ("rectangle", "expected"),
    [
        (Rectangle(1, 2, 3, 4), Box(1, 2, 4, 6)),
        (Rectangle(10, 7, 100, 100), Box(10, 7, 12, 9)),
        (Rectangle(-2, -3, 2, 3), Box(10, 6, 12, 9)),
        (Rectangle(-50, -50, 2, 3), Box(0, 0, 2, 3)),
        (Rectangle(12, 0, 1, 1), None),
        (Rectangle(0, 9, 1, 1), None),
    ],
)
def test_a_rectangle_is_fitted_into_the_image(rectangle: Rectangle, expected: Box | None) -> None:
    assert fitted(rectangle, ROWS, COLUMNS) == expected
