"""What real runs write into their folders: events that fit the shipped schema, and pages that are true."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest
from jsonschema import Draft202012Validator

from dicom_assets.adapters.audit_trail import run_folders
from dicom_assets.study import STAGES
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.deployment import REPOSITORY
from dicom_assets_tests.event_schema import KINDS, SCHEMA, events_in, misfits
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.scripted_pacs import Gate
from dicom_assets_tests.waiting import has_happened, killed_job, wait_until

GOOD, WITH_QUARANTINE, NOT_IN_STAGING = 5, 2, 7
CANARY_EVENTS = {"canary_arrived", "canary_lost", "canary_waits"}


@pytest.fixture
def site(make_site: SmallSite) -> Site:
    return make_site((GOOD, WITH_QUARANTINE, NOT_IN_STAGING))


def names(events: list[dict[str, object]]) -> set[str]:
    return {str(event["event"]) for event in events}


def test_schema_is_one_and_describes_every_kind_of_event() -> None:
    Draft202012Validator.check_schema(SCHEMA)

    for kind in KINDS:
        assert SCHEMA["$defs"][kind]["properties"]["event"] == {"const": kind}
        assert SCHEMA["$defs"][kind]["description"]


def test_schema_knows_every_event_that_the_code_writes() -> None:
    written = set()
    for file in (REPOSITORY / "dicom_assets").rglob("*.py"):
        written |= set(re.findall(r"(?:\.event|\._record)\(\s*\"([a-z_]+)\"", file.read_text()))
        written |= set(re.findall(r"\"((?:stage|study)_[a-z]+)\" (?:if|else)", file.read_text()))

    assert written
    assert written <= set(KINDS)


def test_event_that_lacks_a_fact_or_has_one_too_many_does_not_fit() -> None:
    event = {"version": 1, "at": "2026-01-01T00:00:00.000000+00:00", "event": "run_stopped", "reason": "why"}

    assert misfits([event]) == []
    assert misfits([{**event, "more": 1}])
    assert misfits([{name: value for name, value in event.items() if name != "reason"}])
    assert misfits([{**event, "version": 2}])
    assert misfits([{**event, "event": "unheard_of"}])


def test_events_of_a_dry_run_a_failing_a_good_and_an_idle_run_fit_the_schema(site: Site) -> None:
    site.deployment.execute({"dry_run": True, "limit": 2})
    site.research.stop()
    assert not site.deployment.execute().success
    site.research.start()
    site.deployment.execute()
    site.deployment.execute({"refresh": True}, partition=site.deployment.study_key(site.study().study_uid))

    folders = run_folders(site.deployment.data)
    all_events = [events_in(folder / "events.jsonl") for folder in folders]

    assert len(folders) == 4
    assert [misfits(events) for events in all_events] == [[]] * 4
    for events in all_events:
        assert events[0]["event"] == "run_started"
        assert events[-1]["event"] == "run_finished"
        assert {"study_selected", "studies_selected", "stage_started", "stage_finished"} <= names(events)
    assert {"study_waits", "study_failed"} <= names(all_events[1])
    assert "stage_skipped" in names(all_events[2])
    for folder in folders:
        page = (folder / "overview.html").read_text()
        assert re.search(r'class="state finished[ "-]', page)
        assert 'http-equiv="Content-Security-Policy"' in page
    assert leaks(site) == []


def test_run_that_is_killed_leaves_unfinished_pages_that_are_true_and_events_that_fit(make_site: SmallSite) -> None:
    site = make_site((GOOD,))
    gate = Gate()

    def judge(_uid: str, keep: object) -> int:
        gate.stop()
        return 0xA700

    site.research.judge = judge
    key = site.deployment.study_key(site.study().study_uid)

    def page() -> str:
        file = site.deployment.run_folder() / "overview.html"
        return file.read_text() if file.exists() else ""

    with killed_job(site.deployment):
        gate.wait_until_reached()
        wait_until(lambda: has_happened(site.deployment, event="stage_started", stage="published"), "the last stage")
        wait_until(lambda: "under way" in page() and "begun" in page(), "the page of this moment")
    site.research.judge = lambda _uid, keep: keep()
    gate.open()

    folder = site.deployment.run_folder()
    instances = str(site.study().publishable)
    assert misfits(events_in(folder / "events.jsonl")) == []
    overview = (folder / "overview.txt").read_text()
    [line] = [line.split() for line in overview.splitlines() if line.startswith(key)]
    assert "NOT FINISHED as of" in overview
    assert line[:4] == [key, str(site.study().instances), instances, instances]
    assert line[4:6] == ["under", "way"]
    assert ">not finished<" in page()
    assert re.search(rf">{key}</td><td class=\"is-under-way\">under way</td>", page())
    assert ">begun</td>" in page()
    assert site.deployment.execute().success
    assert ">finished<" in page()


def test_run_that_stops_says_why_in_its_folder(make_site: SmallSite) -> None:
    site = make_site((GOOD,), STAGING_PACS_PROTOCOL="c-move")
    site.staging.deliver = list
    site.deployment.set(LOCAL_AE_TITLE="NOBODY")

    assert not site.deployment.execute().success

    folder = site.deployment.run_folder()
    events = events_in(folder / "events.jsonl")
    assert misfits(events) == []
    assert [event["event"] for event in events][-2:] == ["canary_lost", "run_stopped"]
    assert f"NOT FINISHED, stopped: {events[-1]['reason']}" in (folder / "overview.txt").read_text()
    assert ">stopped<" in (folder / "overview.html").read_text()


def test_stage_that_a_killed_run_finished_without_saying_so_is_found_by_the_next_run(make_site: SmallSite) -> None:
    site = make_site((GOOD,))
    assert site.deployment.execute().success
    site.deployment.forget_dagster()

    assert site.deployment.execute().success

    events = events_in(site.deployment.run_folder() / "events.jsonl")
    assert misfits(events) == []
    assert [event["stage"] for event in events if event["event"] == "stage_found"] == [str(stage) for stage in STAGES]


def test_dagster_shows_the_run_at_a_glance(site: Site) -> None:
    result = site.deployment.execute()

    assert not result.success
    with site.deployment.instance() as instance:
        records = instance.fetch_observations(dg.AssetKey("reviewed"), limit=1).records
        [failure] = [event for event in result.all_events if event.is_step_failure]
    observation = records[0].asset_observation
    assert observation is not None
    summary = observation.metadata["summary"]
    assert isinstance(summary, dg.MarkdownMetadataValue)
    assert "| published | 2 |" in str(summary.value)
    assert observation.metadata["published"].value == 2
    assert Path(str(observation.metadata["overview_page"].value)).is_file()
    assert failure.step_failure_data.user_failure_data is not None
    assert failure.step_failure_data.user_failure_data.metadata["summary"] == summary


def test_dry_run_observes_nothing(site: Site) -> None:
    site.deployment.execute({"dry_run": True})

    with site.deployment.instance() as instance:
        assert not instance.fetch_observations(dg.AssetKey("reviewed"), limit=1).records
    assert "<b>Dry run.</b>" in (site.deployment.run_folder() / "overview.html").read_text()
