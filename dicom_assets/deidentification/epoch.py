"""Dates counted from an epoch: each patient's earliest known date becomes the same day for everybody.

A patient's offset is reckoned when the patient is first seen and recorded; it holds for all later studies, so that
intervals between a patient's studies are kept. A study that is older than the first one seen then lies before the
epoch, and a patient who was known before a profile asked for an epoch keeps the earlier offset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Self

from dicom_assets.deidentification.dates import first_days
from dicom_assets.deidentification.encoded import DataSet
from dicom_assets.errors import StudyError

_TIMES_OF_A_STUDY = {
    0x00080020: "DA",  # Study Date
    0x00080021: "DA",  # Series Date
    0x00080022: "DA",  # Acquisition Date
    0x00080023: "DA",  # Content Date
    0x0008002A: "DT",  # Acquisition DateTime
    0x00189516: "DT",  # Start Acquisition DateTime
}
_FIRST_PLAUSIBLE_YEAR = 1900


@dataclass(frozen=True, slots=True)
class EpochRequest:
    """What a new patient's offset is reckoned from. *Identified*; `earliest` is None where no date is known."""

    epoch: date
    earliest: date | None = field(repr=False)

    @classmethod
    def among(cls, epoch: date | None, noted: Iterable[str]) -> Self | None:
        """The request for a study whose instances noted these earliest dates, empty for none; None without an epoch."""
        if epoch is None:
            return None
        return cls(epoch, min((date.fromisoformat(text) for text in noted if text), default=None))

    def offset_days(self) -> int:
        """The offset that moves the earliest date onto the epoch, in days.

        Raises:
            StudyError: no date is known.
        """
        if self.earliest is None:
            raise StudyError(
                "The profile counts dates from an epoch, and no plausible date of this new patient's study is known. "
                "If it was pulled by an older version, clear the error and run again with `refresh: true`."
            )
        return epoch_offset_days(self.epoch, self.earliest)


def epoch_offset_days(epoch: date, earliest: date) -> int:
    """The days that move `earliest` onto `epoch`; negative into the past."""
    return (epoch - earliest).days


def earliest_date(data_set: DataSet) -> date | None:
    """The earliest plausible date at which the study says it was made, from the data set's top level.

    Dates before 1900 are taken for mistakes. Dates of calibration, birth and such say nothing of the study.
    """
    days = (day for tag, vr in _TIMES_OF_A_STUDY.items() for day in first_days(vr, data_set.value(tag)))
    return min((day for day in days if day.year >= _FIRST_PLAUSIBLE_YEAR), default=None)
