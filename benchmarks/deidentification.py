"""Compares our de-identification with the engines of others, side by side on the same files in one run.

Run from the repository's root: `python -m benchmarks.deidentification --help`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from benchmarks.engine_profile import profile_table
from benchmarks.engines import ENGINES, EngineSpec
from benchmarks.environments import Environment, NotInstallableError, environment_for
from benchmarks.report import MEASURED, PROFILE, conditions, markdown, write_readme
from benchmarks.runs import Bench, Measured, measure, write_corpus
from dicom_assets.deidentification.table import confidentiality_table

README = Path(__file__).with_name("README.md")
MEMORY_WANTED = 2 << 30
"""Bytes free that make it worth to work in memory."""

EXAMPLES = """
\b
Examples:
  python -m benchmarks.deidentification
  python -m benchmarks.deidentification --only dicom_assets --only dcmanon --repeat 1
  python -m benchmarks.deidentification --python python3.12 --json result.json
  python -m benchmarks.deidentification --write-readme
"""


def default_cache() -> Path:
    """Where the rivals' environments are kept unless told otherwise."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "dicom_assets-benchmarks"


def say(text: str) -> None:
    """Tell whoever watches."""
    click.echo(text, err=True)


@click.command(help=__doc__.splitlines()[0], epilog=EXAMPLES)
@click.option("--only", multiple=True, metavar="NAME", help="Engines whose name begins so; repeatable. Default: all.")
@click.option("--repeat", default=5, show_default=True, type=click.IntRange(1), help="Timed repetitions per engine.")
@click.option("--slices", default=300, show_default=True, type=click.IntRange(1), help="CT slices of the timed study.")
@click.option("--rows", type=click.IntRange(1), help="Only so many rows of Table E.1-1. Default: all.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder for the rivals' environments. Default: {default_cache().name} in the user's cache folder.",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="PROGRAM",
    help="A Python for rivals that do not install on this one; repeatable. Default: whichever newer are on the PATH.",
)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder for the corpus and what is made of it. Default: in memory where there is room, else temporary.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write everything here.")
@click.option("--write-readme", "into_readme", is_flag=True, help="Put the table into benchmarks/README.md.")
@click.option("--list", "listing", is_flag=True, help="Name the engines and stop.")
def main(
    only: Sequence[str],
    repeat: int,
    slices: int,
    rows: int | None,
    cache: Path | None,
    pythons: Sequence[str],
    scratch: Path | None,
    json_file: Path | None,
    into_readme: bool,
    listing: bool,
) -> None:
    """Measure, print the table, and keep it where asked to."""
    wanted = [engine for engine in ENGINES if not only or engine.name.startswith(tuple(only))]
    if not wanted:
        raise click.UsageError("no engine has such a name; see --list")
    if listing:
        click.echo("\n".join(engine.name for engine in wanted))
        return
    measurements, ready = prepare(wanted, cache or default_cache(), [sys.executable, *(pythons or _newer_pythons())])
    with tempfile.TemporaryDirectory(prefix="dicom_assets-benchmark-", dir=scratch or _in_memory()) as home:
        say("writing the corpus")
        corpus = write_corpus(Path(home) / "corpus", slices=slices, row_limit=rows)
        measure(ready, Bench(Path(home), corpus), repeat, say)
        say("profile of our engine")
        own_profile = profile_table(corpus.study)
    measured_under = conditions(repeat, slices, confidentiality_table().edition)
    table = markdown(measurements, measured_under)
    click.echo(f"{table}\n\n{own_profile}")
    if json_file is not None:
        engines = [measured.as_json() for measured in measurements]
        json_file.write_text(json.dumps({"conditions": asdict(measured_under), "engines": engines}, indent=1))
    if into_readme:
        write_readme(README, MEASURED, table)
        write_readme(README, PROFILE, own_profile)


def prepare(
    wanted: Sequence[EngineSpec], cache: Path, pythons: Sequence[str]
) -> tuple[list[Measured], list[tuple[EngineSpec, Environment, Measured]]]:
    """Every engine's empty measurement, and those engines that can be run."""
    measurements, ready = [], []
    for engine in wanted:
        measured = Measured(engine.name, floor=engine.floor)
        measurements.append(measured)
        say(f"{engine.name}: environment")
        try:
            environment = environment_for(engine, cache, pythons)
        except NotInstallableError as error:
            measured.problem = f"not installable: {error}"
            continue
        measured.version, measured.python = environment.version, environment.python_version
        ready.append((engine, environment, measured))
    return measurements, ready


def _in_memory() -> Path | None:
    # A disk's page cache costs CPU time that depends on everybody else who writes.
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_WANTED else None


def _newer_pythons() -> list[str]:
    later = range(sys.version_info.minor + 1, sys.version_info.minor + 4)
    found = (shutil.which(f"python3.{minor}") for minor in later)
    return [python for python in found if python is not None]


if __name__ == "__main__":
    main()
