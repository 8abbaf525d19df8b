"""What arrives of a study while it is pulled: named, written durably, compared with what was expected."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing

from dicom_assets.deidentification import InstanceIdentity, UnreadableInstanceError, read_identity
from dicom_assets.errors import StudyError
from dicom_assets.steps.ports import FileInWriting, StageDraft
from dicom_assets.study import FileReceipt, InstanceRef, Piece, StudyListing, stamp_of

_ASIDE = ".again-"
"""Between the name of an instance's file and the number of a later copy."""


class Intake:
    """The instances of one study, as they arrive on any number of threads.

    Files are numbered by the order of the expected SOP Instance UIDs, then of arrival, so that a pull that was
    killed can go on with what it has, and file names say nothing.
    """

    def __init__(self, study_uid: str, listing: StudyListing, draft: StageDraft) -> None:
        self.study_uid = study_uid
        self.listing = listing
        self._draft = draft
        self._mutex = threading.Lock()
        self.expected = {ref.sop_instance_uid: ref for ref in listing.instances or ()}
        self._names = {uid: _name(number) for number, uid in enumerate(sorted(self.expected), start=1)}
        self._next_number = len(self._names) + 1
        self.received: dict[str, FileReceipt] = {}
        self._identities: dict[str, InstanceIdentity | None] = {}
        self._contents: dict[str, set[str]] = {}
        self._in_writing: set[str] = set()
        self._again = 0
        self.arrived_bytes = 0
        """Of all whole files that came, again or not; not those of an earlier run."""
        self.last_gain = time.monotonic()
        """When an instance was last kept that was not there before: what only begins, and breaks off, is no gain."""

    def take_over_leftovers(self) -> None:
        """Keep the whole instances that a killed run left in the draft, drop everything else.

        Of an instance that came with two contents neither is kept: which one is right is for the PACS to say anew.
        """
        uid_of = {name: uid for uid, name in self._names.items()}
        left = self._draft.names()
        doubtful = {first for name in left for first, mark, _ in [name.partition(_ASIDE)] if mark}
        for name in left:
            if name.partition(_ASIDE)[0] in doubtful:
                self._draft.discard(name)
                continue
            identity = self._read_identity(name)
            uid = uid_of.get(name, "")
            if self.listing.instances is None and identity is not None:
                uid = identity.sop_uid
            if not uid or identity is None or not self._is_as_announced(identity, uid):
                self._draft.discard(name)
                continue
            self._next_number = max(self._next_number, int(name.partition(".")[0]) + 1)
            self._take(uid, name, self._receipt_of(name), identity)

    def _receipt_of(self, name: str) -> FileReceipt:
        with closing(self._draft.open(name)) as file:
            stamp = stamp_of(file)
            digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a BinaryIO has `readinto`
            return FileReceipt(digest, file.tell(), stamp)

    def _take(self, uid: str, name: str, receipt: FileReceipt, identity: InstanceIdentity | None) -> None:
        with self._mutex:
            self._names[uid] = name
            self.received[uid] = receipt
            self._identities[uid] = identity
            self._contents.setdefault(uid, set()).add(receipt.sha256)
            self._in_writing.discard(uid)

    def receive(self, sop_instance_uid: str) -> Arrival:
        """Begin an instance; the same bytes again are taken and dropped, other bytes are kept aside as a fault."""
        with self._mutex:
            is_first = sop_instance_uid not in self.received and sop_instance_uid not in self._in_writing
            name = self._name_for(sop_instance_uid)
            if is_first:
                self._in_writing.add(sop_instance_uid)
            else:
                self._again += 1
                name = f"{name}{_ASIDE}{self._again}"
        try:
            file = self._draft.begin(name)
        except BaseException:
            self.forget(sop_instance_uid)
            raise
        return Arrival(self, sop_instance_uid, name, file, is_first=is_first)

    def _name_for(self, uid: str) -> str:
        if uid not in self._names:
            self._names[uid] = _name(self._next_number)
            self._next_number += 1
        return self._names[uid]

    def arrived(self, uid: str, name: str, receipt: FileReceipt) -> None:
        """The first copy of an instance is on disk."""
        self._take(uid, name, receipt, self._read_identity(name))
        with self._mutex:
            self.arrived_bytes += receipt.size_bytes
            self.last_gain = time.monotonic()

    def arrived_again(self, uid: str, name: str, receipt: FileReceipt) -> None:
        """Another copy is on disk; it stays there, aside, if it is not the same as the first."""
        with self._mutex:
            self.arrived_bytes += receipt.size_bytes
            contents = self._contents.setdefault(uid, set())
            is_known = receipt.sha256 in contents
            contents.add(receipt.sha256)
        if is_known:
            self._draft.discard(name)

    def forget(self, uid: str) -> None:
        """The first copy did not come to its end: the next one is the first."""
        with self._mutex:
            self._in_writing.discard(uid)

    def drop_differing_duplicates(self) -> int:
        """Drop the instances that came with two contents, so that the next run asks for them; returns how many.

        What came under their names beside the first stays in the draft, for a person to look at.
        """
        differing = [uid for uid, contents in self._contents.items() if len(contents) > 1]
        for uid in differing:
            self._draft.discard(self._names[uid])
        return len(differing)

    def drop_all(self) -> None:
        """Drop everything that arrived."""
        for uid in self.received:
            self._draft.discard(self._names[uid])

    def drop_what_is_aside(self) -> None:
        """Drop second copies that turned out to be the same as the first one."""
        wanted = {self._names[uid] for uid in self.received}
        for name in self._draft.names():
            if name not in wanted:
                self._draft.discard(name)

    def name_of(self, sop_instance_uid: str) -> str:
        """The file an instance was written to."""
        return self._names[sop_instance_uid]

    def missing(self) -> Sequence[InstanceRef]:
        """What was listed and has not arrived; nothing where the PACS lists no instances."""
        with self._mutex:
            return [ref for uid, ref in self.expected.items() if uid not in self.received]

    def missing_count(self) -> int:
        """How many instances have not arrived, by list or, where the PACS gives none, by count."""
        if self.listing.instances is not None:
            return len(self.missing())
        with self._mutex:
            there = Counter("" if identity is None else identity.series_uid for identity in self._identities.values())
        counts = self.listing.counts
        if "" in counts:
            return max(0, self.listing.total - there.total())
        short = sum(max(0, count - there[series_uid]) for series_uid, count in counts.items())
        return max(0, short - there[""])

    def identities(self) -> dict[str, InstanceIdentity | None]:
        """Who each received instance says it is; None for what can't be read.

        Raises:
            StudyError: an instance belongs to another study or is not the one it was announced as.
        """
        found = {uid: self._identities[uid] for uid in sorted(self.received)}
        strangers = sum(
            identity is not None and not self._is_as_announced(identity, uid) for uid, identity in found.items()
        )
        if strangers:
            raise StudyError(
                f"The staging PACS delivered {strangers} instance(s) that belong to another study or are not "
                "what they were announced as: have the PACS's index repaired."
            )
        return found

    def _read_identity(self, name: str) -> InstanceIdentity | None:
        try:
            with closing(self._draft.open(name)) as file:
                return read_identity(file)
        except UnreadableInstanceError:
            return None

    def _is_as_announced(self, identity: InstanceIdentity, uid: str) -> bool:
        return (identity.sop_uid, identity.study_uid) == (uid, self.study_uid)


class Arrival:
    """One file on its way in; fulfils `IncomingFile`."""

    def __init__(self, intake: Intake, uid: str, name: str, file: FileInWriting, *, is_first: bool) -> None:
        self._intake = intake
        self._uid = uid
        self._name = name
        self._file = file
        self._is_first = is_first

    def write(self, piece: Piece, /) -> None:
        """Take the next piece."""
        self._file.write(piece)

    def keep(self) -> None:
        """Return once the file is safely on disk."""
        try:
            receipt = self._file.finish()
        except BaseException:
            self.drop()
            raise
        report = self._intake.arrived if self._is_first else self._intake.arrived_again
        report(self._uid, self._name, receipt)

    def drop(self) -> None:
        """Leave nothing of it."""
        self._file.discard()
        if self._is_first:
            self._intake.forget(self._uid)


def _name(number: int) -> str:
    return f"{number:06d}.dcm"
