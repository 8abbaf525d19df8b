"""What a run tells Dagster of its studies, check by check."""

from __future__ import annotations

import dagster as dg
import pytest

from dicom_assets.steps.findings import StudyCheck
from dicom_assets.study import STAGES
from dicom_assets_tests.conftest import Site, SmallSite
from dicom_assets_tests.defs.evaluations import evaluations, facts_of, newest_states, outcomes
from dicom_assets_tests.leaks import leaks

ALL_PASSED = dict.fromkeys(StudyCheck, True)


def materialize(site: Site, *keys: str) -> dg.ExecuteInProcessResult:
    """What the web interface launches for a range of partitions: assets with their checks."""
    definitions = site.deployment.definitions()
    job = definitions.resolve_implicit_global_asset_job_def()
    with site.deployment.instance() as instance:
        return job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(str(stage)) for stage in STAGES],
            tags={"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]},
            raise_on_error=False,
        )


def test_queue_run_answers_every_check_of_every_study_that_it_publishes(make_site: SmallSite) -> None:
    site = make_site((2, 5))

    site.deployment.execute()

    for study in site.studies:
        found = evaluations(site.deployment)[site.deployment.study_key(study.study_uid)]
        assert {check: evaluation.passed for check, evaluation in found.items()} == ALL_PASSED
        assert facts_of(found[StudyCheck.COMPLETE_AGAINST_PACS])["listed"] == study.instances
        accounted = facts_of(found[StudyCheck.ALL_INSTANCES_ACCOUNTED_FOR])
        assert accounted["pulled"] == accounted["instances"] + accounted["quarantined"] == study.instances
        assert facts_of(found[StudyCheck.IOD_VALID])["iod_examined"] >= 1
        assert facts_of(found[StudyCheck.REGISTERED_ROW_AGREES]) == {"rows_found": 1, "rows_agreeing": 1}
        assert facts_of(found[StudyCheck.PRESENT_IN_RESEARCH_PACS])["instances"] == study.publishable
    assert not leaks(site)


def test_answers_are_of_the_newest_materialization_and_none_is_planned_in_vain(make_site: SmallSite) -> None:
    site = make_site((5,))
    key = site.deployment.study_key(site.study().study_uid)

    site.deployment.execute()
    site.deployment.execute({"refresh": True}, partition=key)

    for check in StudyCheck:
        assert newest_states(site.deployment, check) == {key: ("SUCCEEDED", True)}


def test_iod_valid_warns_and_all_others_are_errors(make_site: SmallSite) -> None:
    site = make_site((5,))

    site.deployment.execute()

    [found] = evaluations(site.deployment).values()
    severities = {check: evaluation.severity for check, evaluation in found.items()}
    assert severities.pop(StudyCheck.IOD_VALID) is dg.AssetCheckSeverity.WARN
    assert set(severities.values()) == {dg.AssetCheckSeverity.ERROR}


def test_range_answers_for_each_partition_and_again_for_what_stood_already(make_site: SmallSite) -> None:
    site = make_site((2, 5))
    site.deployment.execute({"publish": False})
    keys = sorted(site.deployment.study_key(study.study_uid) for study in site.studies)

    first, second = materialize(site, *keys), materialize(site, *keys)

    assert first.success
    assert second.success
    assert second.get_asset_materialization_events() == []
    for check in StudyCheck:
        assert newest_states(site.deployment, check) == dict.fromkeys(keys, ("SUCCEEDED", True))


def test_failure_is_the_answer_to_the_check_that_it_is_about(make_site: SmallSite) -> None:
    site = make_site((6, 7))

    site.deployment.execute()

    [not_linked] = [site.deployment.study_key(study.study_uid) for study in site.studies if study.in_staging]
    [not_there] = [site.deployment.study_key(study.study_uid) for study in site.studies if not study.in_staging]
    found = evaluations(site.deployment)
    assert "encounter" in (found[not_linked][StudyCheck.REGISTERED_ROW_AGREES].description or "")
    assert not found[not_linked][StudyCheck.REGISTERED_ROW_AGREES].passed
    assert outcomes(site.deployment, not_there) == {StudyCheck.COMPLETE_AGAINST_PACS: False}


def test_dry_run_answers_nothing(make_site: SmallSite) -> None:
    site = make_site((5,))

    site.deployment.execute({"dry_run": True})

    assert evaluations(site.deployment) == {}


@pytest.mark.parametrize("named", [True, False])
def test_checks_executed_alone_look_again(make_site: SmallSite, named: bool) -> None:
    site = make_site((5,))
    site.deployment.execute()
    key = site.deployment.study_key(site.study().study_uid)
    definitions = site.deployment.definitions()
    only = dg.define_asset_job("only", dg.AssetSelection.all_asset_checks(), executor_def=dg.in_process_executor)
    job = dg.Definitions(definitions.assets, resources=definitions.resources, jobs=[only]).resolve_job_def("only")

    with site.deployment.instance() as instance:
        tags = {"dagster/partition": key} if named else {}
        result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)

    assert result.success
    assert outcomes(site.deployment, key) == ALL_PASSED
    assert "read_again" in evaluations(site.deployment)[key][StudyCheck.NO_RESIDUAL_IDENTIFIERS].metadata
