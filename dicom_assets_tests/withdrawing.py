"""Sites with published studies, of which one has to go, and what has to be true of it afterwards."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from click.testing import CliRunner, Result

from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.cli import main
from dicom_assets.defs.withdrawals import withdrawn_reviews
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.study import Stage, StudyKey
from dicom_assets.withdrawal import Withdrawal
from dicom_assets_tests.conftest import Site, running_site
from dicom_assets_tests.deployment import Deployment
from dicom_assets_tests.event_schema import events_in, misfits
from dicom_assets_tests.orthanc import Orthanc, running_orthanc
from dicom_assets_tests.small_studies import INSTANCES, small_study

STAYS, GOES = small_study(41, "stays"), small_study(42, "goes")


@dataclass
class Published:
    """A site where both studies are published; the research PACS is the scripted one, or an Orthanc where there is."""

    site: Site
    orthanc: Orthanc | None = None
    saved: dict[str, bytes] = field(default_factory=dict, repr=False)

    def save(self) -> None:
        """Keep how everything is now."""
        shutil.copytree(self.deployment.folder, self._backup, symlinks=True)
        if self.orthanc is not None:
            self.saved = dict(self.orthanc.instances())
        else:
            self.saved = self.site.research_files()

    def restore(self) -> None:
        """Make everything as it was when it was saved: to publish takes seconds, this does not."""
        shutil.rmtree(self.deployment.folder)
        shutil.copytree(self._backup, self.deployment.folder, symlinks=True)
        if self.orthanc is not None:
            self.orthanc.empty()
            for content in self.saved.values():
                self.orthanc.load(content)
            return
        for file in self.site.research.folder.glob("*.dcm"):
            file.unlink()
        for name, content in self.saved.items():
            (self.site.research.folder / name).write_bytes(content)
        self.site.research.look_again()

    @property
    def _backup(self) -> Path:
        return self.deployment.folder.with_name("saved-site")

    @property
    def deployment(self) -> Deployment:
        return self.site.deployment

    @property
    def studies(self) -> list[DemoStudy]:
        return [STAYS, GOES]

    @property
    def key(self) -> StudyKey:
        return self.deployment.study_key(GOES.study_uid)

    @property
    def study_uid(self) -> str:
        """The Study Instance UID that the study has in the research PACS."""
        facts = self.manifest(Stage.DEIDENTIFIED)["facts"]
        return str(facts["study_instance_uid"])

    def manifest(self, stage: Stage) -> Any:
        return json.loads((self.deployment.data / "studies" / self.key / stage / "manifest.json").read_text())

    def cli(self, *arguments: str, answer: str | None = None, **settings: str) -> Result:
        """A command without DAGSTER_HOME, unless it is among the settings: Dagster's storage takes a second to open."""
        environment = self.deployment.process_environment() | {"DAGSTER_HOME": ""} | settings
        return CliRunner().invoke(main, arguments, env=environment, input=answer)

    def withdraw(self, *arguments: str, answer: str | None = None, **settings: str) -> Result:
        return self.cli("withdraw", self.key, *arguments, answer=answer, **settings)

    @property
    def with_dagster(self) -> dict[str, str]:
        return {"DAGSTER_HOME": self.deployment.environment["DAGSTER_HOME"]}

    def record(self) -> Withdrawal:
        found = FolderWithdrawals(self.deployment.data).of(self.key)
        assert found is not None
        return found

    def object_to(self, study: DemoStudy = GOES, what: str = "has_phi = 1") -> None:
        """Have the reviewer change his mind."""
        self.deployment.sql(
            "review",
            f"UPDATE staging_radiologystudyreview SET {what}, modified = '2026-03-01 00:00:00' WHERE study_id IN "
            f"(SELECT id FROM staging_radiologystudy WHERE original_study_uid = '{study.study_uid}')",
        )

    def tick(self, sensor: dg.SensorDefinition = withdrawn_reviews) -> dg.SkipReason:
        """Evaluate a sensor as the daemon does."""
        definitions = self.deployment.definitions()
        names = ("review_db", "identity_db", "data_dir", "notifications")
        wanted = [name for name in names if name in sensor.required_resource_keys]
        with self.deployment.instance() as instance:
            context = dg.build_sensor_context(
                instance=instance,
                repository_def=definitions.get_repository_def(),
                resources={name: definitions.resources[name] for name in wanted},
            )
            result = sensor(context)
        assert isinstance(result, dg.SkipReason)
        return result

    def checks(self, partition: str | None = None) -> list[Any]:
        """The evaluations of the check, the latest first: of one study, or of whatever."""
        key = dg.AssetCheckKey(dg.AssetKey("published"), "not_withdrawn")
        with self.deployment.instance() as instance:
            records = instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
            evaluations = [one.event.dagster_event.asset_check_evaluation_data for one in records]
        return [one for one in evaluations if partition is None or one.partition == partition]

    def between_runs(self) -> list[dict[str, Any]]:
        file = self.deployment.data / "runs" / "between_runs" / "events.jsonl"
        events = events_in(file) if file.exists() else []
        assert misfits(events) == []
        return events

    def in_research_pacs(self) -> dict[str, int]:
        """Study Instance UID to number of instances."""
        if self.orthanc is not None:
            return {uid: sum(series.values()) for uid, series in self.orthanc.studies().items()}
        found: dict[str, int] = {}
        for entry in self.site.research.entries():
            uid = entry.text(0x0020000D)  # type: ignore[arg-type]  # a tag
            found[uid] = found.get(uid, 0) + 1
        return found

    def assert_withdrawn(self) -> None:
        """Every place says so, and the other study is untouched."""
        assert self.record().state == "withdrawn"
        assert self.study_uid not in self.in_research_pacs()
        assert list(self.in_research_pacs().values()) == [INSTANCES]
        row, other = self.deployment.study_row(GOES.study_uid), self.deployment.study_row(STAYS.study_uid)
        assert (row["image_published"], row["processing_error"]) == (0, 1)
        assert "Withdrawn" in row["processing_error_msg"]
        assert other["image_published"]
        assert not other["processing_error"]
        assert self.linked() == {GOES.study_uid: False, STAYS.study_uid: True}
        assert [one["event"] for one in self.between_runs()][-1] == "study_withdrawn"

    def assert_dagster_knows(self) -> None:
        """The study's evaluation tells of the withdrawal, and that of all studies is passed again."""
        mine, latest = self.checks(self.key)[0], self.checks()[0]
        assert (mine.passed, mine.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert mine.metadata["withdrawal"].value == "withdrawn"
        assert (latest.partition, latest.passed) == (None, True)

    def linked(self) -> dict[str, bool]:
        """Which studies the research database has a replacement UID of."""
        with closing(sqlite3.connect(self.deployment.folder / "research.db")) as connection:
            rows = connection.execute("SELECT original_study_uid, study_uid FROM staging_radiologystudy").fetchall()
        return {original: bool(uid) for original, uid in rows if original in (GOES.study_uid, STAYS.study_uid)}


@contextmanager
def published_site(folder: Path, **settings: object) -> Iterator[Published]:
    """The scripted PACS as research PACS: it can't be told to delete."""
    with running_site(folder, [STAYS, GOES], **settings) as site:
        assert site.deployment.execute().success
        published = Published(site)
        published.save()
        yield published


@contextmanager
def site_with_orthanc(folder: Path, **settings: object) -> Iterator[Published]:
    """A real Orthanc as research PACS, whose REST interface is named; nothing was published yet."""
    with running_site(folder, [STAYS, GOES], **settings) as site:
        local = ("127.0.0.1", int(site.deployment.environment["LOCAL_PORT"]))
        with running_orthanc("RESEARCH", folder / "orthanc", {"DICOM_ASSETS": local}) as orthanc:
            site.deployment.set(RESEARCH_PACS_PORT=orthanc.dicom_port, RESEARCH_PACS_REST_URL=orthanc.url)
            yield Published(site, orthanc)


@contextmanager
def published_to_orthanc(folder: Path, **settings: object) -> Iterator[Published]:
    """The same where both studies are published."""
    with site_with_orthanc(folder, **settings) as published:
        assert published.deployment.execute().success
        published.save()
        yield published
