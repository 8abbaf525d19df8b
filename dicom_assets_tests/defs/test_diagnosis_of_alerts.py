"""The doctor on what alerts need: addresses, their servers, and a research PACS that can be told to delete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.definitions import SETTINGS
from dicom_assets.defs.diagnosis.notifications import checks_of_notifications
from dicom_assets.defs.diagnosis.verdict import Check, Finding, make
from dicom_assets.defs.diagnosis.withdrawal import checks_of_withdrawal
from dicom_assets.defs.settings import build_resources
from dicom_assets.defs.surroundings import Resources
from dicom_assets.study import StudyKey
from dicom_assets.withdrawal import Withdrawal
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.mailbox import Mailbox, addresses, running_mailbox
from dicom_assets_tests.web_server import Answer, web_server


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as mailbox:
        yield mailbox


def resources(folder: Path, **settings: object) -> Resources:
    values = SETTINGS | {"DATA_DIR": str(folder)} | {name: str(value) for name, value in settings.items()}
    parts = build_resources(lambda name, kind: kind(values[name]))
    return Resources(**parts)  # type: ignore[arg-type]  # each is of the type that its name has


def findings(checks: list[Check]) -> dict[str, Finding]:
    return {finding.name: finding for finding in make(checks)}


def test_nobody_to_be_told_is_yellow_and_all_there_is_to_say(tmp_path: Path) -> None:
    found = findings(checks_of_notifications(resources(tmp_path)))

    assert {name: finding.state for name, finding in found.items()} == {"notifications": "yellow"}


def test_a_mail_server_that_answers_is_green_and_gets_nothing(tmp_path: Path, mailbox: Mailbox) -> None:
    named = resources(tmp_path, NOTIFY_URLS_FILE=addresses(tmp_path, mailbox.address))

    found = findings(checks_of_notifications(named))

    assert [finding.state for finding in found.values()] == ["green", "green"]
    assert mailbox.messages == []


def test_a_server_that_is_away_is_red_by_its_line(tmp_path: Path, mailbox: Mailbox) -> None:
    away = f"json://user:sentinel-password@127.0.0.1:{free_port()}/"
    named = resources(tmp_path, NOTIFY_URLS_FILE=addresses(tmp_path, mailbox.address, away))

    found = findings(checks_of_notifications(named))["notifications: servers"]

    assert found.state == "red"
    assert "line 4 (json)" in found.remedy
    assert "sentinel-password" not in found.remedy


@pytest.mark.parametrize(
    ("settings", "mode", "said"),
    [
        ({}, 0o644, "everybody here can read"),
        ({"DAGSTER_UI_URL": "dagster.example.org"}, 0o600, "can't be used"),
    ],
)
def test_a_setting_that_is_wrong_is_red(
    tmp_path: Path, mailbox: Mailbox, settings: dict[str, str], mode: int, said: str
) -> None:
    file = addresses(tmp_path, mailbox.address)
    file.chmod(mode)

    found = findings(checks_of_notifications(resources(tmp_path, NOTIFY_URLS_FILE=file, **settings)))

    assert found["notifications"].state == "red"
    assert said in found["notifications"].finding


def test_a_research_pacs_that_can_not_be_told_to_delete_is_yellow(tmp_path: Path) -> None:
    found = findings(checks_of_withdrawal(resources(tmp_path)))

    assert found["research PACS: removal"].state == "yellow"
    assert found["withdrawn studies"].state == "green"


@pytest.mark.parametrize(("status", "state"), [(200, "green"), (401, "red"), (404, "red"), (500, "red")])
def test_orthancs_rest_interface_is_asked_and_nothing_deleted(tmp_path: Path, status: int, state: str) -> None:
    with web_server(lambda _asked: Answer(status, [json.dumps([]).encode()])) as server:
        found = findings(checks_of_withdrawal(resources(tmp_path, RESEARCH_PACS_REST_URL=server.url)))
        assert {asked.method for asked in server.asked} == {"POST"}

    assert found["research PACS: removal"].state == state


def test_a_study_that_is_to_be_removed_is_red(tmp_path: Path) -> None:
    FolderWithdrawals(tmp_path).notice(Withdrawal(StudyKey("S0123456789AB"), ("has PHI",)), "sensor")

    found = findings(checks_of_withdrawal(resources(tmp_path)))["withdrawn studies"]

    assert found.state == "red"
    assert "dicom-assets withdraw" in found.remedy
