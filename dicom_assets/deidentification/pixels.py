"""Whether Pixel Data is there in full. Its bytes are never touched."""

from __future__ import annotations

from dicom_assets.deidentification.dictionary import tag_text
from dicom_assets.deidentification.encoded import DataSet, EncodingError
from dicom_assets.deidentification.iod import content_tags

PIXEL_DATA = 0x7FE00010
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
_PIXEL_VRS = frozenset({"", "OB", "OD", "OF", "OW", "UN"})
FIRST_PIXEL_TAG = min(PIXEL_TAGS)

_ROWS, _COLUMNS, _SAMPLES, _BITS, _FRAMES = 0x00280010, 0x00280011, 0x00280002, 0x00280100, 0x00280008
_DESCRIPTION = frozenset({_SAMPLES, 0x00280004, _ROWS, _COLUMNS, _BITS})
_SAMPLES_PER_PIXEL = {b"YBR_FULL_422": 2.0, b"YBR_PARTIAL_422": 2.0, b"YBR_PARTIAL_420": 1.5}


def check_content(data_set: DataSet, sop_class_uid: str) -> None:
    """Find a file that was cut between two elements, before what its class is for; it looks whole otherwise.

    Raises:
        EncodingError: an image without pixels, a report without content and the like, and nothing comes after.
    """
    wanted = content_tags(sop_class_uid)
    if not wanted or max(data_set.elements) >= min(wanted):
        return
    if not wanted.isdisjoint(PIXEL_TAGS):
        raise EncodingError("an image without pixels")
    raise EncodingError(f"{' or '.join(map(tag_text, sorted(wanted)))} is missing")


def check_pixels(data_set: DataSet, *, little: bool, encapsulated: bool) -> None:
    """Compare the pixel elements with what the Image Pixel module says (PS3.3 C.7.6.3).

    Raises:
        EncodingError: missing, too short, too long, or not in the form its transfer syntax asks for.
    """
    found = [tag for tag in data_set.elements if tag in PIXEL_TAGS]
    if not found:
        if not _DESCRIPTION.isdisjoint(data_set.elements):
            raise EncodingError("an image without pixels")
        return
    if len(found) > 1:
        raise EncodingError("more than one pixel element")
    element = data_set.elements[found[0]]
    if element.items is not None or element.undefined != encapsulated or (encapsulated and element.tag != PIXEL_DATA):
        raise EncodingError(f"{tag_text(element.tag)} is not in the form its transfer syntax asks for")
    if element.vr not in _PIXEL_VRS:
        raise EncodingError(f"{tag_text(element.tag)} has VR {element.vr}")
    if encapsulated:
        if len(element.value) <= 16:
            raise EncodingError(f"{tag_text(element.tag)} holds no fragment")
        return
    expected, length = _expected_bytes(data_set, little=little), len(element.value)
    if length < expected:
        raise EncodingError(f"truncated: {tag_text(element.tag)} has {length} of {expected} bytes")
    if length > expected + (expected & 1):
        raise EncodingError(f"{tag_text(element.tag)} has {length} bytes where {expected} are accounted for")


def _expected_bytes(data_set: DataSet, *, little: bool) -> int:
    rows, columns, bits = (unsigned_value(data_set, tag, little=little) for tag in (_ROWS, _COLUMNS, _BITS))
    samples: float = unsigned_value(data_set, _SAMPLES, little=little) if _SAMPLES in data_set.elements else 1
    interpretation = data_set.value(0x00280004).strip(b" \0")
    samples = _SAMPLES_PER_PIXEL.get(interpretation, samples)
    return -int(-(rows * columns * samples * frame_count(data_set) * bits) // 8)


def unsigned_value(data_set: DataSet, tag: int, *, little: bool) -> int:
    """The single value of an attribute of VR US.

    Raises:
        EncodingError: it is missing or has several values.
    """
    value = data_set.value(tag)
    if len(value) != 2:
        raise EncodingError(f"{tag_text(tag)} is missing or has no single value")
    return int.from_bytes(value, "little" if little else "big")


def frame_count(data_set: DataSet) -> int:
    """Number of Frames, one where it is absent.

    Raises:
        EncodingError: it is not a number.
    """
    text = data_set.value(_FRAMES).strip(b" \0")
    if not text:
        return 1
    if not text.isdigit() or len(text) > 10:
        raise EncodingError(f"{tag_text(_FRAMES)} is not a number")
    return max(1, int(text))
