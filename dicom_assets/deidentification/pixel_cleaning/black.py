"""What value is black, as displayed."""

from __future__ import annotations

from dicom_assets.deidentification.dictionary import tag_text
from dicom_assets.deidentification.encoded import DataSet
from dicom_assets.deidentification.pixel_cleaning.image import (
    INTERPRETATION,
    MONOCHROME,
    PALETTE,
    Image,
    not_cleanable,
)

_DESCRIPTORS = (0x00281101, 0x00281102, 0x00281103)
_TABLES = (0x00281201, 0x00281202, 0x00281203)
_MOST_ENTRIES = 1 << 16
_SEGMENTED = (0x00281221, 0x00281222, 0x00281223)


def black_samples(image: Image, data_set: DataSet, *, little: bool) -> tuple[int, ...]:
    """The samples of a black pixel, each as the unsigned number that its allocated bits make.

    Raises:
        RefusedError: what is black can't be told.
    """
    if image.interpretation in MONOCHROME and image.samples == 1:
        return (_monochrome(image),)
    if image.interpretation == PALETTE and image.samples == 1 and not image.signed:
        return (_darkest(palette(data_set, little=little), image),)
    if image.samples == 3 and not image.signed and image.allocated >= 8:
        if image.interpretation == "RGB":
            return (0, 0, 0)
        if image.interpretation in {"YBR_FULL", "YBR_FULL_422"} and image.allocated == 8:
            return (0, 1 << (image.stored - 1), 1 << (image.stored - 1))
    raise not_cleanable(f"{tag_text(INTERPRETATION)} of a kind in which nothing can be blanked")


def _monochrome(image: Image) -> int:
    lowest = -(1 << (image.stored - 1)) if image.signed else 0
    value = lowest + (1 << image.stored) - 1 if image.inverse else lowest
    # Bits above the highest stay those of the sign (PS3.5 8.1.1).
    return (value << (image.high_bit + 1 - image.stored)) & ((1 << image.allocated) - 1)


def _darkest(colors: tuple[int, list[tuple[int, int, int]]], image: Image) -> int:
    first, entries = colors
    shift = image.high_bit + 1 - image.stored
    usable = [(sum(entry), index) for index, entry in enumerate(entries) if first + index < 1 << image.stored]
    if not usable:
        raise not_cleanable(f"{tag_text(_DESCRIPTORS[0])} covers no value of the image")
    return (first + min(usable)[1]) << shift


def palette(data_set: DataSet, *, little: bool) -> tuple[int, list[tuple[int, int, int]]]:
    """The first value that a palette maps, and its colors in 16 bits (PS3.3 C.7.6.3.1.5 and .6).

    Raises:
        RefusedError: the palette is missing, broken or of differing tables.
    """
    order = "little" if little else "big"
    found = []
    for descriptor, table, segmented in zip(_DESCRIPTORS, _TABLES, _SEGMENTED, strict=True):
        value = data_set.value(descriptor)
        entries, first, bits = (int.from_bytes(value[at : at + 2], order) for at in (0, 2, 4))  # type: ignore[arg-type]  # one of two literals
        entries = entries or 1 << 16
        if len(value) != 6 or bits not in {8, 16}:
            raise not_cleanable(f"{tag_text(descriptor)} describes no palette")
        if table in data_set.elements:
            data = data_set.value(table)
            numbers = _words(data, little=little)
            if bits == 8 and len(data) < 2 * entries:  # two entries to a word, the lower byte first
                numbers = [half for word in numbers for half in (word & 0xFF, word >> 8)]
        else:
            numbers = _expanded(_words(data_set.value(segmented), little=little))
        if len(numbers) < entries:
            raise not_cleanable(f"{tag_text(table)} is shorter than its descriptor says")
        found.append((first, [number << 8 if bits == 8 else number for number in numbers[:entries]]))
    firsts, tables = zip(*found, strict=True)
    if len(set(firsts)) > 1 or len({len(one) for one in tables}) > 1:
        raise not_cleanable(f"{tag_text(_DESCRIPTORS[0])} differs between colors")
    return firsts[0], list(zip(*tables, strict=True))


def _words(value: bytes, *, little: bool) -> list[int]:
    order = "little" if little else "big"
    return [int.from_bytes(value[at : at + 2], order) for at in range(0, len(value) - 1, 2)]  # type: ignore[arg-type]  # one of two literals


def _expanded(words: list[int]) -> list[int]:
    """A segmented palette spelt out (PS3.3 C.7.9.2), indirect segments included."""
    found: list[int] = []
    position = 0
    while position + 2 <= len(words):
        position = _segment(words, position, found)
    return found


def _segment(words: list[int], position: int, found: list[int]) -> int:
    if len(found) > _MOST_ENTRIES:
        raise not_cleanable("(0028,1221) holds more than a palette may")
    kind, count = words[position : position + 2]
    data = words[position + 2 :]
    if kind == 0 and len(data) >= count:
        found += data[:count]
        return position + 2 + count
    if kind == 1 and data and found and count:
        start, end = found[-1], data[0]
        found += [round(start + (end - start) * step / count) for step in range(1, count + 1)]
        return position + 3
    if kind == 2 and len(data) >= 2:
        inner = (data[0] | data[1] << 16) // 2
        for _ in range(count):
            if inner + 2 > position or words[inner] == 2 or len(found) > _MOST_ENTRIES:
                break
            inner = _segment(words, inner, found)
        else:
            return position + 4
    raise not_cleanable("(0028,1221) holds a segment that can't be read")
