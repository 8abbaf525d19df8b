"""The identity database as it grows: recording and looking up, study by study.

    python -m benchmarks.identity_db [--uids 1000000] [--postgresql URL] [--encrypted] [--write-readme]

At each size a number of studies of 200 instances are recorded as a run does it (a key, a patient, the recorded
replacements, one transaction), and batches of 200 UIDs that are there, and that are not, are looked up.
"""

from __future__ import annotations

import hashlib
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from random import Random
from typing import NamedTuple, Self

import click

from benchmarks.report import write_readme
from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.deidentification.derivation import derive_uid
from dicom_assets.study import PatientIdentity

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = b"a key of at least thirty-two bytes"
PART = "identity database"
README = Path(__file__).parent / "README.md"
STUDY = 200
"""Instances."""
LARGE_STUDY = 20_000
"""Instances; the table is filled with studies of this size."""
REPEAT = 25
COLUMNS = (
    "UIDs recorded before",
    "instances recorded/s, studies of 200",
    "CPU ms per study of 200",
    "slowest of them, ms",
    "CPU ms per lookup of 200 known",
    "CPU ms per lookup of 200 unknown",
    "instances recorded/s, one study of 20,000",
    "CPU ms per 200 of them",
)


class Time(NamedTuple):
    """Seconds: by the clock, and of this process's processor time."""

    clock: float
    cpu: float

    @classmethod
    def of(cls, work: Callable[[], object]) -> Self:
        """What some work takes."""
        begun = time.perf_counter(), time.process_time()
        work()
        return cls(time.perf_counter() - begun[0], time.process_time() - begun[1])


@dataclass
class Growing:
    """An identity database that studies are recorded in, one after the other."""

    identity_db: IdentityDatabase
    studies: int = 0
    uids: list[int] = field(default_factory=list)

    def record(self, instances: int) -> Time:
        """Record one more study, as `deidentify_study` does."""
        self.studies += 1
        self.uids.append(instances)
        number, mapping = self.studies, _mapping(self.studies, instances)
        patient = PatientIdentity(f"MRN{number // 3}", "HOSPITAL", f"Doe^{number}", "19700101")
        values = {"PatientID": {patient.patient_id: "P"}, "AccessionNumber": {f"A{number}": ""}}

        def work() -> None:
            key = self.identity_db.study_key(_uid(number, 0))
            self.identity_db.subject(patient)
            self.identity_db.replacements(mapping)
            self.identity_db.record(key, patient, mapping, values)

        return Time.of(work)

    def look_up(self, known: bool, random: Random) -> Time:
        """Look up a batch of one study."""
        number = random.randrange(1, self.studies + 1)
        first = random.randrange(max(1, self.uids[number - 1] - STUDY)) + (0 if known else 10**7)
        asked = [_uid(number, first + place) for place in range(STUDY)]
        found: dict[str, str] = {}
        taken = Time.of(lambda: found.update(self.identity_db.replacements(asked)))
        if len(found) != (STUDY if known else 0):
            raise RuntimeError("the database does not hold what was recorded")
        return taken


def _uid(study: int, number: int) -> str:
    # Like those of a real scanner: a root, then digits that share no order with time.
    digest = hashlib.sha256(b"%d" % study).hexdigest()
    return f"1.2.840.113619.2.55.3.{int(digest[:8], 16)}.{number}"


def _mapping(study: int, instances: int) -> Mapping[str, str]:
    return {_uid(study, n): derive_uid(SECRET, "2.25", _uid(study, n)) for n in range(instances)}


def rows(identity_db: IdentityDatabase, most: int) -> Iterator[list[str]]:
    """A table row at each size, until `most` UIDs are recorded."""
    growing, random = Growing(identity_db), Random(1)  # noqa: S311 - any batch will do
    for size in (0, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000):
        if size > most:
            return
        while sum(growing.uids) < size:
            growing.record(min(LARGE_STUDY, size - sum(growing.uids)))
        before = sum(growing.uids)
        recorded = [growing.record(STUDY) for _ in range(REPEAT)]
        known, unknown = ([growing.look_up(k, random) for _ in range(REPEAT)] for k in (True, False))
        large = growing.record(LARGE_STUDY)
        yield [
            f"{before:,}",
            f"{STUDY / statistics.median(one.clock for one in recorded):,.0f}",
            _cpu_ms(recorded),
            f"{1000 * max(one.clock for one in recorded):.0f}",
            _cpu_ms(known),
            _cpu_ms(unknown),
            f"{LARGE_STUDY / large.clock:,.0f}",
            f"{1000 * large.cpu * STUDY / LARGE_STUDY:.1f}",
        ]


def _cpu_ms(times: Sequence[Time]) -> str:
    return f"{1000 * statistics.median(one.cpu for one in times):.1f}"


def table(title: str, open_: Callable[[], IdentityDatabase], most: int) -> str:
    """A Markdown table, told line by line as it comes."""
    lines = [f"**{title}**", "", "| " + " | ".join(COLUMNS) + " |", "| ---: " * len(COLUMNS) + "|"]
    with closing(open_()) as identity_db:
        for row in rows(identity_db, most):
            lines.append("| " + " | ".join(row) + " |")
            click.echo(lines[-1], err=True)
    return "\n".join(lines)


@click.command()
@click.option("--uids", default=1_000_000, show_default=True, help="How many UIDs to go to.")
@click.option("--postgresql", metavar="URL", help="An empty PostgreSQL database to measure, too.")
@click.option("--encrypted", is_flag=True, help="An encrypted SQLite database, too.")
@click.option("--scratch", type=click.Path(file_okay=False), help="On which disk SQLite's file lies.")
@click.option("--write-readme", "renew", is_flag=True, help="Renew the table in benchmarks/README.md.")
def main(uids: int, postgresql: str | None, encrypted: bool, scratch: str | None, renew: bool) -> None:
    """Measure the identity database at growing sizes."""
    today = date.today().isoformat()  # noqa: DTZ011 - the day is for people
    parts = [f"Measured on {today} with Python {platform.python_version()} on {os.cpu_count()} cores."]
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        url = f"sqlite:///{folder}/identity.db"
        parts.append(table("SQLite", lambda: IdentityDatabase.open(url, SECRET), uids))
        if encrypted:
            sealed = f"sqlite:///{folder}/sealed.db"
            parts.append(table("SQLite, encrypted", lambda: IdentityDatabase.open(sealed, SECRET, key=KEY), uids))
    if postgresql:
        parts.append(table("PostgreSQL", lambda: IdentityDatabase.open(postgresql, SECRET), uids))
    content = "\n\n".join(parts)
    if renew:
        write_readme(README, PART, content)
    click.echo(content)


if __name__ == "__main__":
    main()
