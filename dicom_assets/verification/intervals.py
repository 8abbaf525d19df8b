"""Are a patient's dates all shifted by one number of days (PS3.15 E.3.6, modified dates)?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime

from dicom_assets.verification.method import RETAIN_MODIFIED_DATES, method_codes
from dicom_assets.verification.reading import Element, Instance, paired_elements, place_of, values_of
from dicom_assets.verification.verdict import CheckResult

BIRTH_DATE = 0x00100030
DUMMY = date(1900, 1, 1)
"""What stands where a date had to be and none could stay: no date of a study."""


class Intervals:
    """Gathers differences between dates of source and destination by patient, in days."""

    def __init__(self) -> None:
        self._shifts: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
        self._seen: dict[tuple[tuple[str, str], int], list[tuple[str, str]]] = defaultdict(list)
        self._examined = 0

    def take(self, source: Instance, dest: Instance, file: str) -> None:
        """Gather from a pair whose method says that dates were modified; `file` is what the destination is called."""
        if RETAIN_MODIFIED_DATES not in method_codes(dest.ds):
            return
        self._examined += 1
        patient = (source.text("PatientID"), source.text("IssuerOfPatientID"))
        if not patient[0]:
            # Nobody can tell whether two without an id are one; who is one now moves as one.
            patient = ("", dest.text("PatientID") or dest.text("StudyInstanceUID"))
        for before, after in paired_elements(source.ds, dest.ds):
            if before.vr not in ("DA", "DT") or before.tag == BIRTH_DATE:
                continue
            for old, new in zip(_days(before), _days(after), strict=False):
                if old is not None and new not in {None, DUMMY}:
                    shift = (new - old).days
                    self._shifts[patient][shift] += 1
                    self._seen[patient, shift].append((file, place_of(after.path)))

    def check(self, result: CheckResult) -> None:
        """Find dates that are shifted by another number of days than most of the same patient, or not at all."""
        result.examined = self._examined
        if not self._examined:
            result.skipped = "no file says that its dates were modified (113107)"
        for patient, shifts in self._shifts.items():
            (usual, _), *_ = shifts.most_common(1)
            for shift in shifts:
                rule = "shifted by another number of days than the patient's other dates"
                if shift == 0:
                    rule = "not shifted"
                elif shift == usual:
                    continue
                for (file, place), count in Counter(self._seen[patient, shift]).items():
                    result.find(rule, file, place, count)


def _days(element: Element) -> Iterator[date | None]:
    for value in values_of(element):
        text = str(value).replace(".", "")[:8] if element.vr == "DA" else str(value)[:8]
        try:
            yield datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - DICOM dates have no zone
        except ValueError:
            yield None
