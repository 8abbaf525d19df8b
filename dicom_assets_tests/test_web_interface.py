"""What a person does in Dagster's web interface: a backfill, the sensor's switch, a look at the lineage."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dicom_assets.demo.databases import approve
from dicom_assets.steps.findings import STAGE_OF, StudyCheck
from dicom_assets.study import STAGES
from dicom_assets_tests.browser import running_browser
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.waiting import wait_until

LOCATION = "dicom_assets.definitions"
CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=20000",
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@dataclass
class WebInterface:
    """`dagster dev` on a site, asked through its GraphQL as its pages do."""

    site: Site
    url: str

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        return answer["data"]

    def is_up(self) -> bool:
        try:
            answer = self.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
        except (OSError, urllib.error.URLError):
            return False
        return bool(answer["repositoriesOrError"].get("nodes"))

    def runs(self) -> list[dict[str, Any]]:
        answer = self.ask("{ runsOrError { ... on Runs { results { status tags { key value } } } } }")
        runs: list[dict[str, Any]] = answer["runsOrError"]["results"]
        return runs

    def finished_runs(self, tag: str) -> list[str]:
        """The outcomes of runs with a tag, once all of them have one."""
        statuses = [run["status"] for run in self.runs() if any(one["key"] == tag for one in run["tags"])]
        return statuses if all(status in ("SUCCESS", "FAILURE") for status in statuses) else []


@contextmanager
def running_web_interface(site: Site) -> Iterator[WebInterface]:
    """`dagster dev` on a site; ends with the block."""
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", "-m", LOCATION, "-h", "127.0.0.1", "-p", str(port)]
    with (site.deployment.folder / "dagster-dev.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=site.deployment.process_environment(),
            cwd=site.deployment.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            interface = WebInterface(site, f"http://127.0.0.1:{port}")
            wait_until(interface.is_up, "the web interface")
            yield interface
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def web(make_site: SmallSite) -> Iterator[WebInterface]:
    with running_web_interface(make_site((2, 5, 7, 9))) as web:
        yield web


def test_backfill_publishes_a_range_and_fails_for_one_study_alone(web: WebInterface) -> None:
    deployment = web.site.deployment
    deployment.execute({"publish": False})
    good = {deployment.study_key(study.study_uid) for study in web.site.published()}
    keys = sorted(deployment.study_key(study.study_uid) for study in web.site.studies if study.number != 9)
    deployment.sql("review", "UPDATE staging_radiologystudy SET processing_error = 0")

    web.ask(
        """mutation($backfill: LaunchBackfillParams!) {
             launchPartitionBackfill(backfillParams: $backfill) { ... on LaunchBackfillSuccess { backfillId } } }""",
        backfill={"assetSelection": [{"path": [str(stage)]} for stage in STAGES], "partitionNames": keys},
    )

    wait_until(lambda: web.finished_runs("dagster/backfill"), "the backfill's runs")
    assert "FAILURE" in web.finished_runs("dagster/backfill")
    assert deployment.materialized()["published"] == good
    assert web.site.research.count() == sum(study.publishable for study in web.site.published())


def test_sensor_that_is_switched_on_publishes_a_new_approval(web: WebInterface) -> None:
    deployment = web.site.deployment
    unreviewed = next(study for study in web.site.studies if study.number == 9)
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": LOCATION,
        "sensorName": "reviewed_study_sensor",
    }

    approve(deployment.environment["REVIEW_DB_URL"], unreviewed.study_uid)
    web.ask(
        "mutation($sensor: SensorSelector!) { startSensor(sensorSelector: $sensor) { __typename } }", sensor=selector
    )

    wait_until(lambda: web.finished_runs("dagster/sensor_name"), "the sensor's run")
    assert deployment.study_key(unreviewed.study_uid) in deployment.materialized()["published"]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_browser_shows_the_lineage_of_the_stages(web: WebInterface, tmp_path: Path) -> None:
    command = ["chromium", *CHROMIUM_OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]

    page = subprocess.run([*command, f"{web.url}/asset-groups/"], text=True, capture_output=True, timeout=120).stdout

    for name in ("reviewed", *map(str, STAGES)):
        assert name in page


PARTITION_STATUSES = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetChecksOrError { ... on AssetChecks { checks { name partitionStatuses {
    ... on AssetCheckDefaultPartitionStatuses { succeededPartitions failedPartitions } } } } } } } }"""


def test_checks_are_shown_by_study(web: WebInterface) -> None:
    deployment = web.site.deployment
    deployment.execute()
    good = {deployment.study_key(study.study_uid) for study in web.site.published()}
    not_there = {deployment.study_key(study.study_uid) for study in web.site.studies if not study.in_staging}

    for check in StudyCheck:
        answer = web.ask(PARTITION_STATUSES, key={"path": [str(STAGE_OF[check])]})
        checks = answer["assetNodeOrError"]["assetChecksOrError"]["checks"]
        [statuses] = [one["partitionStatuses"] for one in checks if one["name"] == check]
        assert good <= set(statuses["succeededPartitions"])
        if check is StudyCheck.COMPLETE_AGAINST_PACS:
            assert not_there <= set(statuses["failedPartitions"])


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_browser_shows_the_contact_sheet_of_a_study(web: WebInterface, tmp_path: Path) -> None:
    web.site.deployment.execute()
    key = web.site.deployment.study_key(web.site.published()[0].study_uid)

    with running_browser(tmp_path / "profile") as browser:
        browser.open(f"{web.url}/assets/deidentified?view=partitions&partition={key}")
        browser.wait_for_text("[Show Markdown]")
        browser.click("[Show Markdown]")
        picture = "[...document.images].find(one => one.src.startsWith('data:image/jpeg;base64,'))"
        wait_until(lambda: bool(browser.evaluate(f"{picture}?.naturalWidth > 100")), "the contact sheet")
