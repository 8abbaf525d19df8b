"""The demo's way in from a terminal: `python -m dicom_assets.demo`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from dicom_assets.demo import servers
from dicom_assets.demo.databases import approve as approve_study
from dicom_assets.demo.databases import reviewed
from dicom_assets.demo.home import HOST, DemoHome, Ports, demo_environment, furnish, prepare
from dicom_assets.demo.run import run_demo
from dicom_assets.demo.studies import demo_studies
from dicom_assets.errors import DicomAssetsError

DEFAULT_PORTS = Ports()
UI_PORT = 3000
STOP_SECONDS = 20.0

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the demo lives and on which ports it listens."""

    home: DemoHome
    ports: Ports


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show what was raised on purpose as one line."""
    try:
        yield
    except DicomAssetsError as error:
        raise click.ClickException(str(error)) from None


def _port(name: str, default: int) -> Callable[[Decorated], Decorated]:
    return click.option(
        f"--{name}-port",
        envvar=f"DEMO_{name.upper()}_PORT",
        default=default,
        show_default=True,
        show_envvar=True,
        type=click.IntRange(1, 65535),
        help=f"The port of the {name} side.",
    )


@click.group(invoke_without_command=True)
@click.option(
    "--home",
    envvar="DEMO_HOME",
    default=".demo",
    show_default=True,
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that holds all of the demo.",
)
@_port("staging", DEFAULT_PORTS.staging)
@_port("research", DEFAULT_PORTS.research)
@_port("local", DEFAULT_PORTS.local)
@click.pass_context
def main(context: click.Context, home: Path, staging_port: int, research_port: int, local_port: int) -> None:
    """A staging PACS, a research PACS and their databases, with studies of patients who do not exist."""
    context.obj = Settings(DemoHome(home.resolve()), Ports(staging_port, research_port, local_port))
    if context.invoked_subcommand is None:
        context.invoke(run)


@main.command()
@click.option("--keep", is_flag=True, help="Leave both PACSs running afterwards.")
@click.pass_obj
def run(settings: Settings, keep: bool = False) -> None:
    """Prepare everything, run the job and show its overview."""
    with _plain_errors():
        as_expected = run_demo(settings.home, settings.ports, demo_studies(), Console(), keep)
    sys.exit(0 if as_expected else 1)


@main.command()
@click.option(
    "--destination",
    "destinations",
    multiple=True,
    metavar="AE=HOST:PORT",
    help="A C-MOVE destination beside our own; may be given several times.",
)
@click.option("--as-it-is", is_flag=True, hidden=True, help="Serve what the home holds, without preparing it.")
@click.pass_obj
def start(settings: Settings, destinations: tuple[str, ...], as_it_is: bool) -> None:
    """Run both PACSs in the foreground, for any DICOM client."""
    more = dict(_destination(text) for text in destinations)
    with _plain_errors():
        if not as_it_is:
            prepare(settings.home, demo_studies())
        servers.serve(settings.home, settings.ports, more, click.echo)


@main.command()
@click.pass_obj
def stop(settings: Settings) -> None:
    """Stop PACSs that were left running."""
    with _plain_errors():
        click.echo("Stopped." if servers.stop(settings.home) else "They are not running.")


@main.command()
@click.pass_obj
def approve(settings: Settings) -> None:
    """Approve the next study that nobody has reviewed, for the sensor to see."""
    with _plain_errors():
        furnish(settings.home, demo_studies())
        url = settings.home.database_url("review")
        has_review = reviewed(url)
        study = next((study for study in demo_studies() if study.study_uid not in has_review), None)
        if study is None:
            raise click.ClickException("every study of the demo has a review; remove the demo's home to begin anew")
        approve_study(url, study.study_uid)
    click.echo(f"Approved demo study {study.number} ({study.description}, {study.instances} instances).")


@main.command()
@click.pass_obj
def environment(settings: Settings) -> None:
    """Print the environment variables that make the product use the demo, one a line."""
    for name, value in demo_environment(settings.home.folder, settings.ports).items():
        click.echo(f"{name}={value}")


@main.command()
@click.option("--ui-port", default=UI_PORT, show_default=True, type=click.IntRange(1, 65535))
@click.pass_obj
def ui(settings: Settings, ui_port: int) -> None:
    """Run both PACSs and `dagster dev` on the demo's instance until Ctrl+C."""
    command = [sys.executable, "-m", "dagster", "dev", "-m", "dicom_assets.definitions"]
    command += ["--host", HOST, "--port", str(ui_port)]
    variables = {**os.environ, **demo_environment(settings.home.folder, settings.ports)}
    with _plain_errors():
        prepare(settings.home, demo_studies())
        with servers.listening(settings.home, settings.ports):
            process = subprocess.Popen(command, cwd=settings.home.folder, env=variables)
            code = _ended(process)
    sys.exit(code)


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process that a person ends with Ctrl+C, which reaches it as well as us."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        return 0
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _destination(text: str) -> tuple[str, tuple[str, int]]:
    ae_title, _, address = text.partition("=")
    host, _, port = address.rpartition(":")
    if not ae_title or not host or not port.isdecimal():
        raise click.BadParameter("a destination is written AE=HOST:PORT", param_hint="--destination")
    return ae_title, (host, int(port))


if __name__ == "__main__":
    # So that what was started is ended, whoever ends us; a background job of a shell would ignore both.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    main(prog_name="python -m dicom_assets.demo")
