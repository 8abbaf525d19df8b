"""Records of withdrawn studies outlast whatever happens to the process that writes them."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.errors import StorageError
from dicom_assets.study import StudyKey
from dicom_assets.withdrawal import Withdrawal, WithdrawalState

KEY = StudyKey("S0123456789AB")
FOUND = Withdrawal(KEY, ("has PHI",), "v1")


def states(withdrawals: FolderWithdrawals) -> list[str]:
    record = withdrawals.of(KEY)
    assert record is not None
    return [change.state for change in record.changes]


def test_a_study_that_never_was_withdrawn_has_no_record_and_leaves_no_folder(tmp_path: Path) -> None:
    withdrawals = FolderWithdrawals(tmp_path)

    assert withdrawals.of(KEY) is None
    assert list(withdrawals.all()) == []
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    written = FolderWithdrawals(tmp_path).set(
        Withdrawal(KEY, ("has PHI", "excluded"), "v1", ("2.25.1",)), WithdrawalState.WITHDRAWING, "somebody"
    )

    assert FolderWithdrawals(tmp_path).of(KEY) == written
    assert (written.state, written.reason, written.changes[0].by) == ("withdrawing", "has PHI, excluded", "somebody")


def test_a_notice_is_news_once(tmp_path: Path) -> None:
    withdrawals = FolderWithdrawals(tmp_path)

    assert withdrawals.notice(FOUND, "sensor") is not None
    assert withdrawals.notice(FOUND, "sensor") is None
    assert states(withdrawals) == ["noticed"]


@pytest.mark.parametrize("state", [WithdrawalState.WITHDRAWING, WithdrawalState.AWAITING_REMOVAL])
def test_a_withdrawal_that_is_under_way_is_no_news(tmp_path: Path, state: WithdrawalState) -> None:
    withdrawals = FolderWithdrawals(tmp_path)
    withdrawals.set(FOUND, state, "somebody")

    assert withdrawals.notice(FOUND, "sensor") is None


@pytest.mark.parametrize("state", [WithdrawalState.WITHDRAWN, WithdrawalState.LIFTED])
def test_an_objection_after_the_end_is_news_again(tmp_path: Path, state: WithdrawalState) -> None:
    withdrawals = FolderWithdrawals(tmp_path)
    withdrawals.set(FOUND, state, "somebody")

    assert withdrawals.notice(FOUND, "sensor") is not None
    assert states(withdrawals) == [state, "noticed"]


@pytest.mark.parametrize("state", WithdrawalState)
def test_every_state_but_the_lifted_one_holds_the_study_back(tmp_path: Path, state: WithdrawalState) -> None:
    record = FolderWithdrawals(tmp_path).set(FOUND, state, "somebody")

    assert record.holds_back == (state != "lifted")
    assert record.is_open == (state in ("noticed", "withdrawing", "awaiting-removal"))
    assert record.state in record.said()


def test_a_uid_that_was_known_once_is_not_forgotten(tmp_path: Path) -> None:
    withdrawals = FolderWithdrawals(tmp_path)
    withdrawals.set(Withdrawal(KEY, ("x",), study_uids=("2.25.1",)), WithdrawalState.WITHDRAWING, "a")

    record = withdrawals.set(Withdrawal(KEY, ("x",), study_uids=("2.25.2",)), WithdrawalState.WITHDRAWING, "a")

    assert record.study_uids == ("2.25.1", "2.25.2")


def test_the_same_state_again_changes_nothing(tmp_path: Path) -> None:
    withdrawals = FolderWithdrawals(tmp_path)
    first = withdrawals.set(FOUND, WithdrawalState.WITHDRAWN, "a")

    assert withdrawals.set(FOUND, WithdrawalState.WITHDRAWN, "b") == first


def test_who_was_told_is_kept_until_the_next_change(tmp_path: Path) -> None:
    withdrawals = FolderWithdrawals(tmp_path)
    record = withdrawals.set(FOUND, WithdrawalState.NOTICED, "a")
    withdrawals.told(record, "people")
    told = withdrawals.of(KEY)
    assert told is not None
    assert told.knows("people")
    assert not told.knows("dagster")

    assert not withdrawals.set(FOUND, WithdrawalState.WITHDRAWN, "a").knows("people")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"format": 2}', '{"format": 1, "changes": []}', "\xff"],
    ids=["empty", "cut short", "list", "null", "another format", "without a state", "no text"],
)
def test_a_record_that_can_not_be_understood_lets_nobody_pass(tmp_path: Path, content: str) -> None:
    withdrawals = FolderWithdrawals(tmp_path)
    withdrawals.set(FOUND, WithdrawalState.WITHDRAWN, "a")
    (tmp_path / "withdrawals" / f"{KEY}.json").write_bytes(content.encode("latin-1"))

    with pytest.raises(StorageError, match="restore it"):
        withdrawals.of(KEY)


def test_an_unknown_state_lets_nobody_pass(tmp_path: Path) -> None:
    withdrawals = FolderWithdrawals(tmp_path)
    withdrawals.set(FOUND, WithdrawalState.WITHDRAWN, "a")
    file = tmp_path / "withdrawals" / f"{KEY}.json"
    record = json.loads(file.read_text())
    record["changes"][0]["state"] = "whatever"
    file.write_text(json.dumps(record))

    with pytest.raises(StorageError):
        withdrawals.of(KEY)


def test_records_are_for_their_owner_alone(tmp_path: Path) -> None:
    FolderWithdrawals(tmp_path).set(FOUND, WithdrawalState.WITHDRAWN, "a")

    assert (tmp_path / "withdrawals").stat().st_mode & 0o077 == 0


def test_a_study_is_in_flight_until_it_is_settled(tmp_path: Path) -> None:
    withdrawals = FolderWithdrawals(tmp_path)
    assert list(withdrawals.in_flight()) == []

    withdrawals.is_sending(KEY)
    assert list(withdrawals.in_flight()) == [KEY]

    withdrawals.is_settled(KEY)
    withdrawals.is_settled(KEY)
    assert list(withdrawals.in_flight()) == []


def _tell(folder: Path, who: str) -> None:
    withdrawals = FolderWithdrawals(folder)
    record = withdrawals.of(KEY)
    assert record is not None
    withdrawals.told(record, who)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    FolderWithdrawals(tmp_path).set(FOUND, WithdrawalState.NOTICED, "a")
    names = [f"who-{number}" for number in range(8)]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_tell, args=(tmp_path, name)) for name in names[:2]]
    for process in processes:
        process.start()
    for name in names[2:]:
        _tell(tmp_path, name)
    for process in processes:
        process.join(60)

    record = FolderWithdrawals(tmp_path).of(KEY)
    assert record is not None
    assert record.told.keys() == set(names)
