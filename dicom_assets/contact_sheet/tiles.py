"""One frame of an instance as a small picture, or a word in place of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dicom_assets.deidentification.encoded import DataSet, EncodingError, Reader
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.deidentification.part10 import Part10, open_part10
from dicom_assets.deidentification.pixel_cleaning.decoding import Native, decoded_frame, native_pixels
from dicom_assets.deidentification.pixel_cleaning.display import first_view
from dicom_assets.deidentification.pixel_cleaning.image import Image, describe
from dicom_assets.deidentification.pixels import PIXEL_DATA, PIXEL_TAGS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EDGE = 160
"""Pixels of a tile's longer side before a sheet is made to fit."""

MOST_SAMPLES = 100_000_000
"""Of one frame: pixels times samples."""

MOST_COMPRESSED_BYTES = 500_000_000

_SOP_CLASS_UID, _SERIES_NUMBER = 0x00080016, 0x00200011
_FLOATS = {0x7FE00008: "f4", 0x7FE00009: "f8"}


class Word(StrEnum):
    """Why there is no picture."""

    UNREADABLE = "not readable"
    UNKNOWN_KIND = "unknown kind of image"
    NO_DECODER = "no decoder"
    NOT_DECODABLE = "not decodable"
    TOO_LARGE = "too large"
    TOO_SLOW = "decoder too slow"
    DECODER_DIED = "decoder died"


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A picture of 8 bits, gray (rows, columns) or in color (rows, columns, 3); or a word, or what the object is.

    `repeats` says that the instance has fewer frames than were asked for. `series_number` is the file's own.
    """

    picture: NDArray[np.uint8] | None = None
    word: Word | None = None
    object_name: str = ""
    frame: int = 0
    series_number: int | None = None


class _NotShownError(Exception):
    def __init__(self, word: Word) -> None:
        super().__init__(word)
        self.word = word


def tile_of(content: bytes | memoryview, position: float, without_decoders: Word | None = None) -> Tile:
    """A tile of a DICOM file; `position` from 0 to 1 says which frame.

    With `without_decoders`, compressed pixels are not decoded and show this word.
    """
    try:
        part10 = open_part10(content)
        header, _ = Reader(part10.data, part10.encoding).data_set()
    except (EncodingError, RefusedError):
        return Tile(word=Word.UNREADABLE)
    number = _series_number(header)
    if PIXEL_TAGS.isdisjoint(header.elements):
        return Tile(object_name=_object_name(header), series_number=number)
    frame = 0
    try:
        image = _described(header, part10)
        frame = round(position * (image.frames - 1))
        if part10.encapsulated and without_decoders is not None:
            raise _NotShownError(without_decoders)
        return Tile(_picture(header, part10, image, frame), frame=frame, series_number=number)
    except _NotShownError as error:
        return Tile(word=error.word, frame=frame, series_number=number)


def _described(header: DataSet, part10: Part10) -> Image:
    try:
        image = describe(header, little=part10.encoding.little)
    except (EncodingError, RefusedError):
        image = _floating(header, part10)
    if image.rows * image.columns * image.samples > MOST_SAMPLES:
        raise _NotShownError(Word.TOO_LARGE)
    if not image.rows * image.columns:
        raise _NotShownError(Word.UNREADABLE)
    return image


def _picture(header: DataSet, part10: Part10, image: Image, frame: int) -> NDArray[np.uint8]:
    step = max(1, min(image.rows, image.columns) // (2 * EDGE))
    for tag, kind in _FLOATS.items():
        if tag in header.elements:
            return _float_picture(header, part10, image, frame, kind)[::step, ::step]
    try:
        native, at = _native(header, part10, image, frame)
        return first_view(native, header, at, step)
    except (RefusedError, EncodingError):
        raise _NotShownError(Word.UNKNOWN_KIND) from None
    except (ValueError, IndexError):  # pixels and their description do not fit each other
        raise _NotShownError(Word.NOT_DECODABLE) from None


def _native(header: DataSet, part10: Part10, image: Image, frame: int) -> tuple[Native, int]:
    if not part10.encapsulated:
        return native_pixels(header, part10, image), frame
    if not _has_decoder(part10.transfer_syntax):
        raise _NotShownError(Word.NO_DECODER)
    if len(header.elements[PIXEL_DATA].value) > MOST_COMPRESSED_BYTES:
        raise _NotShownError(Word.TOO_LARGE)
    try:
        return decoded_frame(header, part10, image, frame), 0
    except RefusedError:
        raise _NotShownError(Word.NOT_DECODABLE) from None


def _has_decoder(transfer_syntax: str) -> bool:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        return bool(get_decoder(transfer_syntax).is_available)
    except NotImplementedError:
        return False


def _floating(header: DataSet, part10: Part10) -> Image:
    """The description of floating point pixels (PS3.3 C.7.6.24 and C.7.6.25)."""
    bits = next((bits for tag, bits in ((0x7FE00008, 32), (0x7FE00009, 64)) if tag in header.elements), 0)
    if not bits:
        raise _NotShownError(Word.UNKNOWN_KIND)
    order = "little" if part10.encoding.little else "big"
    rows, columns = (int.from_bytes(header.value(tag), order) for tag in (0x00280010, 0x00280011))  # type: ignore[arg-type]  # one of two literals
    frames = header.value(0x00280008).strip(b" \0")
    count = int(frames) if frames.isdigit() else 1
    return Image(rows, columns, max(1, count), 1, "MONOCHROME2", False, bits, bits, bits - 1, True, False)


def _float_picture(header: DataSet, part10: Part10, image: Image, frame: int, kind: str) -> NDArray[np.uint8]:
    import numpy as np

    tag = next(tag for tag in _FLOATS if tag in header.elements)
    count = image.rows * image.columns
    dtype = np.dtype(("<" if part10.encoding.little else ">") + kind)
    whole = np.frombuffer(header.elements[tag].value, dtype)[frame * count : (frame + 1) * count]
    if len(whole) != count:
        raise _NotShownError(Word.NOT_DECODABLE)
    values = np.nan_to_num(whole.astype(np.float64), posinf=0.0, neginf=0.0).reshape(image.rows, image.columns)
    low, high = np.percentile(values, (0.1, 99.9))
    shown: NDArray[np.uint8] = np.clip((values - low) * (255.0 / max(high - low, 1e-30)), 0, 255).astype(np.uint8)
    return shown


def _series_number(header: DataSet) -> int | None:
    text = header.value(_SERIES_NUMBER).strip(b" \0")
    return int(text) if text.isdigit() and len(text) <= 6 else None


def _object_name(header: DataSet) -> str:
    from pydicom.uid import UID

    uid = UID(header.value(_SOP_CLASS_UID).strip(b" \0").decode("latin-1"))
    name = uid.name if not uid.is_private and uid.name != uid else "no image"
    return name.removesuffix(" Storage")
