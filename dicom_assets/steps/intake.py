"""What arrives of a study while it is pulled: named, written durably, compared with what was expected."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextlib import closing

from dicom_assets.deidentification import InstanceIdentity, UnreadableInstanceError, read_identity
from dicom_assets.errors import StudyError
from dicom_assets.steps.ports import StageDraft
from dicom_assets.study import FileReceipt, InstanceRef, Retrieval


class Intake:
    """The instances of one study, as they arrive on any number of threads.

    Files are numbered by the order of the expected SOP Instance UIDs, so that a pull that was killed
    can go on with what it has, and file names say nothing.
    """

    def __init__(self, study_uid: str, expected: Sequence[InstanceRef], draft: StageDraft) -> None:
        self._study_uid = study_uid
        self._draft = draft
        self._mutex = threading.Lock()
        self.expected = {ref.sop_instance_uid: ref for ref in expected}
        self._names = {uid: f"{number:06d}.dcm" for number, uid in enumerate(sorted(self.expected), start=1)}
        self.received: dict[str, FileReceipt] = {}
        self.differing_duplicates: set[str] = set()
        self._pending: dict[str, bytes] = {}

    def take_over_leftovers(self) -> None:
        """Keep the whole instances that a killed run left in the draft, drop everything else."""
        uid_of = {name: uid for uid, name in self._names.items()}
        for name in self._draft.names():
            uid = uid_of.get(name)
            if uid is None or not self._is_instance(name, uid):
                self._draft.discard(name)
                continue
            with closing(self._draft.open(name)) as file:
                content = file.read()
            self.received[uid] = FileReceipt(hashlib.sha256(content).hexdigest(), len(content))

    def _is_instance(self, name: str, uid: str) -> bool:
        identity = self._identity_of(name)
        return identity is not None and self._is_as_announced(identity, uid)

    def _identity_of(self, name: str) -> InstanceIdentity | None:
        try:
            with closing(self._draft.open(name)) as file:
                return read_identity(file)
        except UnreadableInstanceError:
            return None

    def _is_as_announced(self, identity: InstanceIdentity, uid: str) -> bool:
        return (identity.sop_uid, identity.study_uid) == (uid, self._study_uid)

    def receive(self, sop_instance_uid: str, content: bytes) -> None:
        """Write an instance; the same bytes again are taken and dropped, other bytes are remembered as a fault."""
        with self._mutex:
            if sop_instance_uid in self.received or sop_instance_uid in self._pending:
                name = None
            else:
                self._pending[sop_instance_uid] = content
                name = self._names.setdefault(sop_instance_uid, f"{len(self._names) + 1:06d}.dcm")
        if name is None:
            self._compare_duplicate(sop_instance_uid, content)
            return
        try:
            receipt = self._draft.write(name, content)
            with self._mutex:
                self.received[sop_instance_uid] = receipt
        finally:
            with self._mutex:
                self._pending.pop(sop_instance_uid, None)

    def _compare_duplicate(self, sop_instance_uid: str, content: bytes) -> None:
        with self._mutex:
            receipt = self.received.get(sop_instance_uid)
            if receipt is None:  # the first one is being written
                same = self._pending.get(sop_instance_uid) == content
            else:
                same = receipt.sha256 == hashlib.sha256(content).hexdigest()
            if not same:
                self.differing_duplicates.add(sop_instance_uid)

    def drop_differing_duplicates(self) -> int:
        """Drop the instances that came with two contents, so that the next run asks for them; returns how many."""
        for uid in self.differing_duplicates:
            self._draft.discard(self._names[uid])
        return len(self.differing_duplicates)

    def drop_all(self) -> None:
        """Drop everything that arrived."""
        for uid in self.received:
            self._draft.discard(self._names[uid])

    def name_of(self, sop_instance_uid: str) -> str:
        """The file an instance was written to."""
        return self._names[sop_instance_uid]

    def missing(self) -> list[InstanceRef]:
        """What was expected and has not arrived."""
        with self._mutex:
            return [ref for uid, ref in self.expected.items() if uid not in self.received]

    def what_to_ask(self) -> list[Retrieval]:
        """The fewest requests for what is missing: the study, whole series, then single instances."""
        missing = self.missing()
        if len(missing) == len(self.expected):
            return [Retrieval(self._study_uid, sop_class_uids=_classes(missing))] if missing else []
        requests = []
        for series_uid in sorted({ref.series_instance_uid for ref in missing}):
            of_series = [ref for ref in missing if ref.series_instance_uid == series_uid]
            whole = sum(ref.series_instance_uid == series_uid for ref in self.expected.values())
            if len(of_series) == whole > 1:
                requests.append(Retrieval(self._study_uid, series_uid, sop_class_uids=_classes(of_series)))
            else:
                requests += [
                    Retrieval(self._study_uid, series_uid, ref.sop_instance_uid, _classes([ref])) for ref in of_series
                ]
        return requests

    def identities(self) -> dict[str, InstanceIdentity | None]:
        """Who each received instance says it is; None for what can't be read.

        Raises:
            StudyError: an instance belongs to another study or is not the one it was announced as.
        """
        found = {uid: self._identity_of(self.name_of(uid)) for uid in sorted(self.received)}
        strangers = sum(
            identity is not None and not self._is_as_announced(identity, uid) for uid, identity in found.items()
        )
        if strangers:
            raise StudyError(
                f"The staging PACS delivered {strangers} instance(s) that belong to another study or are not "
                "what they were announced as: have the PACS's index repaired."
            )
        return found


def _classes(refs: Sequence[InstanceRef]) -> frozenset[str]:
    classes = frozenset(ref.sop_class_uid for ref in refs)
    return frozenset() if "" in classes else classes
