"""A virtual environment for each rival, made once: rivals are no dependencies of this project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.engines import EngineSpec

INSTALL_SECONDS = 600


class NotInstallableError(Exception):
    """The rival can't be had here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The interpreter that runs an engine's driver, its version, the engine's version and its program."""

    python: str
    python_version: str
    version: str
    program: str = ""


def environment_for(engine: EngineSpec, cache: Path, pythons: Sequence[str]) -> Environment:
    """The engine's environment in `cache`, made now with the first of `pythons` that the engine installs on.

    Raises:
        NotInstallableError: it installs on none.
    """
    if not engine.requirement:
        return Environment(sys.executable, _python_version(sys.executable), _own_version(engine))
    name = re.split(r"[<>=]", engine.requirement)[0]
    folder = cache / name
    if not (folder / "installed").exists():
        _install(engine, folder, pythons)
    python = folder / "bin" / "python"
    program = _program(engine, folder)
    return Environment(str(python), _python_version(str(python)), _version(python, name), program)


def _install(engine: EngineSpec, folder: Path, pythons: Sequence[str]) -> None:
    problem = "no Python to install on"
    for python in pythons:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _call(python, "-m", "venv", str(folder))
            _call(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", engine.requirement)
        except (OSError, subprocess.SubprocessError) as error:
            problem = f"{type(error).__name__} with Python {python}"
            continue
        (folder / "installed").touch()
        return
    shutil.rmtree(folder, ignore_errors=True)
    raise NotInstallableError(f"{engine.requirement} does not install ({problem}). {engine.hint}".strip())


def _call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=INSTALL_SECONDS)
    return done.stdout.strip()


def _program(engine: EngineSpec, folder: Path) -> str:
    if not engine.program:
        return ""
    own = folder / "bin" / engine.program
    found = str(own) if own.exists() else shutil.which(engine.program)
    if found is None:
        raise NotInstallableError(f"{engine.program} is not there: {engine.hint}")
    return found


def _python_version(python: str) -> str:
    return _call(python, "-c", "import platform; print(platform.python_version())")


def _version(python: Path, distribution: str) -> str:
    return _call(str(python), "-c", f"from importlib.metadata import version; print(version({distribution!r}))")


def _own_version(engine: EngineSpec) -> str:
    from dicom_assets import __version__

    if engine.driver == "floor_pydicom.py":
        return version("pydicom")
    return "" if engine.floor else __version__
