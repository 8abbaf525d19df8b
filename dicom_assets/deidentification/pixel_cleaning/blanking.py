"""Blanks boxes in native pixels (PS3.5 8.1 and 8.2): in every frame and every sample, and not a byte beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dicom_assets.deidentification.pixel_cleaning.geometry import Box
from dicom_assets.deidentification.pixel_cleaning.image import Image, not_cleanable


def blank(
    pixels: bytes | bytearray | memoryview,
    image: Image,
    boxes: Iterable[Box],
    black: tuple[int, ...],
    *,
    little: bool,
    words: bool,
) -> bytearray:
    """The pixels with black boxes.

    Args:
        pixels: as they are encoded, all frames.
        image: how they are laid out.
        boxes: within the image.
        black: the samples of a black pixel.
        little: the byte order of the encoding.
        words: whether they are encoded as OW, so that in big endian bytes of one word change places.
    """
    blanked = bytearray(pixels)
    swapped = words and not little and image.allocated <= 8
    if swapped:
        _swap(blanked)
    order = "little" if little else "big"
    samples = [value.to_bytes(max(1, image.allocated // 8), order) for value in black]  # type: ignore[arg-type]  # one of two literals
    if not little and image.allocated == 32 and any(len(set(sample)) > 1 for sample in samples):
        raise not_cleanable("(7FE0,0010) of 32 bits in big endian, whose order of words is open")
    unique = sorted(set(boxes))
    if image.allocated == 1:
        _blank_bits(blanked, image, unique, black[0])
    elif image.halved_color:
        _blank_halved_color(blanked, image, unique, samples)
    else:
        _blank_cells(blanked, image, unique, samples)
    if swapped:
        _swap(blanked)
    return blanked


def _swap(pixels: bytearray) -> None:
    if len(pixels) & 1:
        raise not_cleanable("(7FE0,0010) of VR OW has an odd length")
    pixels[0::2], pixels[1::2] = pixels[1::2], pixels[0::2]


def _rows(box: Box, image: Image, planes: int) -> Iterator[tuple[int, int]]:
    """The plane and the first pixel of each of the box's rows, in every plane."""
    for plane in range(planes):
        for row in range(box.top, box.bottom):
            yield plane, (plane * image.rows + row) * image.columns + box.left


def _blank_cells(pixels: bytearray, image: Image, boxes: list[Box], samples: list[bytes]) -> None:
    separate = image.planar and image.samples > 1
    cells = samples if separate else [b"".join(samples)]
    size = len(cells[0])
    for box in boxes:
        width = box.right - box.left
        lines = [cell * width for cell in cells]
        for plane, first in _rows(box, image, image.frames * len(cells)):
            pixels[first * size : (first + width) * size] = lines[plane % len(cells)]


def _blank_halved_color(pixels: bytearray, image: Image, boxes: list[Box], samples: list[bytes]) -> None:
    # Y1 Y2 Cb Cr: a color that is shared with a pixel beside the box goes, that pixel's luminance stays.
    if image.planar or image.columns & 1:
        raise not_cleanable("(0028,0004) YBR_FULL_422 in a layout that is not the standard's")
    luminance, blue, red = (sample[0] for sample in samples)
    for box in boxes:
        for _, first in _rows(box, image, image.frames):
            for pixel in range(first, first + box.right - box.left):
                pair = pixel // 2 * 4
                pixels[pair + (pixel & 1)] = luminance
                pixels[pair + 2], pixels[pair + 3] = blue, red


def _blank_bits(pixels: bytearray, image: Image, boxes: list[Box], black: int) -> None:
    # Frames follow one another without a gap, the first pixel in the lowest bit.
    for box in boxes:
        for _, first in _rows(box, image, image.frames):
            for pixel in range(first, first + box.right - box.left):
                bit = 1 << (pixel & 7)
                pixels[pixel >> 3] = pixels[pixel >> 3] | bit if black else pixels[pixel >> 3] & ~bit
