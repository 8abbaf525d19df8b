"""The code location as Dagster loads it."""

from __future__ import annotations

import os
import subprocess
import sys

import dagster as dg

from dicom_assets.definitions import defs
from dicom_assets.study import STAGES
from dicom_assets_tests.deployment import COPY_JOB, JOB, OP, REPOSITORY


def test_every_stage_is_an_asset_partitioned_by_study() -> None:
    graph = defs.resolve_asset_graph()

    for stage in STAGES:
        node = graph.get(dg.AssetKey(str(stage)))
        assert isinstance(node.partitions_def, dg.DynamicPartitionsDefinition)
        assert node.partitions_def.name == "studies"
        assert node.group_name == "study"
    assert not graph.get(dg.AssetKey("reviewed")).is_materializable


def test_stages_follow_each_other() -> None:
    graph = defs.resolve_asset_graph()

    upstream = "reviewed"
    for stage in STAGES:
        assert graph.get(dg.AssetKey(str(stage))).parent_keys == {dg.AssetKey(upstream)}
        upstream = str(stage)


def test_copying_to_production_follows_publishing_and_is_no_part_of_its_job() -> None:
    node = defs.resolve_asset_graph().get(dg.AssetKey("copy_to_production"))

    assert node.parent_keys == {dg.AssetKey("published")}
    assert isinstance(node.partitions_def, dg.DynamicPartitionsDefinition)
    assert (node.partitions_def.name, node.group_name) == ("studies", "study")
    assert [node.name for node in defs.resolve_job_def(COPY_JOB).nodes] == ["copy_published_studies"]


def test_job_runs_all_stages_as_one_op() -> None:
    job = defs.resolve_job_def(JOB)

    assert [node.name for node in job.nodes] == [OP]


def test_definitions_validate_without_a_warning_of_ours() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(REPOSITORY / "workspace.yaml")],
        cwd=REPOSITORY,
        text=True,
        capture_output=True,
        env={**os.environ, "DAGSTER_DISABLE_TELEMETRY": "1"},
    )

    assert result.returncode == 0, result.stderr
    said = result.stdout + result.stderr
    # Dagster's own note that this command of its has a successor is not about these definitions.
    warnings = [
        line for line in said.splitlines() if "Warning" in line and "Function `definitions_validate" not in line
    ]
    assert warnings == []
    assert "Validation successful" in said
