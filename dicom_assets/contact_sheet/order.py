"""What is to be drawn: which files of which series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

MOST_SERIES = 12


class Files(Protocol):
    """Where the files of a study are. Picklable."""

    def open(self, name: str) -> BinaryIO:
        """Read one."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One file, and which of its frames: 0 is the first one, 1 the last."""

    name: str
    position: float = 0.5


@dataclass(frozen=True, slots=True)
class SeriesOrder:
    """A series, its instances in order. `number` is used where the files tell none of their own."""

    number: int
    modality: str
    instances: int
    shots: tuple[Shot, ...]
    is_compressed: bool = False

    @classmethod
    def of(cls, number: int, modality: str, names: Sequence[str], *, is_compressed: bool = False) -> SeriesOrder:
        """The first, middle and last instance; of a series of one instance its first, middle and last frame."""
        if len(names) == 1:
            shots = [Shot(names[0], position) for position in (0.0, 0.5, 1.0)]
        else:
            places = {0, len(names) // 2, len(names) - 1}
            shots = [Shot(names[place]) for place in sorted(places)]
        return cls(number, modality, len(names), tuple(shots), is_compressed)


@dataclass(frozen=True, slots=True)
class SheetOrder:
    """A sheet. `series_left_out` is how many more series the study has, `most_bytes` how large the JPEG may be.

    With `without_decoders`, a reason, compressed pixels stay gray and say it.
    """

    files: Files
    series: tuple[SeriesOrder, ...]
    series_left_out: int
    most_bytes: int
    without_decoders: str = ""
