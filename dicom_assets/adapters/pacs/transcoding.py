"""Another transfer syntax for an instance, without any loss."""

from __future__ import annotations

from array import array

from dicom_assets.deidentification.encoded import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    DataSet,
    Element,
    EncodingError,
    Reader,
)
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.deidentification.part10 import Part10, open_part10
from dicom_assets.deidentification.pixel_cleaning.decoding import OFFSET_TABLES, native_header, native_pixels
from dicom_assets.deidentification.pixel_cleaning.image import describe
from dicom_assets.deidentification.pixels import PIXEL_DATA, PIXEL_TAGS
from dicom_assets.deidentification.writer import UnwritableError, Writer
from dicom_assets.errors import DicomAssetsError
from dicom_assets.study import OutgoingInstance, Piece

_ENCODINGS = {"1.2.840.10008.1.2.1": EXPLICIT_LITTLE, "1.2.840.10008.1.2": IMPLICIT_LITTLE}
_BITS_ALLOCATED = 0x00280100
_AT_MOST_16_BITS = frozenset(bits.to_bytes(2, "big") for bits in (1, 8, 16))
_PIXEL_REPRESENTATION = 0x00280103
_WORD_BYTES = (
    dict.fromkeys(("AT", "OW", "SS", "US"), 2)
    | dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4)
    | dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8)
)
_TYPE_CODES = {array(code).itemsize: code for code in "HIQ"}


class NotTranscodableError(DicomAssetsError):
    """An instance has no form in another transfer syntax that is known to lose nothing."""


def transcoded(item: OutgoingInstance, transfer_syntax_uid: str) -> Piece:
    """The data set of an instance in Explicit or Implicit VR Little Endian.

    Pixels become what a decoder makes of them, and their description says so; lossy images are no more lossy for it.
    SOP Instance UID and all other values stay (PS3.5 8.2, PS3.3 C.7.6.1.1.5).

    Raises:
        NotTranscodableError: there is no decoder for its pixels, or they or other values have no such form.
        ChangedContentError: the file is not what passed the residual scan.
        StorageError: it can't be read.
    """
    content = item.content()
    try:
        part10 = open_part10(content)
        if part10.transfer_syntax != item.transfer_syntax_uid:
            raise NotTranscodableError("the file is in another transfer syntax than recorded")
        data_set, _ = Reader(part10.data, part10.encoding).data_set()
        if part10.encapsulated:
            _decode(data_set, part10)
        if part10.encoding == EXPLICIT_BIG:
            _turn(data_set)
        _drop_group_lengths(data_set)
        writer = Writer(_ENCODINGS[transfer_syntax_uid], signed=_is_signed(data_set))
        writer.data_set(data_set)
    except (EncodingError, UnwritableError) as error:
        raise NotTranscodableError(str(error)) from None
    except RefusedError as error:
        raise NotTranscodableError(error.detail) from None
    return writer.buffer


def _decode(data_set: DataSet, part10: Part10) -> None:
    for element in data_set.walk():
        if element.undefined and element.items is None and element is not data_set.elements.get(PIXEL_DATA):
            raise NotTranscodableError("it holds compressed pixels elsewhere than in its own (7FE0,0010)")
    if PIXEL_TAGS.isdisjoint(data_set.elements):
        return
    native = native_pixels(data_set, part10, describe(data_set, little=True))
    for element in native_header(native, part10.transfer_syntax):
        data_set.put(element)
    for tag in OFFSET_TABLES:
        data_set.elements.pop(tag, None)
    data_set.put(Element(PIXEL_DATA, "OW" if native.words else "OB", bytes(native.pixels)))


def _turn(data_set: DataSet) -> None:
    """Change the byte order of every number (PS3.5 7.3).

    Readers do not agree on pixels of more than 16 bits in OW: 16-bit words, or numbers that are turned as a whole.
    """
    if data_set.value(_BITS_ALLOCATED) not in _AT_MOST_16_BITS and PIXEL_DATA in data_set.elements:
        raise NotTranscodableError("the byte order of pixels of more than 16 bits can't be changed")
    for element in data_set.walk():
        if element.items is not None:
            continue
        if element.vr in ("", "UN"):
            raise NotTranscodableError("the byte order of values of unknown VR can't be changed")
        size = _WORD_BYTES.get(element.vr, 1)
        if size > 1:
            if len(element.value) % size:
                raise NotTranscodableError("a number is cut off")
            words = array(_TYPE_CODES[size], bytes(element.value))
            words.byteswap()
            element.value = words.tobytes()


def _drop_group_lengths(data_set: DataSet) -> None:
    """They hold for one encoding alone, and are retired (PS3.5 7.2)."""
    for tag in [tag for tag in data_set.elements if not tag & 0xFFFF]:
        del data_set.elements[tag]
    for element in data_set.elements.values():
        for inner in element.items or ():
            _drop_group_lengths(inner)


def _is_signed(data_set: DataSet) -> bool:
    return data_set.value(_PIXEL_REPRESENTATION) == b"\1\0"
