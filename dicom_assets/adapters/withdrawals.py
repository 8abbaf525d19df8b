"""The withdrawn studies: `DATA_DIR/withdrawals/<study key>.json`, one file each, which every run looks for.

A record that can't be read holds its study back: nobody knows then what it says. Beside the records,
`DATA_DIR/withdrawals/sending/` has an empty file for every study that is, or was left, on its way to the research PACS.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from dicom_assets.adapters.durable_file import make_private, storage_errors, sync_folder, write_durably
from dicom_assets.errors import StorageError
from dicom_assets.study import StudyKey
from dicom_assets.withdrawal import Change, Withdrawal, WithdrawalState

FORMAT = 1
FOLDER = "withdrawals"
LOCK_SECONDS = 60.0
"""Nobody holds the lock for longer than it takes to write a record."""

_SENDING = "sending"
_MAY_BE_THERE_AGAIN = (WithdrawalState.NOTICED, WithdrawalState.LIFTED)
"""States after which what was seen before in a research PACS tells nothing any more."""


class FolderWithdrawals:
    """Implements the port `Withdrawals`. Any number of threads and processes may use it."""

    def __init__(self, data_dir: Path) -> None:
        """Makes nothing before there is something to write down."""
        self._folder = data_dir / FOLDER

    def of(self, study_key: StudyKey) -> Withdrawal | None:
        """What is known of a study's withdrawal; None for a study that never was.

        Raises:
            StorageError: there is a record, and it can't be read.
        """
        path = self._path(study_key)
        with storage_errors("read the record of a withdrawal"):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                return None
        return _read(study_key, content)

    def all(self) -> Sequence[Withdrawal]:
        """Every withdrawal, lifted ones too, by study key.

        Raises:
            StorageError: a record can't be read.
        """
        with storage_errors("read the records of withdrawals"):
            names = sorted(path.stem for path in self._folder.glob("*.json") if not path.name.startswith("."))
        return [one for name in names if (one := self.of(StudyKey(name))) is not None]

    def notice(self, found: Withdrawal, by: str) -> Withdrawal | None:
        """Write down that a study has to go, unless that is known; None where it is.

        Raises:
            StorageError: it can't be written.
        """
        known = (WithdrawalState.NOTICED, WithdrawalState.WITHDRAWING, WithdrawalState.AWAITING_REMOVAL)
        with self._writing():
            before = self.of(found.study_key)
            if before is not None and before.state in known:
                return None
            return self._changed(before, found, WithdrawalState.NOTICED, by)

    def set(self, found: Withdrawal, state: WithdrawalState, by: str) -> Withdrawal:
        """Bring a study's withdrawal into a state; what is there already stays as it is.

        Raises:
            StorageError: it can't be written.
        """
        with self._writing():
            before = self.of(found.study_key)
            if before is not None and before.state is state and _adds_nothing(found, before):
                return before
            return self._changed(before, found, state, by)

    def told(self, withdrawal: Withdrawal, who: str) -> None:
        """Write down that somebody knows of all changes that this withdrawal has.

        Raises:
            StorageError: it can't be written.
        """
        with self._writing():
            now = self.of(withdrawal.study_key)
            if now is not None and now.told.get(who, 0) < len(withdrawal.changes):
                self._write(replace(now, told={**now.told, who: len(withdrawal.changes)}))

    def is_sending(self, study_key: StudyKey) -> None:
        """Write down that a study may be in the research PACS from now on, in parts or whole.

        Raises:
            StorageError: it can't be written.
        """
        with storage_errors("write down that a study is being sent"):
            make_private(self._folder / _SENDING)
            (self._folder / _SENDING / study_key).touch()
            sync_folder(self._folder / _SENDING)

    def is_settled(self, study_key: StudyKey) -> None:
        """Forget that a study is on its way: the review database says that it is published, or it is gone again.

        Raises:
            StorageError: it can't be written.
        """
        with storage_errors("write down that a study was sent"):
            (self._folder / _SENDING / study_key).unlink(missing_ok=True)

    def in_flight(self) -> Collection[StudyKey]:
        """The studies that are, or were left, on their way to the research PACS.

        Raises:
            StorageError: the folder can't be read.
        """
        with storage_errors("look for studies that were being sent"):
            folder = self._folder / _SENDING
            return sorted(StudyKey(path.name) for path in folder.iterdir()) if folder.is_dir() else []

    def _changed(self, before: Withdrawal | None, found: Withdrawal, state: WithdrawalState, by: str) -> Withdrawal:
        uids = dict.fromkeys([*(before.study_uids if before else ()), *found.study_uids])
        gone_from = dict.fromkeys([*(before.gone_from if before else ()), *found.gone_from])
        record = replace(
            found,
            study_uids=tuple(uids),
            gone_from=() if state in _MAY_BE_THERE_AGAIN else tuple(gone_from),
            changes=before.changes if before else (),
            told=before.told if before else {},
        ).changed(datetime.now(UTC), state, by)
        self._write(record)
        return record

    def _write(self, record: Withdrawal) -> None:
        content = json.dumps(_as_json(record), indent=1).encode()
        write_durably(self._path(record.study_key), [content], "write the record of a withdrawal")
        with storage_errors("write the record of a withdrawal"):
            sync_folder(self._folder)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with storage_errors("lock the records of withdrawals"):
            make_private(self._folder)
            lock = FileLock(self._folder / ".lock", timeout=LOCK_SECONDS)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _path(self, study_key: StudyKey) -> Path:
        return self._folder / f"{study_key}.json"


def _adds_nothing(found: Withdrawal, before: Withdrawal) -> bool:
    return set(found.study_uids) <= set(before.study_uids) and set(found.gone_from) <= set(before.gone_from)


def _as_json(record: Withdrawal) -> Mapping[str, Any]:
    return {
        "format": FORMAT,
        "study_key": record.study_key,
        "reasons": record.reasons,
        "version": record.version,
        "study_uids": record.study_uids,
        "gone_from": record.gone_from,
        "changes": [{"at": one.at.isoformat(), "state": one.state, "by": one.by} for one in record.changes],
        "told": record.told,
    }


def _read(study_key: StudyKey, content: bytes) -> Withdrawal:
    try:
        record = json.loads(content)
        if record["format"] != FORMAT or not record["changes"]:
            raise ValueError
        return Withdrawal(
            study_key=study_key,
            reasons=tuple(map(str, record["reasons"])),
            version=str(record["version"]),
            study_uids=tuple(map(str, record["study_uids"])),
            gone_from=tuple(map(str, record.get("gone_from", ()))),
            changes=tuple(
                Change(datetime.fromisoformat(one["at"]), WithdrawalState(one["state"]), str(one["by"]))
                for one in record["changes"]
            ),
            told={str(who): int(count) for who, count in record["told"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise StorageError(
            f"The record {FOLDER}/{study_key}.json under DATA_DIR can't be understood: restore it from a backup. "
            "Until then its study is held back."
        ) from None
