"""Native pixels out of an instance; those that are encapsulated are decoded by pydicom's plugins."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)

from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.part10 import Part10
from dicom_assets.deidentification.pixel_cleaning.image import (
    ALLOCATED,
    HIGH_BIT,
    INTERPRETATION,
    PLANAR,
    REPRESENTATION,
    STORED,
    Image,
    not_cleanable,
)
from dicom_assets.deidentification.pixels import PIXEL_DATA, PIXEL_TAGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

OFFSET_TABLES = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})
_LARGEST = 0xFFFFFFFE
_LOSSY_COMPRESSION = 0x00282110
_ALWAYS_LOSSY = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit})


@dataclass(frozen=True, slots=True, repr=False)
class Native:
    """Pixels that can be changed, and how they are encoded. `words` says that their VR is OW."""

    pixels: bytes | bytearray | memoryview
    image: Image
    little: bool
    words: bool


def native_pixels(original: DataSet, part10: Part10, image: Image) -> Native:
    """The pixels of an instance, decoded where that is needed.

    Raises:
        RefusedError: there is no decoder, it fails, or the pixels are none that can be cleaned.
    """
    element = next((original.elements[tag] for tag in PIXEL_TAGS if tag in original.elements), None)
    if element is None or element.tag != PIXEL_DATA:
        raise not_cleanable("Pixel Data (7FE0,0010) is not there, or is floating point")
    if part10.encapsulated:
        return _decoded(element, original, part10.transfer_syntax, image)
    return Native(element.value, image, part10.encoding.little, element.vr in {"OW", ""})


def decoded_frame(original: DataSet, part10: Part10, image: Image, frame: int) -> Native:
    """One frame of encapsulated pixels, decoded alone.

    Raises:
        RefusedError: there is no decoder, or it fails.
    """
    array, found = _decode(original.elements[PIXEL_DATA], original, part10.transfer_syntax, image, frame)
    return _as_native(array, found, replace(image, frames=1))


def _decoded(element: Element, original: DataSet, transfer_syntax: str, image: Image) -> Native:
    if image.rows * image.columns * image.samples * image.frames * (image.allocated + 7) // 8 > _LARGEST:
        raise not_cleanable("(7FE0,0010) is larger, decoded, than an instance can hold")
    array, found = _decode(element, original, transfer_syntax, image, None)
    if found["number_of_frames"] != image.frames:
        raise not_cleanable("(7FE0,0010) holds more frames than (0028,0008) says")
    return _as_native(array, found, image)


def _decode(
    element: Element, original: DataSet, transfer_syntax: str, image: Image, frame: int | None
) -> tuple[NDArray[Any], Mapping[str, Any]]:
    """All frames or one of them, and how the decoder describes what it gives."""
    try:
        import numpy  # noqa: F401 - pydicom asks for it late
        from pydicom.pixels.decoders.base import get_decoder
    except ImportError:
        raise not_cleanable("pixels are compressed and the extra `pixels` is not installed") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote values
            decoder = get_decoder(UID(transfer_syntax))
            return decoder.as_array(bytes(element.value), raw=True, index=frame, **_options(original, image))
    except Exception as error:  # noqa: BLE001 - whatever a decoder fails with keeps the instance back
        raise not_cleanable(f"(7FE0,0010) can't be decoded: {type(error).__name__}") from None


def _options(original: DataSet, image: Image) -> dict[str, Any]:
    options: dict[str, Any] = {
        "rows": image.rows,
        "columns": image.columns,
        "number_of_frames": image.frames,
        "samples_per_pixel": image.samples,
        "photometric_interpretation": image.interpretation,
        "planar_configuration": int(image.planar),
        "bits_allocated": image.allocated,
        "bits_stored": image.stored,
        "pixel_representation": int(image.signed),
        "pixel_keyword": "PixelData",
        "allow_excess_frames": True,
    }
    if original.value(0x7FE00001):
        options["extended_offsets"] = (original.value(0x7FE00001), original.value(0x7FE00002))
    return options


def _as_native(array: NDArray[Any], found: Mapping[str, Any], image: Image) -> Native:
    import numpy as np

    stored = min(int(found["bits_stored"]), 8 * array.itemsize)
    decoded = replace(
        image,
        interpretation=_interpretation(str(found["photometric_interpretation"])),
        planar=False,
        allocated=8 * array.itemsize,
        stored=stored,
        high_bit=stored - 1,
        signed=np.issubdtype(array.dtype, np.signedinteger),
    )
    pixels = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    return Native(pixels, decoded, little=True, words=decoded.allocated > 8)


def _interpretation(found: str) -> str:
    # Decoders undo the reversible and irreversible transformations, and spell out halved color.
    return {"YBR_FULL_422": "YBR_FULL", "YBR_ICT": "RGB", "YBR_RCT": "RGB"}.get(found, found)


def native_header(native: Native, transfer_syntax: str) -> list[Element]:
    """The attributes that describe decoded pixels as they are stored: in explicit VR little endian."""
    image = native.image

    def number(tag: int, value: int) -> Element:
        return Element(tag, "US", value.to_bytes(2, "little"), ours=True)

    elements = [
        Element(INTERPRETATION, "CS", image.interpretation.encode("ascii"), ours=True),
        number(ALLOCATED, image.allocated),
        number(STORED, image.stored),
        number(HIGH_BIT, image.high_bit),
        number(REPRESENTATION, int(image.signed)),
    ]
    if image.samples > 1:
        elements.append(number(PLANAR, 0))
    if transfer_syntax in _ALWAYS_LOSSY:
        elements.append(Element(_LOSSY_COMPRESSION, "CS", b"01", ours=True))
    return elements


NATIVE_TRANSFER_SYNTAX = str(ExplicitVRLittleEndian)
