"""All commands are of one style: help with examples that parse, exit codes, JSON where rows are printed, completion."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dicom_assets.cli import main
from dicom_assets.cli.command_table import all_commands, command_table, examples_of, exits_of
from dicom_assets.cli.surroundings import DEFAULT_DATA_DIR
from dicom_assets.definitions import SETTINGS
from dicom_assets_tests.deployment import REPOSITORY

COMMANDS = dict(all_commands(main))
WITHOUT_ROWS = {
    ("canary", "check"),
    ("canary", "make"),
    ("canary", "send"),
    ("identity", "default-issuer"),
    ("identity", "encrypt"),
    ("identity", "export"),
    ("identity", "rotate-secret"),
    ("notify", "test"),
    ("rerun-last",),
}
"""Commands that print a line or two for people, write a file, or run something."""

every_command = pytest.mark.parametrize("path", sorted(COMMANDS), ids=" ".join)


def commands_within(example: str) -> list[list[str]]:
    """The words of each `dicom-assets` in an example, also within `$(...)` and behind a pipe."""
    return [shlex.split(one) for one in re.findall(r"(?:^|\(|\| )(dicom-assets[^)|]*)", example)]


def make_what_is_named(words: list[str], folder: Path) -> None:
    """Make the folders and files that an example speaks of."""
    for word in words:
        if word.startswith("-"):
            continue
        path = folder / word
        if word.endswith("/") or "/studies/" in word:
            path.mkdir(parents=True, exist_ok=True)
        elif re.search(r"\.[a-z0-9]+$", word):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def parse(words: list[str]) -> tuple[str, ...]:
    """Parse a command line as the command would, without running it; returns the command's name."""
    group: click.Group = main
    context = main.make_context(words[0], words[1:])
    path: tuple[str, ...] = ()
    while True:
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        assert name is not None
        assert command is not None
        path = (*path, name)
        context = command.make_context(name, rest, parent=context)
        if not isinstance(command, click.Group):
            return path
        group = command


@every_command
def test_every_command_has_help_with_an_example_of_its_own(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])

    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert COMMANDS[path].help
    assert any(f"dicom-assets {' '.join(path)}" in example for example in examples_of(COMMANDS[path]))


@every_command
def test_every_example_parses(path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for example in examples_of(COMMANDS[path]):
        assert commands_within(example)
        for words in commands_within(example):
            make_what_is_named(words, tmp_path)
            assert parse(words) == path


@every_command
def test_every_command_says_what_its_exit_codes_mean(path: tuple[str, ...]) -> None:
    said = exits_of(COMMANDS[path])

    assert re.search(r"\b0\b", said)
    assert "2 when the command was given wrongly" in said


@every_command
def test_every_command_takes_wrong_usage_for_code_2(path: tuple[str, ...]) -> None:
    assert CliRunner().invoke(main, [*path, "--no-such-option"]).exit_code == 2


@every_command
def test_every_command_that_prints_rows_prints_json_too(path: tuple[str, ...]) -> None:
    options = {name for parameter in COMMANDS[path].params for name in parameter.opts}

    assert ("--json" in options) is (path not in WITHOUT_ROWS)
    [flag] = [one for one in COMMANDS[path].params if "--json" in one.opts] or [None]
    assert flag is None or (isinstance(flag, click.Option) and flag.is_flag), "a flag, that prints to standard output"


def test_the_page_of_commands_says_what_their_help_says() -> None:
    page = (REPOSITORY / "docs" / "commands.md").read_text()
    shown = page.partition("<!-- commands -->\n")[2].partition("<!-- end of commands -->")[0]

    assert shown == command_table(main), "python scripts/write_command_table.py writes it"


def test_default_that_is_read_without_dagster_is_the_one_of_the_settings() -> None:
    assert SETTINGS["DATA_DIR"] == DEFAULT_DATA_DIR


def test_reading_the_audit_trail_does_not_wait_for_dagster(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from dicom_assets.cli import main\n"
        "for arguments in (['runs'], ['show', 'x'], ['latest'], ['filter']): CliRunner().invoke(main, arguments)\n"
        "print('dagster' in sys.modules)"
    )
    environment = {**os.environ, "DATA_DIR": str(tmp_path)}

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)

    assert done.stdout == "False\n"


