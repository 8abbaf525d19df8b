"""Profiles with a section `pixels`, images of every kind, and text burned into them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dicom_assets.deidentification.profile import Profile, parse_profile
from dicom_assets_tests.deidentification.builders import an_image, deidentified_bytes

HEAD = "name: pixels\nversion: 1\noptions: [Clean Pixel Data]\n"
EVERYTHING = frozenset({"CT", "MR", "US", "OT", "SEG"})
ROWS, COLUMNS = 6, 8
BOX = (1, 2, 5, 3)
"""Left, top, width and height of what the tests blank."""
INSIDE = np.zeros((ROWS, COLUMNS), dtype=bool)
INSIDE[2:5, 1:6] = True

Pixels = NDArray[Any]


def profile(section: str) -> Profile:
    """A profile whose section `pixels` is given, without its indentation."""
    body = "".join(f"  {line}\n" for line in section.strip("\n").splitlines())
    return parse_profile(f"{HEAD}quarantine:\n  secondary_capture: false\npixels:\n{body}", "p.yaml")


def blanking(*boxes: tuple[int, int, int, int], when: str = "true.") -> Profile:
    """A profile with one rule that blanks boxes."""
    return profile(f"rules:\n  - name: one\n    when: '{when}'\n    blank: {[list(box) for box in boxes]}\n")


def written(file: bytes, settings: Profile) -> pydicom.FileDataset:
    """What was written with a profile, read again."""
    return pydicom.dcmread(io.BytesIO(written_bytes(file, settings)))


def written_bytes(file: bytes, settings: Profile) -> bytes:
    """What was written with a profile."""
    return deidentified_bytes(file, profile=settings, allowed_modalities=EVERYTHING)


def noise(*shape: int, dtype: str = "u1", below: int | None = None) -> Pixels:
    """Values other than black, always the same."""
    kind = np.dtype(dtype)
    top = below or int(np.iinfo(kind).max)
    return np.random.default_rng(7).integers(1, top, shape, dtype=np.int64).astype(kind)


def of_array(pixels: Pixels, **attributes: Any) -> pydicom.Dataset:
    """An instance of an array (frames, rows, columns[, samples]), color by pixel."""
    frames, rows, columns, *samples = pixels.shape
    bits = pixels.dtype.itemsize * 8
    return an_image(
        **{
            "Modality": "OT",
            "SamplesPerPixel": samples[0] if samples else 1,
            "PhotometricInterpretation": "RGB" if samples else "MONOCHROME2",
            "PlanarConfiguration": 0 if samples else None,
            "NumberOfFrames": frames,
            "Rows": rows,
            "Columns": columns,
            "BitsAllocated": bits,
            "BitsStored": bits,
            "HighBit": bits - 1,
            "PixelRepresentation": int(pixels.dtype.kind == "i"),
            "PixelData": pixels.tobytes() + b"\0" * (pixels.nbytes & 1),
            **attributes,
        }
    )


def anatomy(rows: int = 320, columns: int = 400, frames: int = 1) -> Pixels:
    """Smooth structures and some noise in 12 bits, as of a CT; no text."""
    down, across = np.mgrid[0:rows, 0:columns]
    body = ((down - rows / 2) / (rows * 0.36)) ** 2 + ((across - columns / 2) / (columns * 0.4)) ** 2 < 1
    smooth = 900 + 220 * np.sin(down / 41) * np.cos(across / 57)
    picture = np.where(body, smooth, 40) + np.random.default_rng(3).normal(0, 12, (frames, rows, columns))
    return picture.clip(0, 4095).astype(np.uint16)


def burn(picture: Pixels, text: str, left: int, top: int, *, size: int = 18, value: int = 4095) -> None:
    """Draw a text into one frame."""
    mask = Image.new("L", (picture.shape[1], picture.shape[0]), 0)
    ImageDraw.Draw(mask).text((left, top), text, fill=255, font=ImageFont.load_default(size))
    picture[np.asarray(mask) > 127] = value
