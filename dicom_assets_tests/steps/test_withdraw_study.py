"""A study is seen to be gone by the UID that it has in the research PACS, however late that is known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicom_assets.cli.surroundings import settings_as_resources
from dicom_assets.defs.withdrawing import open_withdrawing
from dicom_assets.steps.publish_study import JOURNAL
from dicom_assets.steps.withdraw_study import Surroundings, plan_withdrawal, withdraw_study
from dicom_assets.withdrawal import WithdrawalState
from dicom_assets_tests.orthanc import running_orthanc
from dicom_assets_tests.small_studies import INSTANCES
from dicom_assets_tests.test_certificates import needs_orthanc
from dicom_assets_tests.withdrawing import GOES, STAYS, Published, site_with_orthanc

pytestmark = needs_orthanc
INTERRUPTED = f"UPDATE staging_radiologystudy SET image_published = 0 WHERE original_study_uid = '{GOES.study_uid}'"


@contextmanager
def withdrawing(site: Published, monkeypatch: pytest.MonkeyPatch) -> Iterator[Surroundings]:
    for name, value in site.deployment.process_environment().items():
        monkeypatch.setenv(name, value)
    with open_withdrawing(settings_as_resources(), "tester") as around:
        yield around


def interrupt_publishing(site: Published) -> None:
    """Leave everything as a run leaves it that was killed when all was sent."""
    assert site.deployment.execute().success
    site.deployment.sql("review", INTERRUPTED)
    sending = site.deployment.data / "withdrawals" / "sending"
    sending.mkdir(parents=True, exist_ok=True)
    (sending / site.key).touch()


@pytest.fixture
def retaining(tmp_path: Path) -> Iterator[Published]:
    """A site whose profile leaves studies their UIDs."""
    profile = tmp_path / "retaining.yaml"
    profile.write_text("name: retaining\nversion: 1\noptions: [Retain UIDs]\n")
    with site_with_orthanc(tmp_path / "site", DEIDENTIFICATION_PROFILE=profile) as site:
        yield site


def test_what_was_sent_after_the_question_was_asked_is_removed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site_with_orthanc(tmp_path) as site:
        assert site.deployment.execute(stages=["pulled"]).success
        with withdrawing(site, monkeypatch) as around:
            plan = plan_withdrawal(site.key, around)
            interrupt_publishing(site)
            done = withdraw_study(plan, around)

        assert plan.study_uids == ()
        assert done.withdrawal.state is WithdrawalState.WITHDRAWN
        assert list(site.in_research_pacs().values()) == [INSTANCES]


def test_a_study_that_kept_its_uid_is_removed_by_it_and_no_record_names_it(retaining: Published) -> None:
    interrupt_publishing(retaining)
    assert retaining.in_research_pacs() == {STAYS.study_uid: INSTANCES, GOES.study_uid: INSTANCES}

    result = retaining.withdraw("--yes")

    assert result.exit_code == 0, result.output
    assert retaining.in_research_pacs() == {STAYS.study_uid: INSTANCES}
    assert retaining.record().state == "withdrawn"
    assert GOES.study_uid not in result.output
    for file in (retaining.deployment.data / "withdrawals").rglob("*"):
        assert file.is_dir() or GOES.study_uid.encode() not in file.read_bytes()
    assert not retaining.linked()[GOES.study_uid]


def test_a_study_that_kept_its_uid_can_be_removed_by_hand(retaining: Published) -> None:
    assert retaining.deployment.execute().success
    assert retaining.orthanc is not None

    by_hand = retaining.withdraw("--yes", RESEARCH_PACS_REST_URL="")
    retaining.orthanc.forget(GOES.study_uid)
    confirmed = retaining.withdraw("--confirm-removed")

    assert by_hand.exit_code == 3
    assert f"identity lookup {retaining.key}" in by_hand.stderr
    assert GOES.study_uid not in by_hand.output
    assert confirmed.exit_code == 0, confirmed.output
    assert retaining.record().state == "withdrawn"


def test_a_sending_that_was_interrupted_is_known_when_the_settings_name_another_pacs(tmp_path: Path) -> None:
    with site_with_orthanc(tmp_path / "site") as site, running_orthanc("RESEARCH", tmp_path / "later", {}) as later:
        interrupt_publishing(site)
        stage = site.deployment.data / "studies" / site.key / "published"
        written = json.loads((stage / "manifest.json").read_text())
        shutil.rmtree(stage)
        draft = stage.with_name(".published.draft") / "instances"
        draft.mkdir(parents=True)
        journal = {"research_pacs": written["inputs"]["research_pacs"], "hashes": written["hashes"], "elsewhere": {}}
        (draft / JOURNAL).write_text(json.dumps(journal))

        result = site.withdraw("--yes", RESEARCH_PACS_PORT=str(later.dicom_port), RESEARCH_PACS_REST_URL=later.url)

        assert result.exit_code == 3
        assert f"With settings that name {journal['research_pacs']}" in result.stderr
        assert site.record().state == "awaiting-removal"
