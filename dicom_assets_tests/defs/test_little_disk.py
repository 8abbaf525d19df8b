"""A disk of DATA_DIR with less room than MIN_FREE_DISK_MEGABYTES: nothing is taken in, the PACS keeps what it has."""

from __future__ import annotations

import pytest

from dicom_assets.demo.pacs_index import STUDY_UID
from dicom_assets_tests.conftest import SmallSite
from dicom_assets_tests.defs.test_bad_settings import message_of
from dicom_assets_tests.leaks import leaks

MORE_THAN_THERE_IS = 10**9


@pytest.mark.parametrize("protocol", ["c-get", "c-move"])
def test_study_waits_for_room_and_is_pulled_once_there_is(make_site: SmallSite, protocol: str) -> None:
    site = make_site((5,), STAGING_PACS_PROTOCOL=protocol, MIN_FREE_DISK_MEGABYTES=MORE_THAN_THERE_IS)

    result = site.deployment.execute()

    assert not result.success
    assert "less than MIN_FREE_DISK_MEGABYTES" in message_of(result)
    assert not site.deployment.study_row(site.study().study_uid)["processing_error"]
    assert list(site.deployment.data.rglob("*.dcm")) == []
    assert site.research.offered == []
    assert leaks(site) == []
    assert any(entry.text(STUDY_UID) == site.study().study_uid for entry in site.staging.entries())
    site.deployment.set(MIN_FREE_DISK_MEGABYTES=0)
    assert site.deployment.execute().success
    assert site.research.count() == site.study().publishable
