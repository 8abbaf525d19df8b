"""PS3.15 Table E.3.4-1, what Clean Structured Content does about a concept, as data of this package."""

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

SNOMED = "sct"
SNOMED_RETIRED = frozenset({"srt", "snm3", "sdm", "99sdm"})
"""Designators of SNOMED-RT style codes, in lower case; objects still hold them (PS3.15 E.3.4, note 3)."""


@dataclass(frozen=True, slots=True)
class ContentRow:
    """One row: the Basic Profile's code for a concept of a value type and the code of each option that changes it.

    `version` is the Coding Scheme Version that the row asks for, empty for any. `retired_codes` are the concept's
    SNOMED-RT style codes.
    """

    code: str
    scheme: str
    version: str
    meaning: str
    value_type: str
    retired: bool
    basic: ActionCode
    options: Mapping[str, ActionCode]
    retired_codes: tuple[str, ...]


class ContentTable:
    """The rows, looked up by concept."""

    def __init__(
        self, edition: str, digest: str, option_columns: tuple[str, ...], rows: tuple[ContentRow, ...]
    ) -> None:
        """Index the rows; `digest` identifies the data file's content."""
        self.edition = edition
        self.digest = digest
        self.option_columns = option_columns
        self.rows = rows
        self._by_concept: dict[tuple[str, str], dict[str, ContentRow]] = {}
        for row in rows:
            # A scheme's version is not compared: under another one the number may mean the same, and the row removes.
            for name in ((row.scheme.casefold(), row.code), *((SNOMED, code) for code in row.retired_codes)):
                self._by_concept.setdefault(name, {})[row.value_type] = row

    def rows_for(self, code: str, scheme: str) -> Mapping[str, ContentRow]:
        """The rows that name a concept, by value type; none for a concept that the table does not name."""
        designator = scheme.casefold().partition(" [")[0].strip()
        designator = SNOMED if designator in SNOMED_RETIRED else designator
        return self._by_concept.get((designator, code), {})


def parse_content_table(content: bytes) -> ContentTable:
    """Read the data file that `scripts/build_structured_content_table.py` writes.

    Raises:
        ConfigurationError: the file is not such a table.
    """
    try:
        data = json.loads(content)
        columns = tuple(data["option_columns"])
        rows = tuple(
            ContentRow(
                code,
                scheme,
                version,
                meaning,
                value_type,
                "r" in marks,
                ActionCode(basic),
                MappingProxyType({option: ActionCode(cell) for option, cell in options.items()}),
                tuple(retired_codes),
            )
            for code, scheme, version, meaning, value_type, marks, basic, options, retired_codes in data["rows"]
        )
        edition = str(data["edition"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"the structured content table can't be read: {type(error).__name__}") from None
    return ContentTable(edition, hashlib.sha256(content).hexdigest(), columns, rows)


@cache
def content_table() -> ContentTable:
    """The table this package ships."""
    return parse_content_table(files("dicom_assets.deidentification").joinpath("data/table_e3_4_1.json").read_bytes())
