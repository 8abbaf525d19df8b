"""Times the whole job between two Orthancs, ours beside what else moves and de-identifies studies.

Run from the repository's root: `python -m benchmarks.whole_job --help`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click

from benchmarks.job import tables
from benchmarks.job.floor import Floor
from benchmarks.job.orthanc import TUNED, TUNINGS, Tuning, running_orthanc
from benchmarks.job.orthanc_anonymize import OrthancAnonymize
from benchmarks.job.ours import OurJob, warm_home
from benchmarks.job.processes import RunFailedError
from benchmarks.job.rounds import Rounds
from benchmarks.job.scene import Contender, Nodes, new_nodes
from benchmarks.job.shell_pipeline import ShellPipeline
from benchmarks.job.workloads import Workload, one_study, workloads
from benchmarks.report import write_readme

README = Path(__file__).with_name("README.md")
LANES = max(2, os.cpu_count() or 1)
WORKLOADS = ("ct", "small", "multi-frame")
SIZES = (2000, 5000, 20000)

EXAMPLES = """
\b
Examples:
  python -m benchmarks.whole_job --workload ct --tuning tuned --rounds 1
  python -m benchmarks.whole_job --protocol c-get --protocol c-move --only dicom_assets
  python -m benchmarks.whole_job --studies 2 --slices 40 --small 100 --megabytes 10 --rounds 1
  python -m benchmarks.whole_job --scale --rounds 1
  python -m benchmarks.whole_job --write-readme --json result.json
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    only: Sequence[str]
    protocols: Sequence[str]
    settings: Mapping[str, str]
    tuning_names: Sequence[str]
    workload_names: Sequence[str]
    rounds: int
    studies: int
    slices: int
    small: int
    megabytes: int
    scaling: bool
    sizes: Sequence[int]
    scratch: Path | None
    keep: bool
    json_file: Path | None
    into_readme: bool
    listing: bool


def say(text: str) -> None:
    """Tell whoever watches."""
    click.echo(text, err=True)


def _settings(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    pairs = [setting.partition("=") for setting in given]
    if any(not sign for _, sign, _ in pairs):
        raise click.BadParameter("write NAME=VALUE")
    return {name: value for name, _, value in pairs}


@click.command(help=__doc__.splitlines()[0], epilog=EXAMPLES)
@click.option("--only", multiple=True, metavar="NAME", help="Those whose name begins so; repeatable. Default: all.")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    default=["c-get"],
    show_default=True,
    metavar="NAME",
    help="STAGING_PACS_PROTOCOL of our job; repeatable, each a line of its own.",
)
@click.option(
    "--setting",
    "settings",
    multiple=True,
    callback=_settings,
    metavar="NAME=VALUE",
    help="An environment variable for our job; repeatable.",
)
@click.option(
    "--tuning",
    "tuning_names",
    multiple=True,
    type=click.Choice([tuning.name for tuning in TUNINGS]),
    help="How both Orthancs are set up; repeatable. Default: both ways for ct, tuned for the rest.",
)
@click.option(
    "--workload",
    "workload_names",
    multiple=True,
    type=click.Choice(WORKLOADS),
    help="What is moved; repeatable. Default: all.",
)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1), help="Runs of each, in turns.")
@click.option("--studies", default=10, show_default=True, type=click.IntRange(1), help="CT studies.")
@click.option("--slices", default=200, show_default=True, type=click.IntRange(1), help="Slices of each.")
@click.option(
    "--small",
    default=1000,
    show_default=True,
    type=click.IntRange(1),
    help="Small MR instances of each of four studies.",
)
@click.option(
    "--megabytes", default=100, show_default=True, type=click.IntRange(1), help="Size of each of four ultrasound clips."
)
@click.option("--scale", "scaling", is_flag=True, help="Measure our job alone, on single studies that grow.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    default=SIZES,
    show_default=True,
    type=click.IntRange(1),
    help="With --scale: instances of a study; repeatable.",
)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder on the disk that is to be measured, for studies, PACSs and results. Default: /tmp.",
)
@click.option("--keep", is_flag=True, help="Leave that folder, with every run's log and data, and say where it is.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write every run here.")
@click.option("--write-readme", "into_readme", is_flag=True, help="Put the tables into benchmarks/README.md.")
@click.option("--list", "listing", is_flag=True, help="Name who is measured and stop.")
def main(**options: Any) -> None:
    """Measure, print the tables, and keep them where asked to."""
    asked = Options(**options)
    if asked.listing:
        click.echo("\n".join(contender.name for contender in wanted(asked, Path())))
        return
    with _ended_by_sigterm(), _scratch(asked.scratch, asked.keep) as home:
        try:
            table = _measured(asked, home)
        except RunFailedError as error:
            raise click.ClickException(str(error)) from None
    click.echo(table)
    if asked.into_readme:
        write_readme(README, tables.SCALE if asked.scaling else tables.WHOLE_JOB, table)


