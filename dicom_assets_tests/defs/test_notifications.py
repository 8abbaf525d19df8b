"""People are told of failed runs and of studies that have to be removed, in words without an identifier."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from dicom_assets.adapters.outbox import Outbox
from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.cli import main
from dicom_assets.defs.notices import FailedRun, failed_run_notice, withdrawal_notice
from dicom_assets.defs.notifications import failed_runs, is_ours, notifications_sensor
from dicom_assets.study import StudyKey
from dicom_assets.withdrawal import Withdrawal
from dicom_assets_tests.conftest import Site, of_the_demo, running_site
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.mailbox import Mailbox, addresses, running_mailbox
from dicom_assets_tests.withdrawing import Published

UI = "https://dagster.example.org/"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two studies, of which one fails: it has no encounter."""
    with running_site(tmp_path_factory.mktemp("notifications"), of_the_demo(5, 7)) as site:
        yield site


@pytest.fixture(scope="module")
def mail_server() -> Iterator[Mailbox]:
    with running_mailbox() as mailbox:
        yield mailbox


@pytest.fixture
def mailbox(mail_server: Mailbox) -> Mailbox:
    mail_server.messages.clear()
    return mail_server


@pytest.fixture(scope="module")
def failed_run(site: Site) -> dg.ExecuteInProcessResult:
    result = site.deployment.execute()
    assert not result.success
    return result


def notify(site: Site, folder: Path, *urls: str) -> None:
    site.deployment.set(NOTIFY_URLS_FILE=addresses(folder, *urls) if urls else "", DAGSTER_UI_URL=UI)


def react(site: Site, result: dg.ExecuteInProcessResult) -> None:
    """Evaluate the run-failure sensor as the daemon does."""
    definitions = site.deployment.definitions()
    with site.deployment.instance() as instance:
        context = dg.build_run_status_sensor_context(
            sensor_name=failed_runs.name,
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            resources={name: definitions.resources[name] for name in ("data_dir", "notifications")},
        ).for_run_failure()
        failed_runs(context)


def test_a_failed_run_is_reported_with_counts_keys_reasons_and_a_link(
    site: Site, failed_run: dg.ExecuteInProcessResult, tmp_path: Path, mailbox: Mailbox
) -> None:
    notify(site, tmp_path, mailbox.address)

    react(site, failed_run)
    said = str(Published(site).tick(notifications_sensor).skip_message)

    assert "1 message(s) sent" in said
    [text] = mailbox.texts()
    bad = next(study for study in site.studies if study.number == 7)
    assert site.deployment.study_key(bad.study_uid) in text
    assert "Unable to find encounter" in text
    assert f"Run {failed_run.run_id}" in text
    assert f"{UI}runs/{failed_run.run_id}" in text
    assert "published 1" in text
    assert "failed 1" in text
    assert not [one for study in site.studies for one in study.identifiers if one in text]


def test_a_run_that_could_not_begin_is_reported_with_its_reason(site: Site, tmp_path: Path, mailbox: Mailbox) -> None:
    notify(site, tmp_path, mailbox.address)
    before = dict(site.deployment.environment)
    site.deployment.set(RESEARCH_PACS_PROTOCOL="carrier pigeon")
    try:
        result = site.deployment.execute()
    finally:
        site.deployment.environment = before

    react(site, result)
    Published(site).tick(notifications_sensor)

    assert "RESEARCH_PACS_PROTOCOL must be one of" in mailbox.texts()[0]


def test_nobody_is_told_where_nobody_is_named(
    site: Site, failed_run: dg.ExecuteInProcessResult, tmp_path: Path
) -> None:
    notify(site, tmp_path)

    react(site, failed_run)

    assert "not set" in str(Published(site).tick(notifications_sensor).skip_message)
    assert list(Outbox(site.deployment.data).waiting()) == []


