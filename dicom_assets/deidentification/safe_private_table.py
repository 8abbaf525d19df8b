"""PS3.15 Table E.3.10-1, Safe Private Attributes, as data of this package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from dicom_assets.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class SafeElement:
    """One row. `element` is the last two digits of the number; `vr` is empty where the table gives none."""

    creator: str
    group: int
    element: int
    vr: str


class SafePrivateTable:
    """The rows, looked up by creator, group and element."""

    def __init__(self, edition: str, digest: str, rows: tuple[SafeElement, ...]) -> None:
        """Index the rows; `digest` identifies the data file's content."""
        self.edition = edition
        self.digest = digest
        self.rows = rows
        self._vrs = {(row.creator, row.group, row.element): row.vr for row in rows}

    def vr(self, creator: str, tag: int) -> str | None:
        """The VR of an element in any block of its creator; empty where the table gives none, None if not listed."""
        return self._vrs.get((creator, tag >> 16, tag & 0xFF))


def parse_safe_private(content: bytes) -> SafePrivateTable:
    """Read the data file.

    Raises:
        ConfigurationError: the file is not such a table.
    """
    try:
        data = json.loads(content)
        rows = tuple(_rows(data["blocks"]))
        edition = str(data["edition"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"the table of safe private attributes can't be read: {type(error).__name__}"
        ) from None
    return SafePrivateTable(edition, hashlib.sha256(content).hexdigest(), rows)


def _rows(blocks: list[tuple[str, str, dict[str, str]]]) -> Iterator[SafeElement]:
    for creator, group, elements in blocks:
        for element, vr in elements.items():
            yield SafeElement(creator, int(group, 16), int(element, 16), vr)


@cache
def safe_private_table() -> SafePrivateTable:
    """The table this package ships."""
    return parse_safe_private(files("dicom_assets.deidentification").joinpath("data/safe_private.json").read_bytes())
