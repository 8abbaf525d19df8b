"""`dicom-assets purge` after real runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

from click.testing import CliRunner, Result
from filelock import FileLock

from dicom_assets.cli import main
from dicom_assets.study import STAGES, Stage
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.deployment import Deployment
from dicom_assets_tests.event_schema import events_in, misfits

TODAY = time.strftime("%Y-%m-%d", time.gmtime())
TOMORROW = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))


def purge(deployment: Deployment, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["purge", *arguments], env=deployment.environment)


def images(site: Site) -> list[Path]:
    return [path for path in site.deployment.data.rglob("*.dcm") if path.is_file()]


def folder_of(site: Site) -> Path:
    return site.deployment.data / "studies" / site.deployment.study_key(site.study().study_uid)


def test_images_of_published_studies_go_and_text_stays(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute().success

    result = purge(site.deployment, "--before", TOMORROW, "--json")

    [row] = json.loads(result.stdout)
    assert (row["stage"], row["done"]) == ("published", "removed")
    assert images(site) == []
    for stage in STAGES:
        assert (folder_of(site) / stage / "manifest.json").is_file()
    assert list((site.deployment.data / "runs").rglob("overview.txt"))
    [event] = events_in(site.deployment.data / "runs" / "between_runs" / "events.jsonl")
    assert misfits([event]) == []
    assert (event["event"], event["stage"], event["forced"]) == ("images_purged", "published", "no")


def test_dry_run_and_later_dates_remove_nothing(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute().success
    before = images(site)

    dry = purge(site.deployment, "--before", TOMORROW, "--dry-run", "--json")
    early = purge(site.deployment, "--before", TODAY, "--json")

    assert [row["done"] for row in json.loads(dry.stdout)] == ["would be removed"]
    assert json.loads(early.stdout) == []
    assert images(site) == before


def test_unfinished_study_is_left_alone_unless_forced(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute({"publish": False}).success
    before = images(site)

    [row] = json.loads(purge(site.deployment, "--before", TOMORROW, "--json").stdout)
    assert (row["stage"], row["done"]) == ("registered", "kept: not published (--force)")
    assert images(site) == before

    purge(site.deployment, "--before", TOMORROW, "--force")
    assert images(site) == []


def test_purged_study_that_is_run_again_is_pulled_again(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute({"publish": False}).success
    purge(site.deployment, "--before", TOMORROW, "--force")
    handed_out = len(site.staging.handed_out)

    assert site.deployment.execute().success

    assert len(site.staging.handed_out) == 2 * handed_out
    assert site.research.count() == site.study().publishable
    assert not list(folder_of(site).rglob("purged.json"))


def test_leftovers_of_killed_runs_go_with_their_study(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute().success
    leftover = folder_of(site) / f".{Stage.PULLED}.draft" / "instances" / "000001.dcm"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"identified")

    purge(site.deployment, "--before", TOMORROW)

    assert not leftover.parent.parent.exists()


def test_study_that_a_run_works_on_is_left_alone(make_site: SmallSite) -> None:
    site = make_site((5,))
    assert site.deployment.execute().success
    before = images(site)

    with FileLock(folder_of(site) / ".lock"):
        [row] = json.loads(purge(site.deployment, "--before", TOMORROW, "--json").stdout)

    assert row["done"] == "kept: a run works on it"
    assert images(site) == before
