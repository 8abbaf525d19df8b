"""What the Image Pixel module (PS3.3 C.7.6.3) says of the pixels."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_assets.deidentification.dictionary import tag_text
from dicom_assets.deidentification.encoded import DataSet
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.deidentification.pixels import frame_count, unsigned_value
from dicom_assets.study import QuarantineReason

SAMPLES, INTERPRETATION, PLANAR, ROWS, COLUMNS = 0x00280002, 0x00280004, 0x00280006, 0x00280010, 0x00280011
ALLOCATED, STORED, HIGH_BIT, REPRESENTATION = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_LUT_SHAPE = 0x20500020

MONOCHROME = frozenset({"MONOCHROME1", "MONOCHROME2"})
COLOR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422"})
PALETTE = "PALETTE COLOR"


def not_cleanable(problem: str) -> RefusedError:
    """What to raise where pixels should be cleaned and can't be."""
    return RefusedError(QuarantineReason.PIXELS_NOT_CLEANABLE, problem)


@dataclass(frozen=True, slots=True)
class Image:
    """How the pixels are laid out. `inverse` says that the largest value is displayed black."""

    rows: int
    columns: int
    frames: int
    samples: int
    interpretation: str
    planar: bool
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    inverse: bool

    @property
    def halved_color(self) -> bool:
        """Whether two pixels share their color samples, as in native YBR_FULL_422 (PS3.3 C.7.6.3.1.2)."""
        return self.interpretation == "YBR_FULL_422"


def describe(data_set: DataSet, *, little: bool) -> Image:
    """Read the description of an image.

    Raises:
        EncodingError: an attribute is missing.
        RefusedError: a kind of image that can't be cleaned.
    """

    def number(tag: int, absent: int | None = None) -> int:
        if absent is not None and tag not in data_set.elements:
            return absent
        return unsigned_value(data_set, tag, little=little)

    allocated = number(ALLOCATED)
    stored = number(STORED, allocated)
    interpretation = data_set.value(INTERPRETATION).strip(b" \0").decode("latin-1")
    image = Image(
        rows=number(ROWS),
        columns=number(COLUMNS),
        frames=frame_count(data_set),
        samples=number(SAMPLES, 1),
        interpretation=interpretation,
        planar=number(PLANAR, 0) == 1,
        allocated=allocated,
        stored=stored,
        high_bit=number(HIGH_BIT, stored - 1),
        signed=number(REPRESENTATION, 0) == 1,
        inverse=interpretation == "MONOCHROME1" or data_set.value(_LUT_SHAPE).strip(b" \0") == b"INVERSE",
    )
    if image.allocated not in {1, 8, 16, 32} or not 1 <= image.stored <= image.high_bit + 1 <= image.allocated:
        raise not_cleanable(f"{tag_text(ALLOCATED)} to {tag_text(HIGH_BIT)} of no form that is known")
    return image
