"""The sensors as `dagster dev` runs them: noticed, red in the interface, and told to people by a real mail server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dicom_assets_tests.mailbox import Mailbox, addresses, running_mailbox
from dicom_assets_tests.test_web_interface import LOCATION, WebInterface, running_web_interface
from dicom_assets_tests.waiting import wait_until
from dicom_assets_tests.withdrawing import Published, published_site

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

CHECKS = """
{ assetNodeOrError(assetKey: {path: ["published"]}) { ... on AssetNode { assetChecksOrError { ... on AssetChecks {
  checks { name executionForLatestMaterialization { status evaluation { severity description } } } } } } } }
"""
TICKS = """
query($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) { ... on Sensor { sensorState {
  status ticks(limit: 1) { status skipReason error { message causes { message } } } } } } }
"""


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as mailbox:
        yield mailbox


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Published]:
    """Two published studies, one of which a reviewer objects to."""
    folder: Path = tmp_path_factory.mktemp("dev")
    with published_site(folder, NOTIFY_URLS_FILE=addresses(folder, mailbox.address)) as site:
        site.object_to()
        yield site


@pytest.fixture(scope="module")
def web(site: Published) -> Iterator[WebInterface]:
    with running_web_interface(site.site) as web:
        yield web


def tick_of(web: WebInterface, sensor: str) -> dict[str, Any]:
    """The latest tick of a sensor; empty before its first."""
    selector = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION, "sensorName": sensor}
    state = web.ask(TICKS, sensor=selector)["sensorOrError"]["sensorState"]
    ticks: list[dict[str, Any]] = state["ticks"]
    return ticks[0] if ticks else {}


def latest_check(web: WebInterface) -> dict[str, Any]:
    checks = web.ask(CHECKS)["assetNodeOrError"]["assetChecksOrError"]["checks"]
    [check] = [one for one in checks if one["name"] == "not_withdrawn"]
    return check["executionForLatestMaterialization"] or {}


def test_an_objection_is_red_in_the_interface_and_mailed(web: WebInterface, site: Published, mailbox: Mailbox) -> None:
    wait_until(lambda: latest_check(web), "the check's evaluation")
    wait_until(lambda: mailbox.messages, "a mail")

    check = latest_check(web)
    assert (check["status"], check["evaluation"]["severity"]) == ("FAILED", "ERROR")
    assert f"{site.key} noticed (has PHI)" in mailbox.texts()[0]


def test_a_run_from_the_terminal_that_fails_is_mailed(web: WebInterface, site: Published, mailbox: Mailbox) -> None:
    wait_until(lambda: tick_of(web, "failed_runs"), "the first tick, which is where the sensor begins to look")
    site.deployment.approve(["1.2.840.99999.5"], first_id=7001)  # the staging PACS does not have it

    assert site.deployment.run(site.deployment.job_command()).returncode != 0

    wait_until(lambda: any("failed" in text for text in mailbox.texts()), "the mail of the failed run")
    [text] = [text for text in mailbox.texts() if "publish_reviewed_studies failed" in text]
    assert site.deployment.study_key("1.2.840.99999.5") in text
    assert "99999" not in text


def test_a_review_database_that_is_away_is_one_clear_message_in_the_interface(
    web: WebInterface, site: Published
) -> None:
    review_db = site.deployment.folder / "review.db"
    aside = review_db.rename(review_db.with_suffix(".aside"))
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": LOCATION,
        "sensorName": "reviewed_study_sensor",
    }
    try:
        web.ask(
            "mutation($sensor: SensorSelector!) { startSensor(sensorSelector: $sensor) { __typename } }",
            sensor=selector,
        )
        wait_until(lambda: tick_of(web, "reviewed_study_sensor").get("error"), "the failed tick")
    finally:
        aside.rename(review_db)

    [cause] = tick_of(web, "reviewed_study_sensor")["error"]["causes"]
    assert (
        cause["message"].strip().startswith("dicom_assets.errors.ConfigurationError: REVIEW_DB_URL: there is no file")
    )
    assert len(cause["message"].strip().splitlines()) == 1
