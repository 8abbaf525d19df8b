"""A verdict as people and as machines read it."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import click

from dicom_assets import __version__
from dicom_assets.verification import CheckResult, Finding, Outcome, Verdict

HEADINGS = ("check", "outcome", "examined", "findings", "remarks")
COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.SKIPPED: "yellow"}


def show(verdict: Verdict, limit: int) -> None:
    """Print a line for each check, then the findings by rule, at most `limit` places for each."""
    if sys.stdout.isatty():
        _show_table(verdict)
    else:
        _show_plain(verdict)
    for line in _finding_lines(verdict, limit):
        click.echo(line)


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON types."""
    return {
        "dicom_assets": __version__,
        "source_files": verdict.sources,
        "dest_files": verdict.destinations,
        "pairs": verdict.pairs,
        "checks": [
            {
                "check": result.check.value,
                "outcome": result.outcome.value,
                "examined": result.examined,
                "unit": result.unit,
                "remarks": _remarks(result),
                "findings": [
                    {"rule": one.rule, "file": one.file, "place": one.place, "count": one.count}
                    for one in result.findings
                ],
            }
            for result in verdict.results
        ],
    }


def _summary(verdict: Verdict) -> str:
    return (
        f"{verdict.sources} DICOM files in SOURCE, {verdict.destinations} in DEST, {verdict.pairs} paired; "
        f"{sum(one.count for one in verdict.findings)} findings"
    )


def _rows(verdict: Verdict) -> Iterator[tuple[Outcome, tuple[str, ...]]]:
    for result in verdict.results:
        count = sum(one.count for one in result.findings)
        examined = f"{result.examined} {result.unit}" if not result.skipped else ""
        yield result.outcome, (result.check, result.outcome, examined, str(count), "; ".join(_remarks(result)))


def _remarks(result: CheckResult) -> list[str]:
    return [*([result.skipped] if result.skipped else []), *result.notes]


def _show_table(verdict: Verdict) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=_summary(verdict), title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in ("examined", "findings") else "left")
    for outcome, cells in _rows(verdict):
        table.add_row(*(Text(cell, style=COLOURS[outcome] if cell == outcome else "") for cell in cells))
    Console().print(table)


def _show_plain(verdict: Verdict) -> None:
    click.echo(_summary(verdict))
    rows = [HEADINGS, *(cells for _, cells in _rows(verdict))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _finding_lines(verdict: Verdict, limit: int) -> Iterator[str]:
    by_rule: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    for one in verdict.findings:
        by_rule[one.check, one.rule].append(one)
    for (check, rule), findings in by_rule.items():
        yield ""
        yield f"{check}: {rule} ({sum(one.count for one in findings)})"
        for one in findings[:limit]:
            times = f" ({one.count} times)" if one.count > 1 else ""
            yield f"  {_printable('  '.join(text for text in (one.file, one.place) if text))}{times}"
        if len(findings) > limit:
            yield f"  and {len(findings) - limit} more places; --all shows them"


def _printable(text: str) -> str:
    # A file's name can hold anything, also what a terminal takes for a command.
    return "".join(letter if letter.isprintable() else "?" for letter in text)
