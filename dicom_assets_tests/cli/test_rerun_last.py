"""`dicom-assets rerun-last` after a run that could not publish."""

from __future__ import annotations

import sys

from dicom_assets.study import Stage
from dicom_assets_tests.conftest import SmallSite

COMMAND = [sys.executable, "-c", "from dicom_assets.cli import main; main()", "rerun-last"]


def test_last_run_is_run_again_with_its_config_and_partition(make_site: SmallSite) -> None:
    site = make_site((5,), PACS_RETRY_SECONDS=0)
    site.research.stop()
    assert site.deployment.execute({"publish": False}).success
    key = site.deployment.study_key(site.study().study_uid)
    assert not site.deployment.execute({"modalities": ["CT", "MR", "SR"]}, partition=key).success
    site.research.start()

    again = site.deployment.run(COMMAND)

    assert again.returncode == 0, again.stderr[-2000:]
    assert site.deployment.materialized()[str(Stage.PUBLISHED)] == {key}
    overview = (site.deployment.run_folder() / "overview.txt").read_text()
    assert "modalities CT,MR,SR" in overview
    assert "pulled 0" in overview, "it stood already"


def test_without_any_run_it_says_where_to_look(make_site: SmallSite) -> None:
    site = make_site((5,))

    result = site.deployment.run(COMMAND)

    assert result.returncode == 1
    assert "check DAGSTER_HOME" in result.stderr
