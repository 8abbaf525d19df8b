"""A study that never gets through, for no fault that anybody marks, does not keep others from their turn."""

from __future__ import annotations

from pathlib import Path

from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets_tests.conftest import Site, running_site
from dicom_assets_tests.scripted_pacs import OUT_OF_RESOURCES
from dicom_assets_tests.small_studies import small_study

OLDER, NEWER = small_study(21, "older"), small_study(22, "newer")


def published(site: Site) -> list[bool]:
    return [bool(site.deployment.study_row(one.study_uid)["image_published"]) for one in (OLDER, NEWER)]


def test_a_study_that_failed_for_now_comes_last_and_in_its_turn_again_once_it_got_through(tmp_path: Path) -> None:
    with running_site(tmp_path, [OLDER, NEWER], PACS_RETRY_SECONDS=0) as site:
        keep_all = site.research.judge
        site.research.judge = lambda _uid, _keep: OUT_OF_RESOURCES
        failed = site.deployment.execute({"limit": 1})
        put_off = [path.name for path in (site.deployment.data / "studies" / ".put_off").iterdir()]
        site.research.judge = keep_all

        other = site.deployment.execute({"limit": 1})
        after_other = published(site)
        again = site.deployment.execute({"limit": 1})

        assert (failed.success, other.success, again.success) == (False, True, True)
        assert put_off == [site.deployment.study_key(OLDER.study_uid)]
        assert not site.deployment.study_row(OLDER.study_uid)["processing_error"]
        assert after_other == [False, True]
        assert published(site) == [True, True]
        assert list((site.deployment.data / "studies" / ".put_off").iterdir()) == []
        assert len(FolderStudyStore(site.deployment.data / "studies").studies()) == 2
