"""The body of a STOW-RS request: instances from disk, one after the other, never all in memory (PS3.18 10.5)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import cast

from dicom_assets.study import OutgoingInstance

PIECE_BYTES = 256 * 1024


class StowBody:
    """Can be sent more than once: credentials may turn out to be old after the first time."""

    def __init__(self, instances: Sequence[OutgoingInstance]) -> None:
        """Open the instances' files and compare them with what passed the residual scan.

        Raises:
            ChangedContentError: a file is gone, or is not what was written there.
            StorageError: it can't be read.
        """
        self._boundary = secrets.token_hex(16)
        self._contents = [item.content() for item in instances]
        self._heads = [self._head(content) for content in self._contents]
        self._end = f"\r\n--{self._boundary}--\r\n".encode()

    @property
    def headers(self) -> dict[str, str]:
        """What the request must say of it."""
        return {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={self._boundary}',
            "Content-Length": str(sum(map(len, (*self._heads, *self._contents, self._end)))),
        }

    def __iter__(self) -> Iterator[bytes]:
        """Yield it in pieces; those of large files are views of them, which h11 takes as it takes bytes."""
        for head, content in zip(self._heads, self._contents, strict=True):
            yield head
            for start in range(0, len(content), PIECE_BYTES):
                yield cast(bytes, content[start : start + PIECE_BYTES])
        yield self._end

    def _head(self, content: memoryview) -> bytes:
        lines = (f"--{self._boundary}", "Content-Type: application/dicom", f"Content-Length: {len(content)}", "", "")
        return b"\r\n" + "\r\n".join(lines).encode()
