"""The job `check_studies`: what it sees of real damage, and how it is launched."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dicom_assets.adapters.purge import purge, stored_studies
from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.steps.findings import StudyCheck
from dicom_assets.study import StudyKey
from dicom_assets_tests.conftest import Site, running_site
from dicom_assets_tests.defs.evaluations import evaluations, facts_of, newest_states, outcomes
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.small_studies import INSTANCES, small_study

ALL_PASSED = dict.fromkeys(StudyCheck, True)


STUDIES = 10


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Small studies that a run has published; each test takes those that are its own."""
    studies = [small_study(number, f"examined {number}") for number in range(201, 201 + STUDIES)]
    with running_site(tmp_path_factory.mktemp("published"), studies) as site:
        assert site.deployment.execute().success
        yield site


def examine(
    site: Site, config: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    job = site.deployment.definitions().resolve_job_def("check_studies")
    with site.deployment.instance() as instance:
        return job.execute_in_process(
            run_config={"ops": {"examine_studies": {"config": dict(config or {})}}},
            instance=instance,
            tags=dict(tags or {}),
            raise_on_error=False,
        )


def key_of(site: Site, place: int) -> StudyKey:
    return site.deployment.study_key(site.studies[place].study_uid)


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    [failure] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    return failure.step_failure_data.user_failure_data.description or ""


def test_undamaged_studies_pass_everything(published: Site) -> None:
    keys = [key_of(published, place) for place in (0, 1)]

    result = examine(published, {"studies": keys})

    assert result.success
    for key in keys:
        found = evaluations(published.deployment)[key]
        assert outcomes(published.deployment, key) == ALL_PASSED
        assert facts_of(found[StudyCheck.COMPLETE_AGAINST_PACS])["files_compared"] == INSTANCES
        assert facts_of(found[StudyCheck.NO_RESIDUAL_IDENTIFIERS])["read_again"] == INSTANCES
        assert facts_of(found[StudyCheck.PRESENT_IN_RESEARCH_PACS])["listed"] == INSTANCES
    for check in StudyCheck:
        assert {newest_states(published.deployment, check)[key] for key in keys} == {("SUCCEEDED", True)}
    assert not leaks(published)


def newest_run(site: Site, key: StudyKey) -> str:
    with site.deployment.instance() as instance:
        check = dg.AssetCheckKey(dg.AssetKey("pulled"), str(StudyCheck.COMPLETE_AGAINST_PACS))
        infos = instance.event_log_storage.get_asset_check_partition_info([check], partition_keys=[key])
    return infos[0].latest_planned_run_id


def examined_in(result: dg.ExecuteInProcessResult) -> set[str | None]:
    said = [event for event in result.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION"]
    return {event.asset_check_evaluation_data.partition for event in said}


@pytest.mark.parametrize("count", [1, 2])
def test_partition_or_range_is_examined(published: Site, count: int) -> None:
    with published.deployment.instance() as instance:
        keys = list(instance.get_dynamic_partitions("studies"))[:count]
    a_range = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}

    result = examine(published, {"instances": 1}, a_range if count > 1 else {"dagster/partition": keys[0]})

    assert result.success
    assert examined_in(result) == set(keys)


def test_without_names_those_that_were_not_examined_for_longest_are_taken(published: Site) -> None:
    taken = [examined_in(examine(published, {"limit": 1, "instances": 1})) for _ in range(2)]

    assert len(taken[0] | taken[1]) == 2


def change_a_pulled_file(site: Site, folder: Path) -> None:
    file = folder / "pulled" / "instances" / "000001.dcm"
    file.write_bytes(file.read_bytes()[:-2] + b"\x01\x02")


def lose_a_deidentified_file(site: Site, folder: Path) -> None:
    (folder / "deidentified" / "instances" / "000001.dcm").unlink()


def forget_an_instance(site: Site, folder: Path) -> None:
    manifest = json.loads((folder / "deidentified" / "manifest.json").read_text())
    manifest["instances"].pop()
    (folder / "deidentified" / "manifest.json").write_text(json.dumps(manifest))


def leave_an_original(site: Site, folder: Path) -> None:
    shutil.copy(folder / "pulled" / "instances" / "000002.dcm", folder / "deidentified" / "instances")


def mix_two_instances_up(site: Site, folder: Path) -> None:
    manifest = json.loads((folder / "deidentified" / "manifest.json").read_text())
    first, second, *_ = manifest["instances"]
    first["sop_instance_uid"] = second["sop_instance_uid"]
    (folder / "deidentified" / "manifest.json").write_text(json.dumps(manifest))


def change_the_row(site: Site, folder: Path) -> None:
    uid = json.loads((folder / "deidentified" / "manifest.json").read_text())["instances"][0]["study_instance_uid"]
    site.deployment.sql("research", f"UPDATE staging_radiologystudy SET total_images = 77 WHERE study_uid = '{uid}'")


def lose_one_in_the_research_pacs(site: Site, folder: Path) -> None:
    manifest = json.loads((folder / "published" / "manifest.json").read_text())
    site.research._entries()._entries.pop(next(iter(manifest["hashes"])))


Damage = Callable[[Site, Path], None]
DAMAGE: list[tuple[Damage, set[StudyCheck]]] = [
    (change_a_pulled_file, {StudyCheck.COMPLETE_AGAINST_PACS, StudyCheck.IOD_VALID}),
    (lose_a_deidentified_file, {StudyCheck.ALL_INSTANCES_ACCOUNTED_FOR}),
    (forget_an_instance, {StudyCheck.ALL_INSTANCES_ACCOUNTED_FOR, StudyCheck.REGISTERED_ROW_AGREES}),
    (
        leave_an_original,
        {StudyCheck.ALL_INSTANCES_ACCOUNTED_FOR, StudyCheck.NO_RESIDUAL_IDENTIFIERS, StudyCheck.UIDS_CONSISTENT},
    ),
    (mix_two_instances_up, {StudyCheck.UIDS_CONSISTENT}),
    (change_the_row, {StudyCheck.REGISTERED_ROW_AGREES}),
    (lose_one_in_the_research_pacs, {StudyCheck.PRESENT_IN_RESEARCH_PACS}),
]


@pytest.fixture(scope="module")
def damaged(published: Site) -> dict[Damage, tuple[dg.ExecuteInProcessResult, StudyKey]]:
    """Each damage was done to a study of its own, and all were examined."""
    keys = {damage: key_of(published, place) for place, (damage, _) in enumerate(DAMAGE, start=2)}
    for damage, key in keys.items():
        damage(published, published.deployment.data / "studies" / key)
    result = examine(published, {"studies": list(keys.values())})
    return {damage: (result, key) for damage, key in keys.items()}


@pytest.mark.parametrize(("damage", "expected"), DAMAGE, ids=[damage.__name__ for damage, _ in DAMAGE])
def test_damage_is_seen_by_the_check_that_it_is_about(
    published: Site,
    damaged: Mapping[Damage, tuple[dg.ExecuteInProcessResult, StudyKey]],
    damage: Damage,
    expected: set[StudyCheck],
) -> None:
    result, key = damaged[damage]

    found = evaluations(published.deployment)[key].items()
    errors = {check for check, one in found if not one.passed and one.severity is dg.AssetCheckSeverity.ERROR}
    assert errors == expected
    assert not result.success
    [told] = [line for line in failure_of(result).splitlines() if line.startswith(key)]
    assert all(str(check) in told for check in expected)


def test_what_can_not_be_asked_now_is_a_warning(published: Site) -> None:
    key, port = key_of(published, 0), published.deployment.environment["RESEARCH_PACS_PORT"]
    published.deployment.set(RESEARCH_PACS_PORT=1, PACS_RETRY_SECONDS=0)

    result = examine(published, {"studies": [key], "instances": 1})

    published.deployment.set(RESEARCH_PACS_PORT=port)
    assert result.success
    found = evaluations(published.deployment)[key][StudyCheck.PRESENT_IN_RESEARCH_PACS]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "Could not be found out" in (found.description or "")


def test_purged_study_is_examined_without_its_images(published: Site) -> None:
    key = key_of(published, STUDIES - 1)
    store = FolderStudyStore(published.deployment.data / "studies")
    assert purge(store, next(one for one in stored_studies(store.root) if one.study_key == key))

    result = examine(published, {"studies": [key]})

    assert result.success
    events = [event for event in result.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION"]
    asked = {event.asset_check_evaluation_data.check_name for event in events}
    assert asked == set(StudyCheck) - {StudyCheck.NO_RESIDUAL_IDENTIFIERS, StudyCheck.IOD_VALID}
    assert all(event.asset_check_evaluation_data.passed for event in events)


def test_study_that_does_not_exist_fails_the_job_alone(published: Site) -> None:
    key = key_of(published, 0)
    before = newest_run(published, key)

    result = examine(published, {"studies": ["S000000000000", key], "instances": 1})

    assert not result.success
    assert "S000000000000 is no partition" in failure_of(result)
    assert newest_run(published, key) == result.run_id != before


@pytest.mark.long
def test_job_runs_from_the_terminal(published: Site) -> None:
    key = key_of(published, 0)
    job = [sys.executable, "-m", "dagster", "job", "execute", "-m", "dicom_assets.definitions", "-j", "check_studies"]

    done = published.deployment.run([*job, "--tags", json.dumps({"dagster/partition": key})])

    assert done.returncode == 0, done.stderr[-2000:]
    assert f"{key} no_residual_identifiers: passed" in done.stderr
