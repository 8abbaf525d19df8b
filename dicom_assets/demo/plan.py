"""What a demo study is, before any image of it is made: who, what, which UIDs, which reviews, what becomes of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property

from pydicom.uid import generate_uid

from dicom_assets.demo.people import (
    DEPARTMENT,
    INSTITUTION,
    INSTITUTION_ADDRESS,
    ISSUER,
    PHYSICIANS,
    TECHNICIANS,
    DemoPatient,
)


class Outcome(StrEnum):
    """What the job must make of a study."""

    PUBLISHED = "published"
    FAILED = "failed"
    LEFT_OUT = "left out"


class Kind(StrEnum):
    """What a series consists of."""

    CT = "ct"
    MR_T1 = "mr t1"
    MR_T2 = "mr t2"
    US = "us"
    PROTOCOL = "patient protocol"
    REPORT = "report"
    SHIPPED = "shipped with pydicom"


MODALITIES = {
    Kind.CT: "CT",
    Kind.MR_T1: "MR",
    Kind.MR_T2: "MR",
    Kind.US: "US",
    Kind.PROTOCOL: "CT",
    Kind.REPORT: "SR",
}
PUBLISHABLE = frozenset({Kind.CT, Kind.MR_T1, Kind.MR_T2, Kind.SHIPPED})
ENTROPY = "demo of dicom_assets"


@dataclass(frozen=True, slots=True)
class DemoSeries:
    """A series to be made. `file` names what the pydicom wheel ships for it, for that kind alone."""

    number: int
    kind: Kind
    modality: str
    description: str
    uid: str = field(repr=False)
    sop_uids: tuple[str, ...] = field(repr=False)
    file: str = ""


@dataclass(frozen=True, slots=True)
class DemoReview:
    """What a reviewer says of a study."""

    user_id: int = 1
    has_phi: bool | None = False
    relevant: bool = True
    has_reconstruction: bool = False
    has_protocol_series: bool = False
    exclude: bool = False
    comment: str = field(default="", repr=False)


@dataclass(frozen=True)
class DemoStudy:
    """A study of the demo. *Identified*, though nobody exists who could be."""

    number: int
    purpose: str
    outcome: Outcome
    description: str
    patient: DemoPatient
    day: date = field(repr=False)
    series: tuple[DemoSeries, ...] = field(repr=False)
    reviews: tuple[DemoReview, ...] = ()
    excluded: bool = False
    in_staging: bool = True
    has_encounter: bool = True

    @cached_property
    def study_uid(self) -> str:
        """The original Study Instance UID."""
        return self.uid("study")

    @cached_property
    def accession_number(self) -> str:
        """The accession number, by which registration finds the encounter."""
        return f"WXA{random.Random(f'accession {self.number}').randrange(10**7, 10**8)}"

    @property
    def started_at(self) -> datetime:
        """When the study began, in the hospital's local time."""
        return datetime(self.day.year, self.day.month, self.day.day, 8 + self.number % 9, 5 * self.number % 60)  # noqa: DTZ001

    @property
    def instances(self) -> int:
        """How many instances the study has."""
        return sum(len(series.sop_uids) for series in self.series)

    @property
    def publishable(self) -> int:
        """How many of its instances may reach the research PACS when CT and MR are allowed."""
        return sum(
            len(series.sop_uids)
            for series in self.series
            if series.kind in PUBLISHABLE and series.modality in {"CT", "MR"}
        )

    @property
    def referring_physician(self) -> str:
        """Who asked for the study."""
        return PHYSICIANS[self.number % len(PHYSICIANS)]

    @property
    def performing_physician(self) -> str:
        """Who was in charge of it."""
        return PHYSICIANS[(self.number + 2) % len(PHYSICIANS)]

    @property
    def operator(self) -> str:
        """Who sat at the scanner."""
        return TECHNICIANS[self.number % len(TECHNICIANS)]

    @property
    def station_name(self) -> str:
        """The scanner's name in its network."""
        return f"WXSCAN{self.number:02d}"

    @property
    def device_serial_number(self) -> str:
        """The scanner's serial number."""
        return f"HLD-{70423 + 17 * self.number}"

    @property
    def frame_of_reference_uid(self) -> str:
        """One frame of reference for all series of the study."""
        return self.uid("frame of reference")

    def uid(self, *what: str | int) -> str:
        """A UID that is the same in every run."""
        return str(generate_uid(entropy_srcs=[ENTROPY, str(self.number), *map(str, what)]))

    @cached_property
    def identifiers(self) -> frozenset[str]:
        """Strings of this study that may appear nowhere but where originals are at home."""
        people = (self.referring_physician, self.performing_physician, self.operator)
        uids = {uid for series in self.series for uid in (series.uid, *series.sop_uids)}
        return frozenset(
            {self.study_uid, self.accession_number, self.frame_of_reference_uid, *uids}
            | {self.station_name, self.device_serial_number, INSTITUTION, INSTITUTION_ADDRESS, DEPARTMENT, ISSUER}
            | {part for person in people for part in person.split("^")[:2]}
            | self.patient.identifiers
        )


def a_study(
    number: int, purpose: str, outcome: Outcome, description: str, patient: DemoPatient, **more: object
) -> DemoStudy:
    """A study with a day of its own and, so far, no series."""
    day = date(2023, 2, 6) + timedelta(days=41 * number)
    return DemoStudy(number, purpose, outcome, description, patient, day, (), **more)  # type: ignore[arg-type]  # named fields


def with_series(study: DemoStudy, *plans: tuple[Kind, str, int]) -> DemoStudy:
    """The study with series of generated instances: kind, description and how many."""
    return _extended(study, [(kind, MODALITIES[kind], text, count, "") for kind, text, count in plans])


def with_shipped(study: DemoStudy, *plans: tuple[str, str, str]) -> DemoStudy:
    """The study with series of one file each that pydicom ships: modality, description and the file's name."""
    return _extended(study, [(Kind.SHIPPED, modality, text, 1, file) for modality, text, file in plans])


def _extended(study: DemoStudy, plans: list[tuple[Kind, str, str, int, str]]) -> DemoStudy:
    series = list(study.series)
    for kind, modality, text, count, file in plans:
        number = len(series) + 1
        sop_uids = tuple(study.uid("instance", number, index) for index in range(count))
        series.append(DemoSeries(number, kind, modality, text, study.uid("series", number), sop_uids, file))
    return replace(study, series=tuple(series))
