"""Rows for people on a terminal, for pipes, and as JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

import click

Cell = str | int | float | None


def print_rows(rows: Sequence[Mapping[str, Cell]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows: a table on a terminal, a line with tabs each in a pipe, a JSON list where that is asked for."""
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    elif sys.stdout.isatty():
        _print_table(rows, columns)
    else:
        for row in rows:
            click.echo("\t".join(_plain(row.get(column)) for column in columns))


def _print_table(rows: Sequence[Mapping[str, Cell]], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_plain(row.get(column)) for column in columns))
    Console().print(table)


def _plain(value: Cell) -> str:
    return "" if value is None else " ".join(str(value).split())
