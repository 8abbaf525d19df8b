"""Folders for these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_assets_tests.verification.folders import Folders, copy_of, make_folders


@pytest.fixture(scope="session")
def sound_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """What the engine makes of the source; not to be changed."""
    return make_folders(tmp_path_factory.mktemp("verification"))


@pytest.fixture
def folders(sound_folders: Folders, tmp_path: Path) -> Folders:
    """The same, to be spoilt."""
    return copy_of(sound_folders, tmp_path)
