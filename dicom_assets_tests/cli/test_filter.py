"""`dicom-assets filter` between de-identifying and publishing, on real runs."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

from dicom_assets.cli import main
from dicom_assets.study import Stage
from dicom_assets_tests.conftest import Site, running_site
from dicom_assets_tests.event_schema import events_in, misfits
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.small_studies import INSTANCES, manifest, small_study

STUDY, OTHER = small_study(81, "with a series that somebody objects to"), small_study(82, "beside it")
CT, MR = 3, 2


@contextmanager
def prepared_site(folder: Path) -> Iterator[Site]:
    """Two studies that were de-identified and registered, and are not published yet."""
    with running_site(folder, (STUDY, OTHER)) as site:
        assert site.deployment.execute({"publish": False}).success
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site of one's own."""
    with prepared_site(tmp_path) as site:
        yield site


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for tests that change nothing."""
    with prepared_site(tmp_path_factory.mktemp("untouched")) as site:
        yield site


def run(site: Site, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["filter", *arguments], env=site.deployment.environment)


def rows(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def key(site: Site) -> str:
    return site.deployment.study_key(STUDY.study_uid)


def instances(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifest(site, STUDY, Stage.DEIDENTIFIED)["instances"]
    return found


def series_of(site: Site, modality: str) -> str:
    return str(next(one["series_instance_uid"] for one in instances(site) if one["modality"] == modality))


def files(site: Site) -> list[str]:
    folder = site.deployment.data / "studies" / key(site) / "deidentified" / "instances"
    return sorted(path.name for path in folder.iterdir())


def registered_instances(site: Site) -> set[int]:
    with closing(sqlite3.connect(site.deployment.folder / "research.db")) as connection:
        return {count for (count,) in connection.execute("SELECT total_images FROM staging_radiologystudy") if count}


def test_series_that_is_held_back_is_accounted_for_and_not_published(site: Site) -> None:
    held = series_of(site, "MR")

    result = run(site, held, "--json")

    assert result.exit_code == 0
    [row] = rows(result)
    assert row == {"study": key(site), "level": "series", "uid": held, "instances": MR, "done": "held back"}
    content = manifest(site, STUDY, Stage.DEIDENTIFIED)
    assert files(site) == sorted(one["file"] for one in content["instances"])
    assert {one["modality"] for one in content["instances"]} == {"CT"}
    assert Counter(one["reason"] for one in content["quarantined"]) == {"held-back": MR}
    facts = content["facts"]
    assert (facts["instances"], facts["series"], facts["quarantined"]) == (CT, 1, MR)
    assert facts["quarantined_by_reason"] == {"held-back": MR}
    assert facts["bytes"] == sum(one["bytes"] for one in content["instances"])

    assert site.deployment.execute().success

    assert site.research.count() == CT + INSTANCES
    assert registered_instances(site) == {CT, INSTANCES}
    skipped = {
        (event.get("stage"), event["event"]) for event in site.deployment.events() if event.get("study") == key(site)
    }
    assert ("deidentified", "stage_skipped") in skipped
    assert ("registered", "stage_finished") in skipped
    assert leaks(site) == []


def test_what_is_held_back_stays_so_when_the_study_is_deidentified_anew(site: Site) -> None:
    assert run(site, series_of(site, "MR")).exit_code == 0

    assert site.deployment.execute({"refresh": True, "modalities": ["CT", "MR", "SR"]}).success

    content = manifest(site, STUDY, Stage.DEIDENTIFIED)
    assert {one["modality"] for one in content["instances"]} == {"CT"}
    assert files(site) == sorted(one["file"] for one in content["instances"])
    assert Counter(one["reason"] for one in content["quarantined"]) == {"held-back": MR}
    assert site.research.count() == CT + INSTANCES


def test_what_is_held_back_stays_so_under_a_profile_that_retains_uids(site: Site, tmp_path: Path) -> None:
    assert run(site, series_of(site, "MR")).exit_code == 0
    profile = tmp_path / "retaining.yaml"
    profile.write_text("name: retaining\nversion: 1\noptions: [Retain UIDs]\n")
    site.deployment.set(DEIDENTIFICATION_PROFILE=profile)

    assert site.deployment.execute().success

    assert {one["modality"] for one in instances(site)} == {"CT"}
    assert site.research.count() == CT + INSTANCES


def test_dagster_is_told_of_the_smaller_stage_by_the_next_run(site: Site) -> None:
    import dagster as dg

    run(site, series_of(site, "MR"))
    assert site.deployment.execute().success

    with site.deployment.instance() as instance:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey("deidentified"), asset_partitions=[key(site)])
        records = instance.fetch_materializations(wanted, limit=10).records
    told = [record.asset_materialization for record in records]
    assert [one.metadata["instances"].value for one in told if one is not None] == [CT, INSTANCES]


def test_undo_lets_the_next_run_publish_all(site: Site) -> None:
    held = series_of(site, "MR")
    run(site, held)

    assert rows(run(site, "--json"))[0]["uid"] == held
    result = run(site, held, "--undo", "--json")

    assert [row["done"] for row in rows(result)] == ["released"]
    assert rows(run(site, "--json")) == []
    assert site.deployment.execute().success
    assert site.research.count() == 2 * INSTANCES
    assert manifest(site, STUDY, Stage.DEIDENTIFIED)["quarantined"] == []


def test_what_is_released_and_what_is_held_back_between_two_runs_are_kept_apart(site: Site) -> None:
    ct, mr = series_of(site, "CT"), series_of(site, "MR")
    run(site, mr)
    run(site, mr, "--undo")
    run(site, ct)

    assert site.deployment.execute().success

    assert {one["modality"] for one in instances(site)} == {"MR"}
    assert site.research.count() == MR + INSTANCES


def test_dry_run_changes_nothing(untouched: Site) -> None:
    before = manifest(untouched, STUDY, Stage.DEIDENTIFIED)

    result = run(untouched, series_of(untouched, "MR"), "--dry-run", "--json")

    assert [row["done"] for row in rows(result)] == ["would be held back"]
    assert manifest(untouched, STUDY, Stage.DEIDENTIFIED) == before
    assert len(files(untouched)) == INSTANCES
    assert not (untouched.deployment.data / "runs" / "between_runs" / "events.jsonl").exists()


def test_dry_run_of_the_job_keeps_back_what_is_held_back(site: Site) -> None:
    run(site, series_of(site, "MR"))

    assert site.deployment.execute({"dry_run": True, "refresh": True}).success

    assert "2 held-back" in site.deployment.overview()


def test_whole_study_that_is_held_back_is_not_published_and_says_why(site: Site) -> None:
    assert run(site, key(site)).exit_code == 0

    assert not site.deployment.execute().success

    assert site.research.count() == INSTANCES
    assert "5 held-back" in site.deployment.study_row(STUDY.study_uid)["processing_error_msg"]


def test_published_study_has_to_be_withdrawn_first(site: Site) -> None:
    held = series_of(site, "MR")
    assert site.deployment.execute().success

    for arguments in ((held, "--dry-run"), (held,)):
        result = run(site, *arguments, "--json")
        assert result.exit_code == 1
        assert "withdraw it from the research PACS first" in rows(result)[0]["done"]
    assert len(files(site)) == INSTANCES


def test_study_that_was_half_sent_says_so_and_is_not_passed_off_as_complete(site: Site) -> None:
    sent: list[str] = []

    def judge(uid: str, keep: Callable[[], int]) -> int:
        sent.append(uid)
        return keep() if len(sent) <= CT + 1 else 0x0110

    site.research.judge = judge
    assert not site.deployment.execute({"limit": 1}).success
    site.research.judge = lambda _uid, keep: keep()
    by_series = Counter(one["series_instance_uid"] for one in instances(site) if one["sop_instance_uid"] in sent)
    assert by_series[series_of(site, "MR")], "some of the series had been sent"

    result = run(site, series_of(site, "MR"))

    assert result.exit_code == 0
    assert "a run had begun to send this study" in result.stderr
    CliRunner().invoke(main, ["retry", "--all"], env=site.deployment.environment)
    assert not site.deployment.execute({"limit": 1}).success
    assert "no longer, among the de-identified ones" in site.deployment.overview()


def test_study_that_a_run_works_on_is_left_alone(untouched: Site) -> None:
    held = series_of(untouched, "MR")

    with FileLock(untouched.deployment.data / "studies" / key(untouched) / ".lock"):
        result = run(untouched, held, "--json")

    assert result.exit_code == 1
    assert rows(result)[0]["done"] == "not done: a run works on it"


def test_unknown_uid_exits_with_1(untouched: Site) -> None:
    result = run(untouched, "2.25.1")

    assert result.exit_code == 1
    assert "2.25.1 is in no study that is de-identified now" in result.stderr
    assert run(untouched, "--undo").exit_code == 2


def test_story_tells_what_was_held_back_and_released_by_whom(site: Site) -> None:
    held = series_of(site, "MR")
    run(site, held)
    run(site, held, "--undo")

    told = CliRunner().invoke(main, ["show", key(site)], env=site.deployment.environment).stdout.splitlines()

    assert misfits(events_in(site.deployment.data / "runs" / "between_runs" / "events.jsonl")) == []
    assert "between runs\tinstances held back\tby" in told[-2]
    assert "instances 2, left 3" in told[-2]
    assert "between runs\tinstances released\tby" in told[-1]
    assert held not in (site.deployment.data / "runs" / "between_runs" / "events.jsonl").read_text()