def test_a_mail_server_that_is_away_fails_no_sensor_and_gets_the_message_later(
    site: Site, failed_run: dg.ExecuteInProcessResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    notify(site, tmp_path, f"mailto://127.0.0.1:{port}/?from=a@example.org&to=b@example.org&mode=insecure")
    monkeypatch.setattr("dicom_assets.adapters.outbox.FIRST_PAUSE", timedelta())

    react(site, failed_run)
    away = str(Published(site).tick(notifications_sensor).skip_message)
    with running_mailbox(port) as mailbox:
        there = str(Published(site).tick(notifications_sensor).skip_message)
        assert len(mailbox.messages) == 1

    assert "1 wait, not taken by line 3 (mailto)" in away
    assert "1 message(s) sent" in there


def test_a_file_of_addresses_that_can_not_be_used_fails_the_tick_with_what_to_do(site: Site, tmp_path: Path) -> None:
    site.deployment.set(NOTIFY_URLS_FILE=tmp_path / "nowhere")

    with pytest.raises(Exception, match="NOTIFY_URLS_FILE"):
        Published(site).tick(notifications_sensor)


@pytest.mark.parametrize(
    ("job", "selection", "ours"),
    [
        ("publish_reviewed_studies", None, True),
        ("__ASSET_JOB", ["published"], True),
        ("__ASSET_JOB", ["somebody", "else"], False),
        ("nightly_invoices", None, False),
    ],
)
def test_only_runs_of_ours_are_reported(job: str, selection: list[str] | None, ours: bool) -> None:
    keys = frozenset(dg.AssetKey(key) for key in selection) if selection else None

    assert is_ours(dg.DagsterRun(job_name=job, asset_selection=keys)) is ours


def test_a_run_that_was_cut_short_says_so(tmp_path: Path) -> None:
    notice = failed_run_notice(FailedRun.of(tmp_path, "0a1b2c3d-1", "job", "It says why."), "")

    assert "cut short" in notice.body
    assert "It says why." in notice.body


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    failures = {f"S{number:012d}": "reason" for number in range(500)}

    body = failed_run_notice(FailedRun("r", "job", {"failed": 500}, failures, is_finished=True), UI).body

    assert "and 450 more" in body
    assert len(body.splitlines()) < 60


def test_withdrawn_studies_are_one_message_with_what_to_do(tmp_path: Path) -> None:
    withdrawals = FolderWithdrawals(tmp_path)
    for number in range(3):
        withdrawals.notice(Withdrawal(StudyKey(f"S{number:012d}"), ("has PHI",)), "sensor")

    notice = withdrawal_notice(withdrawals.all(), UI)

    assert "3 published studies have to be removed" in notice.title
    assert "S000000000000 noticed (has PHI)" in notice.body
    assert "dicom-assets withdraw S000000000002" in notice.body


class TestCommand:
    def run(self, site: Site, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["notify", *arguments], env=site.deployment.process_environment())

    def test_a_test_message_says_who_took_it(self, site: Site, tmp_path: Path, mailbox: Mailbox) -> None:
        notify(site, tmp_path, mailbox.address, f"json://127.0.0.1:{free_port()}/")

        result = self.run(site, "test")

        assert result.exit_code == 1
        assert result.stdout.splitlines() == ["line 3 (mailto): took it", "line 4 (json): did not take it"]
        assert "test message" in mailbox.texts()[0]

    def test_it_exits_with_0_when_all_took_it(self, site: Site, tmp_path: Path, mailbox: Mailbox) -> None:
        notify(site, tmp_path, mailbox.address)

        assert self.run(site, "test").exit_code == 0

    def test_without_addresses_it_says_which_setting(self, site: Site, tmp_path: Path) -> None:
        notify(site, tmp_path)

        result = self.run(site, "test")

        assert result.exit_code == 1
        assert "NOTIFY_URLS_FILE" in result.output

    def test_messages_that_wait_are_listed(self, site: Site, tmp_path: Path) -> None:
        Outbox(site.deployment.data).put("one", "dicom_assets: a title", "")

        result = self.run(site, "waiting")

        assert "dicom_assets: a title" in result.stdout