def wanted(asked: Options, home: Path) -> list[Contender]:
    """Those that were named; with --scale, ours alone.

    Raises:
        UsageError: nobody has such a name.
    """
    everybody: list[Contender] = [OurJob(protocol, _dagster_home(home), asked.settings) for protocol in asked.protocols]
    if not asked.scaling:
        settings = {**asked.settings, "RESEARCH_PACS_STORAGE_COMMITMENT": "no"}
        note = ", no storage commitment"
        everybody.append(OurJob(asked.protocols[0], _dagster_home(home), settings, note))
        everybody += [ShellPipeline(tool, at_once) for tool in ("dcmodify", "gdcmanon") for at_once in (1, LANES)]
        everybody += [OrthancAnonymize(1), OrthancAnonymize(LANES), Floor()]
    named = [one for one in everybody if not asked.only or one.name.startswith(tuple(asked.only))]
    if not named:
        raise click.UsageError("nobody has such a name; see --list")
    return named


def _measured(asked: Options, home: Path) -> str:
    """The tables as text; every run is written to the JSON file, too."""
    contenders = wanted(asked, home)
    absent = [f"{one.name}: {one.problem()}" for one in contenders if one.problem()]
    contenders = [one for one in contenders if not one.problem()]
    nodes = new_nodes(LANES)
    version = _warm_up(asked, home, nodes)
    rounds = Rounds(home, nodes, asked.rounds, _needs_dicomweb(asked), asked.keep, say)
    works = _workloads(asked)
    runs = [run for work in works for run in rounds.measure(work, contenders, _tunings(asked, work)) if contenders]
    under = tables.conditions(asked.rounds, version)
    if asked.json_file is not None:
        everything = {"conditions": asdict(under), "absent": absent, "runs": [run.as_json() for run in runs]}
        asked.json_file.write_text(json.dumps(everything, indent=1))
    return tables.scale(runs, under) if asked.scaling else tables.whole_job(runs, works, under, absent)


def _needs_dicomweb(asked: Options) -> bool:
    protocols = [*asked.protocols, *(value for name, value in asked.settings.items() if name.endswith("_PROTOCOL"))]
    return not all(protocol.startswith("c-") for protocol in protocols)


def _tunings(asked: Options, workload: Workload) -> list[Tuning]:
    """Stock PACSs get the CT studies alone unless told otherwise: all else takes them hours."""
    both = workload.name == WORKLOADS[0] or (asked.workload_names and not asked.scaling)
    names = asked.tuning_names or [tuning.name for tuning in TUNINGS if both or tuning is TUNED]
    return [tuning for tuning in TUNINGS if tuning.name in names]


def _workloads(asked: Options) -> list[Workload]:
    if asked.scaling:
        return [one_study(size) for size in asked.sizes]
    every = workloads(studies=asked.studies, slices=asked.slices, small=asked.small, megabytes=asked.megabytes)
    return [workload for workload in every if not asked.workload_names or workload.name in asked.workload_names]


def _warm_up(asked: Options, home: Path, nodes: Nodes) -> str:
    """Run our job over an empty queue, so that its first start is nobody's time; returns Orthanc's version."""
    say("warming up")
    folder = home / "warm-up"
    more = {"dicomweb": _needs_dicomweb(asked), "keep": asked.keep}
    with (
        running_orthanc(nodes.staging, folder / "staging", TUNED, nodes.destinations, **more) as staging,
        running_orthanc(nodes.research, folder / "research", TUNED, nodes.destinations, **more),
    ):
        warm_home(_dagster_home(home).parent, nodes, asked.settings)
        return str(staging.ask("GET", "/system")["Version"])


def _dagster_home(home: Path) -> Path:
    return home / "warm-up" / "job" / "dagster"


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """An end by SIGTERM is one by Ctrl-C: what was started ends too."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _scratch(parent: Path | None, keep: bool) -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="dicom_assets-whole-job-", dir=parent))
    try:
        yield home
    finally:
        if keep:
            say(f"kept: {home}")
        else:
            shutil.rmtree(home)


if __name__ == "__main__":
    main()
