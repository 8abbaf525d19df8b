"""A dry run tells what would happen and changes nothing anywhere."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dicom_assets.demo.plan import Outcome
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.scripted_pacs import Gate
from dicom_assets_tests.waiting import killed_job

DATABASES = ("review", "research", "identity")


def state_of_the_world(site: Site) -> dict[str, Any]:
    """Everything that a run may change but the audit trail and Dagster's list of runs."""
    deployment = site.deployment
    with deployment.instance() as instance:
        partitions = instance.get_dynamic_partitions("studies")
    return {
        "databases": {name: _dump(deployment.folder / f"{name}.db") for name in DATABASES},
        "staging PACS": _content(site.staging.folder),
        "research PACS": _content(site.research.folder),
        "studies": _content(deployment.data / "studies"),
        "partitions": sorted(partitions),
        "materializations": deployment.materialized(),
    }


def _dump(database: Path) -> list[str] | None:
    if not database.exists():
        return None
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def _content(folder: Path) -> dict[str, str]:
    """Every file and folder below, with the hash of what is in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def scratch(site: Site) -> list[Path]:
    return list((site.deployment.data / "scratch").glob("*"))


@pytest.mark.parametrize("protocol", ["c-get", "c-move"])
def test_dry_run_on_a_fresh_deployment_changes_nothing(make_site: SmallSite, protocol: str) -> None:
    site = make_site((5, 6, 7), STAGING_PACS_PROTOCOL=protocol)
    before = state_of_the_world(site)

    site.deployment.execute({"dry_run": True})

    assert state_of_the_world(site) == before
    assert before["databases"]["identity"] is None
    assert before["partitions"] == []
    assert site.research.offered == []
    assert scratch(site) == []


def test_dry_run_tells_what_would_be_quarantined_and_what_would_fail(make_site: SmallSite) -> None:
    site = make_site((5, 6, 7))
    ready, no_images, no_encounter = site.study(), site.study(Outcome.FAILED, 0), site.study(Outcome.FAILED, 1)

    result = site.deployment.execute({"dry_run": True})

    assert not result.success
    lines = site.deployment.overview().splitlines()
    assert "DRY RUN: nothing was changed anywhere; this is what would happen." in lines
    assert {"1 modality-not-allowed", "1 secondary-capture"} <= {line.strip() for line in lines}
    assert _line(lines, site.deployment.study_key(ready.study_uid)).split()[1:5] == ["7", "5", "5", "-"]
    assert "has no instance of this study" in _line(lines, site.deployment.study_key(no_images.study_uid), place=1)
    assert "Unable to find encounter" in _line(lines, site.deployment.study_key(no_encounter.study_uid), place=1)
    assert result.get_asset_materialization_events() == []


def test_dry_run_after_a_run_that_did_not_publish_changes_nothing(make_site: SmallSite) -> None:
    site = make_site((5, 7))
    site.deployment.execute({"publish": False, "limit": 1})
    before = state_of_the_world(site)
    handed_out = len(site.staging.handed_out)

    site.deployment.execute({"dry_run": True})

    assert state_of_the_world(site) == before
    assert len(site.staging.handed_out) == handed_out + site.study(Outcome.FAILED).instances
    key = site.deployment.study_key(site.study().study_uid)
    assert "7 (stood)" in _line(site.deployment.overview().splitlines(), key)


def test_dry_run_with_refresh_does_all_again_and_changes_nothing(make_site: SmallSite) -> None:
    site = make_site((5,))
    site.deployment.execute()
    key = site.deployment.study_key(site.study().study_uid)
    before = state_of_the_world(site)

    result = site.deployment.execute({"dry_run": True, "refresh": True}, partition=key)

    assert result.success
    assert state_of_the_world(site) == before
    assert _line(site.deployment.overview().splitlines(), key).split()[1:5] == ["7", "5", "5", "-"]


@pytest.mark.long
@pytest.mark.parametrize("next_is_dry", [True, False], ids=["dry", "real"])
def test_next_run_removes_what_a_killed_dry_run_left(make_site: SmallSite, next_is_dry: bool) -> None:
    site = make_site((5,))
    gate = Gate()

    def deliver(entries: list[Any]) -> Any:
        yield entries[0]
        gate.stop()

    site.staging.deliver = deliver
    before = state_of_the_world(site)
    with killed_job(site.deployment, {"dry_run": True}):
        gate.wait_until_reached()
    site.staging.deliver = list
    gate.open()
    left = [path for path in scratch(site)[0].rglob("*.dcm") if path.is_file()]
    assert len(left) == 1
    assert state_of_the_world(site) == before

    result = site.deployment.execute({"dry_run": next_is_dry})

    assert result.success
    assert scratch(site) == []
    assert (state_of_the_world(site) == before) is next_is_dry


def _line(lines: list[str], beginning: str, place: int = 0) -> str:
    """A line of the overview: of a study, the first is in the table, the second under what did not get through."""
    return [line for line in lines if line.strip().startswith(beginning)][place]
