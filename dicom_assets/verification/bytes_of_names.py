"""Names as the character repertoires of DICOM write them, for a search in bytes whose repertoire nobody declares."""

from __future__ import annotations

import re
from collections.abc import Iterable

import ahocorasick

from dicom_assets.verification.identifiers import Identifier, Kind

# Python's names for the repertoires of PS3.3 C.12.1.1.2 beside Latin-1 and UTF-8; and UTF-16, which no one declares.
REPERTOIRES = (
    *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 15)),
    *("tis-620", "shift_jis", "iso2022_jp_2", "iso2022_kr", "euc_kr", "gb18030", "gbk", "utf-16-le", "utf-16-be"),
)
SHORTEST_BYTES = 4
_ESCAPES = re.compile(rb"\x1b\$?[()\-.*+/,]?[@-~]|[\x0e\x0f]")


class ByteSearcher:
    """Finds names with letters outside ASCII in bytes."""

    def __init__(self, identifiers: Iterable[Identifier]) -> None:
        self._automaton = ahocorasick.Automaton()
        names = (identifier for identifier in identifiers if identifier.kind is Kind.NAME)
        for part in {part for name in names for part in name.parts if not part.isascii()}:
            for encoded in _encodings(part):
                self._automaton.add_word(encoded.decode("latin-1"), True)
        if len(self._automaton):
            self._automaton.make_automaton()

    def finds_any(self, content: bytes) -> bool:
        """Whether a name stands in the bytes."""
        if not len(self._automaton):
            return False
        # Repertoires are switched within a value by escape sequences, which may stand between any two letters.
        texts = {content, _ESCAPES.sub(b"", content)}
        return any(True for text in texts for _ in self._automaton.iter(text.decode("latin-1")))


def _encodings(part: str) -> set[bytes]:
    found = set()
    for repertoire in REPERTOIRES:
        try:
            encoded = part.encode(repertoire)
        except UnicodeEncodeError:
            continue
        found |= {encoded, _ESCAPES.sub(b"", encoded)}
    return {encoded for encoded in found if len(encoded) >= SHORTEST_BYTES}
