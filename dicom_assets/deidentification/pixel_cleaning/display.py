"""Frames as a viewer shows them, in 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dicom_assets.deidentification.encoded import DataSet
from dicom_assets.deidentification.pixel_cleaning.black import palette
from dicom_assets.deidentification.pixel_cleaning.decoding import Native
from dicom_assets.deidentification.pixel_cleaning.image import COLOR, MONOCHROME, PALETTE, Image, not_cleanable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    View = NDArray[np.uint8]

_CENTER, _WIDTH, _INTERCEPT, _SLOPE = 0x00281050, 0x00281051, 0x00281052, 0x00281053
_DARK_PERCENT, _BRIGHT_PERCENT = 0.1, 99.9
"""The range of values that is spread where no window is given; a few outliers don't darken the rest."""


def views(native: Native, original: DataSet, frame: int) -> list[View]:
    """The frame in gray (rows, columns) or in color (rows, columns, 3), 0 being black.

    A frame with a window of its own comes twice: in it, and in the whole range of its values, where text may stand
    that the window hides.

    Raises:
        RefusedError: the kind of image is not known.
    """
    return list(_views(native, original, frame, 1))


def first_view(native: Native, original: DataSet, frame: int, step: int = 1) -> View:
    """The frame as a viewer opens it, every `step`-th row and column of it; without a window that shows nothing.

    Raises:
        RefusedError: the kind of image is not known.
    """
    for view in _views(native, original, frame, step):
        if view.min() < view.max():
            break
    return view


def _views(native: Native, original: DataSet, frame: int, step: int) -> Iterator[View]:
    image = native.image
    if image.interpretation in MONOCHROME and image.samples == 1:
        yield from _gray(_stored_values(native, frame, step), original, image)
    elif image.interpretation == PALETTE and image.samples == 1:
        yield _palette_colors(_stored_values(native, frame, step), original, little=native.little)
    elif image.interpretation in COLOR and image.samples == 3 and image.allocated in {8, 16}:
        yield _colors(native, frame, step)
    else:
        raise not_cleanable("(0028,0004) of a kind that can't be displayed")


def _samples(native: Native, frame: int) -> NDArray[np.unsignedinteger]:
    import numpy as np

    image = native.image
    per_pixel = 2 if image.halved_color else image.samples
    count = image.rows * image.columns * per_pixel
    if image.allocated == 1:
        return _bits(native, frame * count, count)
    size = image.allocated // 8
    whole = np.frombuffer(native.pixels, np.dtype(f"{'<' if native.little else '>'}u{size}"))
    if size == 1 and native.words and not native.little:
        whole = whole[: len(whole) // 2 * 2].reshape(-1, 2)[:, ::-1].reshape(-1)
    return whole[frame * count : (frame + 1) * count]


def _bits(native: Native, first: int, count: int) -> NDArray[np.unsignedinteger]:
    import numpy as np

    packed = np.frombuffer(native.pixels, np.uint8)
    if native.words and not native.little:
        packed = packed[: len(packed) // 2 * 2].reshape(-1, 2)[:, ::-1].reshape(-1)
    bits = np.unpackbits(packed[first // 8 : (first + count + 7) // 8], bitorder="little")
    return bits[first % 8 : first % 8 + count]


def _stored_values(native: Native, frame: int, step: int) -> NDArray[np.int64]:
    import numpy as np

    image = native.image
    values = _samples(native, frame).reshape(image.rows, image.columns)[::step, ::step].astype(np.int64)
    values = (values >> (image.high_bit + 1 - image.stored)) & ((1 << image.stored) - 1)
    if image.signed:
        values = values - ((values >> (image.stored - 1)) << image.stored)
    return values


def _gray(values: NDArray[np.int64], original: DataSet, image: Image) -> Iterator[View]:
    for low, high in _ranges(values, original):
        view = _spread(values, low, high)
        yield 255 - view if image.inverse else view


def _ranges(values: NDArray[np.int64], original: DataSet) -> Iterator[tuple[float, float]]:
    import numpy as np

    window = _window(original)
    if window is not None:
        yield window
    low, high = (float(edge) for edge in np.percentile(values, (_DARK_PERCENT, _BRIGHT_PERCENT)))
    yield (float(values.min()), float(values.max())) if low == high else (low, high)


def _spread(values: NDArray[np.int64], low: float, high: float) -> View:
    import numpy as np

    scaled = (values - low) * (255.0 / max(high - low, 1e-9))
    shown: View = np.clip(scaled, 0, 255).astype(np.uint8)
    return shown


def _window(original: DataSet) -> tuple[float, float] | None:
    # Center and width are given in the units that slope and intercept lead to (PS3.3 C.11.2.1.2).
    center, width = _decimal(original, _CENTER), _decimal(original, _WIDTH)
    intercept, slope = _decimal(original, _INTERCEPT), _decimal(original, _SLOPE)
    slope = 1.0 if slope is None else slope
    if center is None or width is None or width < 1 or slope <= 0:
        return None
    low, high = center - width / 2, center + width / 2
    return (low - (intercept or 0.0)) / slope, (high - (intercept or 0.0)) / slope


def _decimal(original: DataSet, tag: int) -> float | None:
    try:
        return float(original.value(tag).split(b"\\")[0])
    except ValueError:
        return None


def _palette_colors(values: NDArray[np.int64], original: DataSet, *, little: bool) -> View:
    import numpy as np

    first, entries = palette(original, little=little)
    colors = (np.array(entries, np.uint16) >> 8).astype(np.uint8)
    shown: View = colors[np.clip(values - first, 0, len(colors) - 1)]
    return shown


def _colors(native: Native, frame: int, step: int) -> View:
    import numpy as np

    image = native.image
    samples = _samples(native, frame)
    if image.halved_color:
        pairs = samples.reshape(image.rows, image.columns // 2, 4)
        color = np.repeat(pairs[:, :, 2:], 2, axis=1)
        samples = np.concatenate([pairs[:, :, :2].reshape(image.rows, image.columns, 1), color], axis=2)
    elif image.planar:
        samples = samples.reshape(3, image.rows, image.columns).transpose(1, 2, 0)
    else:
        samples = samples.reshape(image.rows, image.columns, 3)
    shown: View = (samples[::step, ::step] >> max(0, image.stored - 8)).astype(np.uint8)
    return _red_green_blue(shown) if image.interpretation.startswith("YBR") else shown


def _red_green_blue(samples: View) -> View:
    import numpy as np

    luminance, blue, red = (samples[..., plane].astype(np.float32) for plane in range(3))
    blue, red = blue - 128, red - 128
    channels = (luminance + 1.402 * red, luminance - 0.344136 * blue - 0.714136 * red, luminance + 1.772 * blue)
    shown: View = np.clip(np.stack(channels, axis=-1), 0, 255).astype(np.uint8)
    return shown
