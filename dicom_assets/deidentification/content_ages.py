"""Ages in content items: over 89 years they become 90, as in Patient's Age."""

from __future__ import annotations

import math
import struct

from dicom_assets.deidentification.codes import Concept, concept_of
from dicom_assets.deidentification.content_rules import AGES
from dicom_assets.deidentification.encoded import DataSet, Element

MEASURED_VALUE, UNITS = 0x0040A300, 0x004008EA
NUMERIC_VALUE, FLOATING_POINT_VALUE = 0x0040A30A, 0x0040A161
RATIONAL_VALUE = (0x0040A162, 0x0040A163)

OLDEST = {"a": 90, "a_j": 90, "a_t": 90, "a_g": 90, "mo": 1080, "wk": 4696, "d": 32872, "h": 788940}
"""Ninety years in a unit of UCUM."""
OLDEST_TOLD = 89
YEARS = frozenset({"a", "a_j", "a_t", "a_g"})


def cap_age(item: DataSet, concept: Concept, *, little: bool) -> DataSet:
    """The numeric item with every age over 89 years made 90 years; other items are left as they are."""
    measured = item.elements.get(MEASURED_VALUE)
    for holder in [item, *((measured.items if measured is not None else None) or ())]:
        _cap(holder, concept, little=little)
    return item


def _cap(holder: DataSet, concept: Concept, *, little: bool) -> None:
    element = holder.elements.get(UNITS)
    unit = concept_of(element.items if element is not None else None)
    in_years = unit.scheme.casefold() == "ucum" and unit.code in YEARS
    if not in_years and (concept.code, concept.scheme.casefold()) not in AGES:
        return
    limit = OLDEST.get(unit.code, OLDEST["a"])
    highest = OLDEST_TOLD if limit == OLDEST["a"] else limit
    numbers = _numbers(holder, little=little)
    for tag in RATIONAL_VALUE:
        holder.elements.pop(tag, None)
    if all(number <= highest for number in numbers):
        return
    if NUMERIC_VALUE in holder.elements:
        holder.put(Element(NUMERIC_VALUE, "DS", str(limit).encode("ascii"), ours=True))
    if FLOATING_POINT_VALUE in holder.elements:
        value = struct.pack("<d" if little else ">d", float(limit))
        holder.put(Element(FLOATING_POINT_VALUE, "FD", value, ours=True))


def _numbers(holder: DataSet, *, little: bool) -> list[float]:
    # What is no number counts as infinitely old.
    numbers = []
    for part in holder.value(NUMERIC_VALUE).strip(b" \0").split(b"\\"):
        try:
            number = float(part) if part else 0.0
        except ValueError:
            number = math.inf
        numbers.append(math.inf if math.isnan(number) else number)
    value = holder.value(FLOATING_POINT_VALUE)
    if len(value) == 8:
        numbers.append(struct.unpack("<d" if little else ">d", value)[0])
    elif value:
        numbers.append(math.inf)
    return numbers
