"""A month of a site: sixty studies of some kinds each, reviewed over days, between two Orthancs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from io import BytesIO
from pathlib import Path

import dagster as dg
from click.testing import CliRunner, Result
from pydicom import dcmread

from dicom_assets.cli import main
from dicom_assets.defs.withdrawals import withdrawn_reviews
from dicom_assets.demo.people import patient
from dicom_assets.demo.plan import DemoStudy, Outcome, a_study, with_series
from dicom_assets.demo.plan import Kind as SeriesKind
from dicom_assets.demo.studies import instance_files
from dicom_assets.study import Stage, StudyKey
from dicom_assets_tests.deployment import Deployment, deploy
from dicom_assets_tests.faults import FaultProxy, running_proxy
from dicom_assets_tests.legacy_identity import OldProgram
from dicom_assets_tests.orthanc import Orthanc, running_orthanc

FIRST_NUMBER = 21
PATIENTS = 12
"""Several studies each, and few birth dates that digits elsewhere could look like."""


class Kind(StrEnum):
    """What happens to a study in the month."""

    PLAIN = "approved"
    LEGACY = "published by the old program before"
    PARTLY = "partly quarantined"
    NOTHING_LEFT = "quarantined whole"
    MISSING = "missing in the staging PACS"
    LATE = "comes to the staging PACS late"
    NO_ENCOUNTER = "without an encounter"
    ENCOUNTER_LATER = "whose encounter comes late"
    IN_CONFLICT = "in conflict"
    SETTLED = "in conflict, then settled"
    UNREVIEWED = "not reviewed"
    EXCLUDED = "excluded"
    KILLED = "in a run that is killed"
    AWAY = "while the PACS is away"
    WITHDRAWN = "withdrawn"
    LIFTED = "withdrawn, then published again"
    PURGED = "purged"


DAYS: dict[Kind, Sequence[int]] = {
    Kind.PLAIN: (2, 2, 2, 2, 5, 5, 5, 9, 9, 12, 18, 18, 23, 23, 27, 27),
    Kind.LEGACY: (2, 2, 5, 9, 18),
    Kind.PARTLY: (2, 2, 5, 9, 23),
    Kind.NOTHING_LEFT: (5,),
    Kind.MISSING: (5, 9),
    Kind.LATE: (5, 9),
    Kind.NO_ENCOUNTER: (5, 9),
    Kind.ENCOUNTER_LATER: (5, 9),
    Kind.IN_CONFLICT: (5, 9, 9),
    Kind.SETTLED: (5, 9, 9),
    Kind.UNREVIEWED: (0, 0, 0),
    Kind.EXCLUDED: (5, 9),
    Kind.KILLED: (12, 12, 12, 12),
    Kind.AWAY: (17, 17, 17, 17),
    Kind.WITHDRAWN: (2, 5, 9),
    Kind.LIFTED: (2,),
    Kind.PURGED: (2, 2),
}
"""On which days of the month the studies of a kind are reviewed; a number for each study, 0 for never."""

CT, MR = (SeriesKind.CT, "Thorax", 2), (SeriesKind.MR_T1, "Heart", 1)
PROTOCOL, US = (SeriesKind.PROTOCOL, "Patient Protocol", 1), (SeriesKind.US, "Thyroid", 1)
SERIES = {Kind.PARTLY: (CT, MR, PROTOCOL, US), Kind.NOTHING_LEFT: (US,)}


@dataclass(frozen=True)
class Planned:
    """One of the studies: its kind, and the day on which people review it."""

    kind: Kind
    day: int
    study: DemoStudy = field(repr=False)


def planned_studies() -> list[Planned]:
    """All of them. Each is made anew: two days of one kind are two studies."""
    kinds = [(kind, day) for kind, days in DAYS.items() for day in days]
    return [_planned(FIRST_NUMBER + place, kind, day) for place, (kind, day) in enumerate(kinds)]


def _planned(number: int, kind: Kind, day: int) -> Planned:
    study = a_study(
        number,
        kind,
        Outcome.PUBLISHED,
        "CT CHEST",
        patient(number % PATIENTS),
        in_staging=kind not in (Kind.MISSING, Kind.LATE),
        has_encounter=kind is not Kind.NO_ENCOUNTER,
        excluded=kind is Kind.EXCLUDED,
    )
    study = replace(study, day=date(2023, 2, 6) + timedelta(days=3 * number))
    return Planned(kind, day, with_series(study, *SERIES.get(kind, (CT, MR))))


@dataclass
class Month:
    """The site, and what people do there."""

    deployment: Deployment
    staging: Orthanc
    research: Orthanc
    to_staging: FaultProxy
    planned: Sequence[Planned]
    said: list[str] = field(default_factory=list, repr=False)
    old_uids: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def studies(self) -> list[DemoStudy]:
        return [one.study for one in self.planned]

    def of(self, *kinds: Kind) -> list[Planned]:
        return [one for one in self.planned if one.kind in kinds]

    def key(self, planned: Planned) -> StudyKey:
        return self.deployment.study_key(planned.study.study_uid)

    def cli(self, *arguments: str) -> Result:
        """A command as a person types it."""
        result = CliRunner().invoke(main, arguments, env=self.deployment.process_environment())
        if arguments[0] not in ("studies", "identity"):  # these translate, and are for who may see originals
            self.said.append(result.output)
        return result

    def run_in_process(self, **config: object) -> bool:
        """The job over the queue; whether it succeeded."""
        return self.deployment.execute({"limit": 60, **config}).success

    def run_as_operator(self) -> bool:
        """The same by `dagster job execute`."""
        done = self.deployment.run(self.deployment.job_command({"limit": 60}))
        self.said += [done.stdout, done.stderr]
        return done.returncode == 0

    def review(self, day: int) -> None:
        """What reviewers say on a day: they approve; of studies in conflict another one says that they hold PHI."""
        for one in self.planned:
            if one.day == day:
                self._say(one, day, user_id=1)
                if one.kind in (Kind.IN_CONFLICT, Kind.SETTLED):
                    self._say(one, day, user_id=2, has_phi=1)

    def _say(self, one: Planned, day: int, *, user_id: int, has_phi: int = 0) -> None:
        at = datetime(2026, 3, day, 8 + user_id).isoformat(sep=" ")
        self.deployment.sql(
            "review",
            "INSERT INTO staging_radiologystudyreview (study_id, user_id, has_phi, has_reconstruction, relevant,"
            f" has_protocol_series, exclude, created, modified) VALUES ({one.study.number}, {user_id}, {has_phi}, 0, 1,"
            f" {int(one.kind is Kind.PARTLY)}, 0, '{at}', '{at}')",
        )

    def change_mind(self, one: Planned, day: int, *, has_phi: int) -> None:
        """All reviewers of the study say this from now on."""
        at = datetime(2026, 3, day, 16).isoformat(sep=" ")
        self.deployment.sql(
            "review",
            f"UPDATE staging_radiologystudyreview SET has_phi = {has_phi}, modified = '{at}'"
            f" WHERE study_id = {one.study.number}",
        )

    def hide_encounter(self, one: Planned, *, hidden: bool) -> None:
        """Let the hospital's export not know the accession number yet, or know it at last."""
        real, other = one.study.accession_number, f"not yet {one.study.number}"
        now, then = (other, real) if hidden else (real, other)
        self.deployment.sql(
            "research", f"UPDATE clarity_imaging_accessions SET acc_num = '{now}' WHERE acc_num = '{then}'"
        )

    def bring(self, one: Planned) -> None:
        """Put a study in the staging PACS."""
        for file in instance_files(one.study):
            self.staging.load(file.content)

    def age(self, one: Planned, days: int) -> None:
        """Make it so long ago that the study was published."""
        manifest = self.deployment.data / "studies" / self.key(one) / Stage.PUBLISHED / "manifest.json"
        then = time.time() - days * 86_400
        os.utime(manifest, (then, then))

    def publish_by_the_old_program(self) -> Path:
        """Let the old program have published some studies; the file that it remembers them in."""
        old = OldProgram(self.deployment.folder / "old-identity.db")
        for one in self.of(Kind.LEGACY):
            for file in instance_files(one.study):
                ds = dcmread(BytesIO(file.content))
                given = old.anonymize(ds)
                names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
                self.old_uids |= {str(ds[name].value): given[name] for name in names}
        return old.close()

    def tick_withdrawals(self) -> None:
        """Evaluate the sensor for changed reviews, as the daemon does."""
        definitions = self.deployment.definitions()
        with self.deployment.instance() as instance:
            context = dg.build_sensor_context(
                instance=instance,
                repository_def=definitions.get_repository_def(),
                resources={name: definitions.resources[name] for name in withdrawn_reviews.required_resource_keys},
            )
            result = withdrawn_reviews(context)
        assert isinstance(result, dg.SkipReason)
        self.said.append(str(result.skip_message))

    def story(self, key: StudyKey) -> list[dict[str, object]]:
        """What `dicom-assets show` tells of a study; nothing where it knows none."""
        result = self.cli("show", key, "--json")
        if result.exit_code:
            return []
        events: list[dict[str, object]] = json.loads(result.stdout)
        return events


@contextmanager
def running_month(folder: Path) -> Iterator[Month]:
    """A site on the first day of the month: nothing is reviewed, nothing was run."""
    planned = planned_studies()
    deployment = deploy(folder / "site", [one.study for one in planned])
    local = ("127.0.0.1", int(deployment.environment["LOCAL_PORT"]))
    with (
        running_orthanc("STAGING", folder / "staging", {"DICOM_ASSETS": local}) as staging,
        running_orthanc("RESEARCH", folder / "research", {"DICOM_ASSETS": local}) as research,
        running_proxy(staging.dicom_port) as to_staging,
    ):
        deployment.set(
            STAGING_PACS_PORT=to_staging.port,
            RESEARCH_PACS_PORT=research.dicom_port,
            RESEARCH_PACS_REST_URL=research.url,
        )
        month = Month(deployment, staging, research, to_staging, planned)
        for one in planned:
            if one.study.in_staging:
                month.bring(one)
        for one in month.of(Kind.ENCOUNTER_LATER):
            month.hide_encounter(one, hidden=True)
        yield month
