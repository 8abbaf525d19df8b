"""PS3.15 Table E.1-1, Application Level Confidentiality Profile Attributes, as data of this package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from dicom_assets.deidentification.action import ActionCode
from dicom_assets.errors import ConfigurationError

PRIVATE = "PRIVATE"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the Basic Profile's code and the code of each option that changes it.

    `tag` is eight hexadecimal digits, an `X` standing for any digit, or `PRIVATE`. `vr` is empty where
    the attribute is too new to be known.
    """

    tag: str
    keyword: str
    vr: str
    name: str
    retired: bool
    in_standard_iod: bool
    basic: ActionCode
    options: Mapping[str, ActionCode]


class ConfidentialityTable:
    """The rows, looked up by tag."""

    def __init__(self, edition: str, digest: str, option_columns: tuple[str, ...], rows: tuple[Row, ...]) -> None:
        """Index the rows; `digest` identifies the data file's content."""
        self.edition = edition
        self.digest = digest
        self.option_columns = option_columns
        self.rows = rows
        self._exact = {int(row.tag, 16): row for row in rows if row.tag != PRIVATE and "X" not in row.tag}
        self._repeating = tuple((*_mask(row.tag), row) for row in rows if row.tag != PRIVATE and "X" in row.tag)
        self._private = next(row for row in rows if row.tag == PRIVATE)

    def row_for(self, tag: int) -> Row | None:
        """The row that names `tag`: an exact one, a repeating group's, or the one for all private attributes."""
        row = self._exact.get(tag)
        if row is not None:
            return row
        if tag >> 16 & 1:
            return self._private
        return next((row for mask, value, row in self._repeating if tag & mask == value), None)


def _mask(tag: str) -> tuple[int, int]:
    mask = int("".join("0" if digit == "X" else "F" for digit in tag), 16)
    return mask, int(tag.replace("X", "0"), 16)


def parse_table(content: bytes) -> ConfidentialityTable:
    """Read the data file that `scripts/build_confidentiality_table.py` writes.

    Raises:
        ConfigurationError: the file is not such a table.
    """
    try:
        data = json.loads(content)
        columns = tuple(data["option_columns"])
        rows = tuple(
            Row(
                tag,
                keyword,
                vr,
                name,
                "r" in marks,
                "s" in marks,
                ActionCode(basic),
                MappingProxyType({option: ActionCode(code) for option, code in options.items()}),
            )
            for tag, keyword, vr, name, marks, basic, options in data["rows"]
        )
        edition = str(data["edition"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"the confidentiality table can't be read: {type(error).__name__}") from None
    return ConfidentialityTable(edition, hashlib.sha256(content).hexdigest(), columns, rows)


@cache
def confidentiality_table() -> ConfidentialityTable:
    """The table this package ships."""
    return parse_table(files("dicom_assets.deidentification").joinpath("data/table_e1_1.json").read_bytes())
