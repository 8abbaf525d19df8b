"""Originals planted in every place where real studies carry them, looked for wherever they may not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_assets_tests.conftest import SmallSite
from dicom_assets_tests.deployment import files_holding
from dicom_assets_tests.leaks import leaks

pytestmark = pytest.mark.long


@pytest.mark.parametrize("protocol", ["c-get", "c-move"])
def test_no_original_of_any_study_is_anywhere_it_should_not_be(
    make_site: SmallSite, tmp_path: Path, protocol: str
) -> None:
    site = make_site(STAGING_PACS_PROTOCOL=protocol)
    needles = {
        f"identifier {number} of study {study.number}": identifier.encode()
        for study in site.studies
        for number, identifier in enumerate(sorted(study.identifiers))
    }

    job = site.deployment.run(site.deployment.job_command())

    assert site.research.count() == sum(study.publishable for study in site.published())
    assert leaks(site) == []
    assert files_holding(tmp_path / "research-pacs", needles, lambda _: False) == []
    said = (job.stdout + job.stderr).encode()
    assert [name for name, needle in needles.items() if needle in said] == []
