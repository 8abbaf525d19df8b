"""Invented patients and the hospital that sees them. No such person, place or device exists."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

INSTITUTION = "Wexcombe Children's Hospital"
INSTITUTION_ADDRESS = "12 Tollgate Rise, Wexcombe WX4 7QT"
DEPARTMENT = "Radiology Wexcombe East"
ISSUER = "WEXCOMBE-MPI"

FAMILY_NAMES = (
    "Quillfeather", "Bramblewick", "Ostrowicka", "Thistlemoor", "Zandvliet", "Måkestad",
    "Featherstonehaugh", "Umarovic", "Pettigrove", "Lindqvister", "Dunmorrow", "Yewbarrow",
)  # fmt: skip
GIVEN_NAMES = (
    "Marigolda", "Tobiasz", "Annelore", "Evander", "Philippina", "Ingeborgh",
    "Leopoldine", "Casimiro", "Rosalinde", "Fitzgerard", "Oktaviana", "Bartholdy",
)  # fmt: skip
PHYSICIANS = (
    "Crowhurstley^Edelgard^^Dr", "Vantongeren^Matthijs^^Dr", "Abeysundara^Nirmalee^^Dr",
    "Holloweide^Sigismund^^Dr", "Marchetteau^Clothilde^^Dr", "Skarsholmen^Torbjorg^^Dr",
)  # fmt: skip
TECHNICIANS = ("Pickersgilly^Dorothea", "Wraxhallow^Emeric", "Jorvikson^Sunniva")
STREETS = ("Larkspur Hollow", "Candlemaker Row", "Saltmarsh Terrace", "Juniper Crossing", "Bellfounder Lane")


@dataclass(frozen=True, slots=True)
class DemoPatient:
    """A patient with everything that a hospital writes into images. `alias` is what research calls the patient."""

    family_name: str = field(repr=False)
    given_name: str = field(repr=False)
    mrn: str = field(repr=False)
    other_id: str = field(repr=False)
    national_id: str = field(repr=False)
    birth_date: date = field(repr=False)
    sex: str
    street: str = field(repr=False)
    telephone: str = field(repr=False)
    alias: str
    date_offset_days: int = field(repr=False)

    @property
    def dicom_name(self) -> str:
        """The name as Patient's Name holds it."""
        return f"{self.family_name}^{self.given_name}"

    @property
    def spoken_name(self) -> str:
        """The name as people write it into comments."""
        return f"{self.given_name} {self.family_name}"

    @property
    def identifiers(self) -> frozenset[str]:
        """Strings that may appear nowhere but where originals are at home."""
        return frozenset(
            {
                self.family_name,
                self.given_name,
                self.mrn,
                self.other_id,
                self.national_id,
                self.birth_date.strftime("%Y%m%d"),
                self.street,
                self.telephone,
            }
        )


def patient(number: int) -> DemoPatient:
    """The demo's patient of that number, the same at each call."""
    r = random.Random(f"patient {number}")
    return DemoPatient(
        family_name=FAMILY_NAMES[number % len(FAMILY_NAMES)],
        given_name=GIVEN_NAMES[(number * 5 + 1) % len(GIVEN_NAMES)],
        mrn=f"WX{r.randrange(10**6, 10**7)}",
        other_id=f"OLD-{r.randrange(10**5, 10**6)}-{number:02d}",
        national_id=f"{r.randrange(100, 999)}-{r.randrange(10, 99)}-{r.randrange(1000, 9999)}",
        birth_date=date(2006, 1, 1) + timedelta(days=r.randrange(5000)),
        sex=r.choice("FM"),
        street=f"{r.randrange(3, 240)} {STREETS[number % len(STREETS)]}",
        telephone=f"+44 1632 {r.randrange(100000, 999999)}",
        alias=f"RSCH{r.randrange(10**5, 10**6)}",
        date_offset_days=-r.randrange(30, 365),
    )
