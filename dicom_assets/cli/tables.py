"""Rows for people on a terminal, for pipes, and as JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

import click

Cell = str | int | float | None

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
"""Of every command that prints rows."""


def print_rows(
    rows: Sequence[Mapping[str, Cell]], columns: Sequence[str], *, as_json: bool, title: str | None = None
) -> None:
    """Print rows: a table on a terminal, a line with tabs each in a pipe, a JSON list where that is asked for."""
    if as_json:
        print_json(rows)
    elif sys.stdout.isatty():
        _print_table(rows, columns, title)
    else:
        if title:
            click.echo(title, err=True)
        for row in rows:
            click.echo("\t".join(_plain(row.get(column)) for column in columns))


def print_json(content: object) -> None:
    """Print JSON as all commands do."""
    click.echo(json.dumps(content, indent=1, ensure_ascii=False))


def _print_table(rows: Sequence[Mapping[str, Cell]], columns: Sequence[str], title: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for column in columns:
        is_number = any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(column.replace("_", " "), overflow="fold", justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(Text(_plain(row.get(column))) for column in columns))
    Console().print(table)


def _plain(value: Cell) -> str:
    """A cell on one line; what a terminal would take for a command, or rich for markup, is shown as it is."""
    text = "" if value is None else " ".join(str(value).split())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
