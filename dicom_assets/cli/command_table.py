"""All commands, taken from their own help: what docs/commands.md shows and a test compares."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click


def all_commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with its name as one types it, in the order of the names."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))
        else:
            yield (*path, name), command


def examples_of(command: click.Command) -> list[str]:
    """The lines of a command's examples as one would type them, without what is said of them."""
    lines = (command.epilog or "").partition("Examples:\n")[2].splitlines()
    return [re.split(r"\s{2,}", line.strip())[0] for line in lines if line.strip()]


def exits_of(command: click.Command) -> str:
    """What a command's help says of its exit codes."""
    found = re.search(r"^Exits .*?(?=\n\n|\Z)", _help(command), re.DOTALL | re.MULTILINE)
    return " ".join(found.group().split()) if found else ""


def command_table(group: click.Group) -> str:
    """The commands as a table in Markdown."""
    rows = [
        f"| `dicom-assets {' '.join(path)}` | {_cell(_summary(command))} | {_cell(exits_of(command))} |\n"
        for path, command in all_commands(group)
    ]
    return "| command | what it does | exit codes |\n|---|---|---|\n" + "".join(rows)


def _help(command: click.Command) -> str:
    return "\n".join(line.strip() for line in (command.help or "").splitlines())


def _summary(command: click.Command) -> str:
    return " ".join(_help(command).partition("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
