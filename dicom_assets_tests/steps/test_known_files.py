"""Files that this process wrote: known again by their looks, compared by their hash as soon as these changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_assets.adapters.study_store import FinishedStage, FolderStudyStore
from dicom_assets.errors import ChangedContentError
from dicom_assets.steps.deidentify_batch import Expected
from dicom_assets.study import OutgoingInstance, Stage, StudyKey, stamp_of

KEY = StudyKey("S000000000001")
NAME = "000001.dcm"
CONTENT = b"what was written"


@pytest.fixture
def stage(tmp_path: Path) -> FinishedStage:
    draft = FolderStudyStore(tmp_path).draft(KEY, Stage.DEIDENTIFIED)
    receipt = draft.write(NAME, CONTENT)
    return draft.commit({"stage": "deidentified"}, {NAME: receipt})


def outgoing(stage: FinishedStage) -> OutgoingInstance:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return OutgoingInstance(
        "1.2.3", "1.2", "1.2.840.10008.1.2.1", stage.path_of(NAME), digest, 16, stage.stamp_of(NAME)
    )


def expected_of(stage: FinishedStage) -> Expected:
    return Expected(hashlib.sha256(CONTENT).hexdigest(), stage.stamp_of(NAME))


def test_file_looks_as_it_did_when_the_stage_was_finished(stage: FinishedStage) -> None:
    with stage.open(NAME) as file:
        assert stamp_of(file) == stage.stamp_of(NAME)


def test_nothing_is_known_of_what_another_process_wrote(stage: FinishedStage, tmp_path: Path) -> None:
    stage.path.rename(tmp_path / "elsewhere")

    assert FinishedStage(tmp_path / "elsewhere").stamp_of(NAME) is None


def _overwritten(path: Path) -> None:
    before = path.stat()
    path.write_bytes(CONTENT.swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(CONTENT.swapcase())
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [_overwritten, _replaced])
def test_other_content_of_the_same_size_and_time_is_found_out(
    stage: FinishedStage, change: Callable[[Path], None]
) -> None:
    item, expected = outgoing(stage), expected_of(stage)
    change(stage.path_of(NAME))

    with pytest.raises(ChangedContentError):
        item.checked()
    with pytest.raises(ChangedContentError):
        item.content()
    with stage.open(NAME) as file:
        assert not expected.is_as(file.read(), stamp_of(file))


def test_same_content_with_another_look_is_compared_and_taken(stage: FinishedStage) -> None:
    stage.path_of(NAME).chmod(0o400)

    assert bytes(outgoing(stage).content()) == CONTENT
    with stage.open(NAME) as file:
        assert expected_of(stage).is_as(file.read(), stamp_of(file))
