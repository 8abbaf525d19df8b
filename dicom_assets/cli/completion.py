"""What the shell may complete: names of folders under DATA_DIR, for a database would take too long."""

from __future__ import annotations

from pathlib import Path

from click import Context, Parameter

from dicom_assets.cli.surroundings import data_dir, load_settings


def study_keys(_context: Context, _parameter: Parameter, incomplete: str) -> list[str]:
    """Keys of studies that have a folder."""
    return _names("studies", incomplete)


def run_names(_context: Context, _parameter: Parameter, incomplete: str) -> list[str]:
    """Names of runs' folders."""
    return [name for name in _names("runs", incomplete) if name.startswith("run_at_")]


def runs_and_studies(context: Context, parameter: Parameter, incomplete: str) -> list[str]:
    """Either."""
    return run_names(context, parameter, incomplete) + study_keys(context, parameter, incomplete)


def _names(folder: str, incomplete: str) -> list[str]:
    load_settings()  # the shell asks without the command being run
    try:
        entries = [path.name for path in Path(data_dir() / folder).iterdir()]
    except OSError:  # nothing to complete from; the command itself says what is wrong
        return []
    return sorted(name for name in entries if name.startswith(incomplete) and not name.startswith("."))
