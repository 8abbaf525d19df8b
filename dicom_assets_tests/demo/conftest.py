"""Fixtures of the demo's tests: a running PACS with a few of the demo's instances, and clients for it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.demo.studies import DemoFile, demo_studies, instance_files

AE_TITLE = "ARCHIVE"


def study_number(number: int) -> DemoStudy:
    """The demo study of that number."""
    return next(study for study in demo_studies() if study.number == number)


@pytest.fixture(scope="session")
def mixed() -> tuple[DemoStudy, tuple[DemoFile, ...]]:
    """The demo study of mixed encodings with its files: small and of seven kinds."""
    study = study_number(5)
    return study, tuple(instance_files(study))


@pytest.fixture(scope="session")
def neck() -> tuple[DemoStudy, tuple[DemoFile, ...]]:
    """An MR study with ultrasound in it, of a patient whose name is not ASCII."""
    study = study_number(4)
    return study, tuple(instance_files(study))


@pytest.fixture
def destinations() -> dict[str, tuple[str, int]]:
    """The C-MOVE destinations that the PACS knows; a test adds its own."""
    return {}


@pytest.fixture
def empty_pacs(tmp_path: Path, destinations: dict[str, tuple[str, int]]) -> Iterator[EmbeddedPacs]:
    """A running PACS that holds nothing."""
    with EmbeddedPacs(AE_TITLE, 0, tmp_path / "archive", destinations) as pacs:
        yield pacs


@pytest.fixture
def pacs(
    empty_pacs: EmbeddedPacs,
    mixed: tuple[DemoStudy, tuple[DemoFile, ...]],
    neck: tuple[DemoStudy, tuple[DemoFile, ...]],
) -> EmbeddedPacs:
    """A running PACS that holds two studies of two patients."""
    for file in (*mixed[1], *neck[1]):
        empty_pacs.load(file.content)
    return empty_pacs


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def tool() -> Callable[[str], str]:
    """The path of a DCMTK or dicom3tools program; the test is skipped where the machine has none."""

    def path_of(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path

    return path_of
