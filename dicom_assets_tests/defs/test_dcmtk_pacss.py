"""The whole job between two PACSs of DCMTK."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_assets.study import Stage
from dicom_assets_tests.dcmtk import dcmsend, has_dcmtk, running_dcmqrscp
from dicom_assets_tests.deployment import deploy
from dicom_assets_tests.small_studies import INSTANCES, small_study, write_files

pytestmark = [pytest.mark.long, pytest.mark.skipif(not has_dcmtk(), reason="DCMTK is not installed")]

STUDY = small_study(99, "goes from one PACS of DCMTK to another")


@pytest.mark.parametrize("protocol", ["c-get", "c-move"])
def test_study_goes_from_one_to_the_other(tmp_path: Path, protocol: str) -> None:
    deployment = deploy(tmp_path / "site", [STUDY], STAGING_PACS_PROTOCOL=protocol)
    local = ("127.0.0.1", int(deployment.environment["LOCAL_PORT"]))
    with (
        running_dcmqrscp("STAGING", tmp_path / "staging", {"DICOM_ASSETS": local}) as staging,
        running_dcmqrscp("RESEARCH", tmp_path / "research", {}) as research,
    ):
        dcmsend("STAGING", staging.port, write_files(STUDY, tmp_path))
        deployment.set(STAGING_PACS_PORT=staging.port, RESEARCH_PACS_PORT=research.port)

        assert deployment.execute().success

        assert staging.count() == research.count() == INSTANCES
        folder = deployment.data / "studies" / deployment.study_key(STUDY.study_uid) / Stage.PUBLISHED
        assert all(uid in (folder / "manifest.json").read_text() for uid in research.instances())
        assert not research.instances().keys() & staging.instances().keys()
