"""The report of a de-identification: what came of each source file, as JSON Lines or CSV."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicom_assets.errors import DicomAssetsError

OUTCOMES = frozenset({"written", "quarantined", "failed"})
_ABOUT_THE_WHOLE = frozenset({"profile", "dry_run"})


class UnreadableReportError(DicomAssetsError):
    """The report is not in the form that is known; the message names the line."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One source file. *Identified*: its path may be."""

    source: Path
    outcome: str
    output: Path | None

    def __repr__(self) -> str:
        """The outcome only."""
        return f"ReportLine({self.outcome})"


def read_report(file: Path, source: Path, dest: Path) -> list[ReportLine]:
    """The lines of a report, paths taken relative to the two folders.

    A report in JSON Lines may begin with a line about the whole, which has no source.

    Raises:
        UnreadableReportError: can't be read, is of a dry run, or a line has no known outcome or lacks a path.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableReportError(f"the report can't be read: {type(error).__name__}") from None
    rows = _json_rows(text) if text.lstrip().startswith("{") else _csv_rows(text)
    first = rows[0][1] if rows else {}
    if first.get("dry_run"):
        raise UnreadableReportError("the report is of a dry run, which wrote nothing")
    if _ABOUT_THE_WHOLE & first.keys() and not {"source", "outcome"} & first.keys():
        del rows[0]
    return [_line(row, number, source, dest) for number, row in rows]


def _json_rows(text: str) -> list[tuple[int, dict[str, Any]]]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line) if line.strip() else None
        except json.JSONDecodeError:
            raise UnreadableReportError(f"line {number} of the report is not JSON") from None
        if isinstance(row, dict):
            rows.append((number, row))
        elif row is not None:
            raise UnreadableReportError(f"line {number} of the report is not a JSON object")
    return rows


def _csv_rows(text: str) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(csv.DictReader(text.splitlines()), start=2))


def _line(row: dict[str, Any], number: int, source: Path, dest: Path) -> ReportLine:
    outcome, output = row.get("outcome"), row.get("output") or ""
    if not row.get("source") or outcome not in OUTCOMES:
        raise UnreadableReportError(f"line {number} of the report has no source or no known outcome")
    if outcome == "written" and not output:
        raise UnreadableReportError(f"line {number} of the report was written but has no output")
    read_from = _under(source, str(row["source"]))
    return ReportLine(read_from, str(outcome), _under(dest, str(output)) if output else None)


def _under(folder: Path, path: str) -> Path:
    # As the folders' own files are named: links on the way resolved, the file itself as it is called.
    whole = folder / path
    return whole.parent.resolve() / whole.name