@pytest.fixture
def shell_folder(tmp_path: Path) -> Path:
    """A folder where `dicom-assets` is on the PATH, and a DATA_DIR, named in .env, that holds studies and runs."""
    script = tmp_path / "bin" / "dicom-assets"
    script.parent.mkdir()
    entry = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]["dicom-assets"]
    module, _, function = entry.partition(":")
    script.write_text(f"#!{sys.executable}\nfrom {module} import {function}\n{function}()\n")
    script.chmod(0o755)
    for name in ("studies/S4Q7K2M9X1B3T", "studies/S4Q7K2M9X1B3V", "runs/run_at_20260301T200000Z_0a1b2c3d"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / ".env").write_text("DATA_DIR=data\n")
    return tmp_path


def in_shell(shell: list[str], script: str, folder: Path) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DATA_DIR"}
    environment |= {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run([*shell, script], capture_output=True, text=True, env=environment, cwd=folder, check=True)
    assert done.stderr == ""
    return sorted(done.stdout.split())


TYPED = [
    ("dicom-assets filt", {"filter"}),
    ("dicom-assets show S4Q7K2M9X1B3", {"S4Q7K2M9X1B3T", "S4Q7K2M9X1B3V"}),
    ("dicom-assets show run_", {"run_at_20260301T200000Z_0a1b2c3d"}),
    ("dicom-assets retry S4Q7K2M9X1B3T S", {"S4Q7K2M9X1B3T", "S4Q7K2M9X1B3V"}),
    ("dicom-assets purge --dry", {"--dry-run"}),
]


@pytest.mark.parametrize(("typed", "expected"), TYPED)
def test_bash_completes(shell_folder: Path, typed: str, expected: set[str]) -> None:
    words = typed.split(" ")
    script = f"""
        eval "$(_DICOM_ASSETS_COMPLETE=bash_source dicom-assets)"
        complete -p dicom-assets >/dev/null || exit 1
        COMP_WORDS=({typed}) COMP_CWORD={len(words) - 1}
        function=$(complete -p dicom-assets | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        $function dicom-assets {words[-1]} {words[-2]}
        echo "${{COMPREPLY[@]}}"
    """

    assert set(in_shell(["bash", "--norc", "-c"], script, shell_folder)) == expected


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(("typed", "expected"), TYPED)
def test_zsh_completes(shell_folder: Path, typed: str, expected: set[str]) -> None:
    words = typed.split(" ")
    script = f"""
        autoload -Uz compinit && compinit -u -D
        eval "$(_DICOM_ASSETS_COMPLETE=zsh_source dicom-assets)"
        [[ -n $_comps[dicom-assets] ]] || exit 1
        compadd() {{ for word in ${{(P)@[-1]}}; do print -r -- $word; done }}
        _describe() {{ for word in ${{(P)3}}; do print -r -- ${{word%%:*}}; done }}
        words=({typed}) CURRENT={len(words)}
        $_comps[dicom-assets]
    """

    found = {word for word in in_shell(["zsh", "-f", "-c"], script, shell_folder) if word.startswith(words[-1])}
    assert found == expected


def test_completion_of_a_data_dir_that_is_not_there_offers_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(tmp_path / "nowhere"), "_DICOM_ASSETS_COMPLETE": "bash_complete"}
    environment |= {"COMP_WORDS": "dicom-assets show S", "COMP_CWORD": "2"}
    code = "from dicom_assets.cli import main; main(prog_name='dicom-assets')"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)

    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_rows_are_the_same_in_a_pipe_and_as_json(shell_folder: Path) -> None:
    environment = {"DATA_DIR": str(shell_folder / "data")}
    [row] = json.loads(CliRunner().invoke(main, ["runs", "--json"], env=environment).stdout)
    [line] = CliRunner().invoke(main, ["runs"], env=environment).stdout.splitlines()

    assert line.split("\t") == ["" if value is None else str(value) for value in row.values()]
