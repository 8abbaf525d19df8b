"""What elements became, for the next instance that holds the same bytes at the same place.

*Identified*: it holds values of originals. It is never much, is in memory only, and ends with the process.
"""

from __future__ import annotations

from dicom_assets.study import Subject

LONGEST = 1 << 10
"""Bytes; longer elements are done anew each time."""
MOST_BYTES = 1 << 19
"""Of one rule book; then everything is forgotten, since what is of use is soon learned again."""
_BYTES_AROUND = 256
"""What an entry takes besides its bytes, roughly."""

Key = tuple[object, bytes, bytes]
"""The plan of the place, the value of (0008,0005) in force there, and the element as it is encoded."""


class Memory:
    """Elements as they were written, by subject, where they depended on nothing but their key and the subject."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._results: dict[Subject, dict[Key, bytes]] = {}
        self._bytes = 0

    def of(self, subject: Subject) -> dict[Key, bytes]:
        """What is remembered for a subject; it grows with what is kept, and may be let go of for another."""
        if subject not in self._results:
            self._make_room(_BYTES_AROUND)
            self._results[subject] = {}
        return self._results[subject]

    def keep(self, subject: Subject, key: Key, written: bytes) -> None:
        """Remember what was written for an element."""
        self._make_room(len(key[2]) + len(written) + _BYTES_AROUND)
        self.of(subject)[key] = written

    def _make_room(self, wanted: int) -> None:
        if self._bytes + wanted > MOST_BYTES:
            self.forget()
        self._bytes += wanted

    def forget(self) -> None:
        """Remember nothing any more."""
        self._results.clear()
        self._bytes = 0

    def __repr__(self) -> str:
        """How much it is."""
        return f"Memory({self._bytes} bytes)"
