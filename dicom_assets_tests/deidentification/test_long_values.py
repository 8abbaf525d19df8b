"""Values that are megabytes long, which no pattern may take hours over."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dicom_assets.deidentification.dates import shift
from dicom_assets.deidentification.retained import has_form
from dicom_assets.deidentification.values import has_form_of

LENGTH = 1_000_000


@pytest.mark.parametrize("filling", [b" ", b"1", b"1\\", b".1"])
@pytest.mark.parametrize(
    "refuses",
    [
        lambda value: not has_form_of("DS", value),
        lambda value: not has_form("DS", value),
        lambda value: not has_form("IS", value),
        lambda value: not has_form("UI", value),
        lambda value: shift("DA", value, 1) is None,
    ],
)
def test_a_long_value_without_a_form_is_refused_at_once(refuses: Callable[[bytes], bool], filling: bytes) -> None:
    value = filling * (LENGTH // len(filling)) + b"x"
    start = time.perf_counter()

    assert refuses(value)

    assert time.perf_counter() - start < 5, "takes quadratic time"
