"""Folders of stages: whole or not there."""

from __future__ import annotations

import hashlib
import json
import pickle
import stat
from contextlib import closing
from pathlib import Path

import pytest

from dicom_assets.adapters.scratch import scratch_folder
from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.errors import StorageError, StudyBusyError
from dicom_assets.study import Stage, StudyKey

KEY = StudyKey("S000000000001")


@pytest.fixture
def store(tmp_path: Path) -> FolderStudyStore:
    return FolderStudyStore(tmp_path / "studies")


def finish(store: FolderStudyStore, content: bytes, stage: Stage = Stage.PULLED) -> None:
    draft = store.draft(KEY, stage)
    draft.write("000001.dcm", content)
    draft.commit({"stage": stage, "said": content.decode()})


def test_draft_is_not_a_finished_stage(store: FolderStudyStore) -> None:
    store.draft(KEY, Stage.PULLED).write("000001.dcm", b"one")

    assert store.finished(KEY, Stage.PULLED) is None


def test_committed_stage_can_be_read_again(store: FolderStudyStore) -> None:
    finish(store, b"one")

    folder = store.finished(KEY, Stage.PULLED)

    assert folder is not None
    assert folder.manifest() == {"stage": "pulled", "said": "one"}
    with closing(folder.open("000001.dcm")) as file:
        assert file.read() == b"one"


def test_receipt_is_of_what_lies_on_disk(store: FolderStudyStore) -> None:
    draft = store.draft(KEY, Stage.PULLED)

    receipt = draft.write("000001.dcm", [b"one", memoryview(b"two")])

    assert (receipt.sha256, receipt.size_bytes) == (hashlib.sha256(b"onetwo").hexdigest(), 6)


def test_new_commit_takes_the_place_of_the_old_one(store: FolderStudyStore) -> None:
    finish(store, b"one")
    finish(store, b"two")

    folder = store.finished(KEY, Stage.PULLED)

    assert folder is not None
    assert folder.manifest()["said"] == "two"
    assert [path.name for path in folder.path.parent.iterdir()] == ["pulled"]


def test_resumed_draft_keeps_whole_files_and_drops_unfinished_ones(store: FolderStudyStore) -> None:
    draft = store.draft(KEY, Stage.PULLED, resume="review 1")
    draft.write("000001.dcm", b"one")
    (draft.path / "instances" / ".000002.dcm.ab12").write_bytes(b"tw")

    assert store.draft(KEY, Stage.PULLED, resume="review 1").names() == ["000001.dcm"]


def test_draft_whose_commit_failed_can_still_be_resumed(store: FolderStudyStore) -> None:
    draft = store.draft(KEY, Stage.PULLED, resume="review 1")
    draft.write("000001.dcm", b"one")
    in_the_way = draft.path / "manifest.json"
    in_the_way.mkdir()

    with pytest.raises(StorageError):
        draft.commit({"stage": "pulled"})
    in_the_way.rmdir()

    assert store.draft(KEY, Stage.PULLED, resume="review 1").names() == ["000001.dcm"]


@pytest.mark.parametrize("resume", ["", "review 2"])
def test_draft_of_other_inputs_is_not_resumed(store: FolderStudyStore, resume: str) -> None:
    store.draft(KEY, Stage.PULLED, resume="review 1").write("000001.dcm", b"one")

    assert store.draft(KEY, Stage.PULLED, resume=resume).names() == []


def test_digest_is_of_the_content_and_not_of_facts_and_inputs(store: FolderStudyStore) -> None:
    digests = []
    for seconds in (1, 2):
        manifest = {"content": "one", "facts": {"seconds": seconds}, "inputs": {"run": str(seconds)}}
        digests.append(store.draft(KEY, Stage.PULLED).commit(manifest).digest())

    assert digests[0] == digests[1]


def test_digest_changes_with_the_content(store: FolderStudyStore) -> None:
    finish(store, b"one")
    first = store.finished(KEY, Stage.PULLED)
    assert first is not None
    digest = first.digest()
    finish(store, b"two")

    assert first.digest() != digest


def test_study_is_held_by_one_run_at_a_time(store: FolderStudyStore) -> None:
    with store.lock(KEY), pytest.raises(StudyBusyError, match=KEY), store.lock(KEY):
        pass
    with store.lock(KEY):
        pass


def test_folders_are_for_their_owner_alone(store: FolderStudyStore) -> None:
    finish(store, b"one")

    folders = [path for path in store.root.rglob("*") if path.is_dir()]
    assert folders
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_folders_travel_to_worker_processes(store: FolderStudyStore) -> None:
    finish(store, b"one")
    folder = store.finished(KEY, Stage.PULLED)

    assert pickle.loads(pickle.dumps((folder, store.draft(KEY, Stage.PULLED)))) == (
        folder,
        store.draft(KEY, Stage.PULLED),
    )


def test_unwritable_root_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "studies").write_text("a file where a folder should be")

    with pytest.raises(StorageError, match="DATA_DIR"):
        FolderStudyStore(tmp_path / "studies").draft(KEY, Stage.PULLED)


def test_manifest_that_was_lost_makes_the_stage_unfinished(store: FolderStudyStore) -> None:
    finish(store, b"one")
    (store.root / KEY / "pulled" / "manifest.json").unlink()

    assert store.finished(KEY, Stage.PULLED) is None


class TestDryRuns:
    def test_earlier_stages_are_read_from_the_real_store(self, store: FolderStudyStore, tmp_path: Path) -> None:
        finish(store, b"one")
        scratch = FolderStudyStore(tmp_path / "scratch", fallback=store.root)

        finished = scratch.finished(KEY, Stage.PULLED)
        scratch.draft(KEY, Stage.DEIDENTIFIED).commit({"stage": "deidentified"})

        assert finished is not None
        assert scratch.finished(KEY, Stage.DEIDENTIFIED) is not None
        assert store.finished(KEY, Stage.DEIDENTIFIED) is None

    def test_scratch_folder_is_gone_afterwards(self, tmp_path: Path) -> None:
        with scratch_folder(tmp_path) as scratch:
            (scratch / "study.json").write_text(json.dumps({}))

        assert list((tmp_path / "scratch").iterdir()) == []
