"""`dicom-assets canary` as a person types it."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner, Result
from pydicom import dcmread

from dicom_assets.cli import main
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.scripted_pacs import CANARY

LINE = re.compile(r"^STAGING_PACS_CANARY_UID=([0-9.]+)$", re.MULTILINE)


def run(site: Site, *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["canary", *arguments], env=site.deployment.process_environment(), input=answer)


def line_in(result: Result) -> str:
    found = LINE.search(result.output)
    assert found is not None, result.output
    return found[1]


def test_a_canary_that_was_sent_lets_a_run_over_c_move_begin(make_site: SmallSite) -> None:
    site = make_site((5,), STAGING_PACS_PROTOCOL="c-move", STAGING_PACS_CANARY_UID="")

    sent = run(site, "send", "--yes")
    site.deployment.set(STAGING_PACS_CANARY_UID=line_in(sent))
    checked = run(site, "check")

    assert sent.exit_code == checked.exit_code == 0
    assert "The canary arrived" in checked.output
    assert site.deployment.execute().success


def test_nothing_is_sent_without_leave(make_site: SmallSite) -> None:
    site = make_site((5,), STAGING_PACS_CANARY_UID="")

    result = run(site, "send", answer="n\n")

    assert result.exit_code == 1
    assert "Patient ID CANARY" in result.output
    assert site.staging.offered == []


def test_a_canary_that_is_there_is_not_sent_again(make_site: SmallSite) -> None:
    site = make_site((5,))

    result = run(site, "send", "--yes")

    assert result.exit_code == 0
    assert "already" in result.output
    assert site.staging.offered == []


def test_a_canary_that_was_lost_comes_back_under_its_uid(make_site: SmallSite) -> None:
    site = make_site((5,), STAGING_PACS_CANARY_UID="2.25.4711")

    assert line_in(run(site, "send", "--yes")) == "2.25.4711"
    assert run(site, "check").exit_code == 0


def test_a_pacs_that_takes_no_canary_is_quoted_by_its_status(make_site: SmallSite) -> None:
    site = make_site((5,), STAGING_PACS_CANARY_UID="")
    site.staging.judge = lambda _uid, _keep: 0x0124

    result = run(site, "send", "--yes")

    assert result.exit_code == 1
    assert "0x0124" in result.output
    assert "canary make FILE" in result.output
    assert LINE.search(result.output) is None


def test_a_canary_that_goes_elsewhere_fails_the_check(make_site: SmallSite) -> None:
    site = make_site((5,), LOCAL_PORT=free_port())
    site.deployment.set(LOCAL_PORT=free_port())

    result = run(site, "check")

    assert result.exit_code == 1
    assert "did not arrive here" in result.output
    assert "LOCAL_PORT" in result.output


def test_check_without_a_canary_says_how_to_send_one(make_site: SmallSite) -> None:
    result = run(make_site((5,), STAGING_PACS_CANARY_UID=""), "check")

    assert result.exit_code == 1
    assert "canary send" in result.output


def test_a_file_holds_what_would_be_sent(make_site: SmallSite, tmp_path: Path) -> None:
    site = make_site((5,), STAGING_PACS_CANARY_UID="", UID_ROOT="1.2.826.0.1.3680043.10.1")
    file = tmp_path / "canary.dcm"

    made = run(site, "make", str(file))
    again = run(site, "make", str(file))

    ds = dcmread(file)
    assert made.exit_code == 0
    assert ds.StudyInstanceUID == line_in(made)
    assert ds.StudyInstanceUID.startswith("1.2.826.0.1.3680043.10.1.")
    assert (ds.PatientID, ds.Modality) == ("CANARY", "OT")
    assert again.exit_code == 1, "a file that is there stays as it is"


def test_the_canary_is_too_small_to_hide_anything() -> None:
    assert len(CANARY.content) < 2000
