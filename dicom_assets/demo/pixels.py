"""Images for the demo: small, different in each slice, cheap to make."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Frame = npt.NDArray[np.uint8]


@cache
def _grid(size: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def ct_slice(size: int, position: float, seed: int) -> npt.NDArray[np.int16]:
    """A body with two lungs, a spine and a tumour-like spot, in Hounsfield units (rows, columns).

    `position` runs from 0 to 1 through the body.
    """
    x, y = _grid(size)
    image = np.full((size, size), -1000, np.float32)
    image[x**2 / 0.72 + y**2 / 0.45 < 1] = 40
    width = 0.05 + 0.07 * np.sin(np.pi * position)
    for side in (-0.4, 0.4):
        image[(x - side) ** 2 / width + y**2 / (width * 2) < 1] = -820
    image[x**2 + (y - 0.42) ** 2 < 0.015] = 700
    image[(x - 0.3) ** 2 + (y + position * 0.3) ** 2 < 0.004] = 90
    noise = np.random.default_rng(seed).normal(0, 12, image.shape)
    return np.clip(image + noise, -1024, 3071).astype(np.int16)


def mr_slice(size: int, position: float, seed: int, bright_fluid: bool) -> npt.NDArray[np.uint16]:
    """A head with ventricles (rows, columns); `bright_fluid` makes it look T2-weighted."""
    x, y = _grid(size)
    image = np.zeros((size, size), np.float32)
    radius = 0.35 + 0.45 * np.sin(np.pi * position)
    image[x**2 / radius + y**2 / (radius * 1.3) < 1] = 520
    image[x**2 / (radius * 0.8) + y**2 / (radius * 1.05) < 1] = 320 if bright_fluid else 410
    for side in (-0.12, 0.12):
        image[(x - side) ** 2 / 0.006 + y**2 / 0.05 < radius] = 900 if bright_fluid else 90
    noise = np.random.default_rng(seed).normal(0, 15, image.shape)
    return np.clip(image + noise, 0, 4095).astype(np.uint16)


def ultrasound_frame(width: int, height: int, lines: tuple[str, ...], seed: int) -> npt.NDArray[np.uint8]:
    """A speckled fan with text burned into its upper edge (rows, columns, RGB)."""
    y, x = np.mgrid[0:height, 0:width]
    distance, angle = np.hypot(x - width / 2, y), np.abs(np.arctan2(x - width / 2, y + 1))
    fan = (angle < 0.7) & (distance < height * 0.95) & (distance > height * 0.1)
    speckle = np.random.default_rng(seed).integers(20, 150, (height, width), dtype=np.uint8)
    canvas = Image.fromarray(np.where(fan, speckle, 0).astype(np.uint8)).convert("RGB")
    return _written_on(canvas, lines)


def page(width: int, height: int, lines: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """A page of white text on black, as a scanner's dose or protocol page looks (rows, columns, RGB)."""
    return _written_on(Image.new("RGB", (width, height)), lines)


def _written_on(canvas: Image.Image, lines: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    for number, line in enumerate(lines):
        pen.text((6, 4 + 17 * number), line, fill=(255, 255, 255), font=font)
    return np.asarray(canvas, dtype=np.uint8)
