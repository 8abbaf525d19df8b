"""Fixtures that many tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pynetdicom.transport import AssociationSocket

from dicom_assets.adapters.pacs.association import close_even_if_reset
from dicom_assets.demo.home import fill
from dicom_assets.demo.pacs_index import write_instance
from dicom_assets.demo.plan import DemoStudy, Outcome
from dicom_assets.demo.studies import demo_studies
from dicom_assets_tests.certificates import Certificates, make_certificates
from dicom_assets_tests.deployment import Deployment, deploy
from dicom_assets_tests.scripted_pacs import CANARY, ScriptedPacs
from dicom_assets_tests.small_disk import mounted_disk

# pynetdicom puts programs of the names of DCMTK's into virtual environments: one that is active would hide DCMTK's own.
os.environ["PATH"] = os.pathsep.join(
    folder for folder in os.environ["PATH"].split(os.pathsep) if not Path(folder, "..", "pyvenv.cfg").is_file()
)

# Peers of pynetdicom in tests leak no socket that could be found open in whatever test comes next.
AssociationSocket._shutdown_socket = lambda transport: close_even_if_reset(transport.socket)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests first: workers that are given a file at a time then end at about the same time."""
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long)


@dataclass
class Site:
    """A hospital and a research group on loopback: a deployment and the PACSs it is set up for."""

    deployment: Deployment
    staging: ScriptedPacs
    research: ScriptedPacs
    studies: tuple[DemoStudy, ...]

    def study(self, outcome: Outcome = Outcome.PUBLISHED, place: int = 0) -> DemoStudy:
        """One of the demo's studies with this outcome."""
        return [study for study in self.studies if study.outcome is outcome][place]

    def published(self) -> list[DemoStudy]:
        """Those that an undisturbed run publishes."""
        return [study for study in self.studies if study.outcome is Outcome.PUBLISHED]

    def research_files(self) -> dict[str, bytes]:
        """Every instance that the research PACS keeps: file name, which the SOP Instance UID decides, to bytes."""
        return {file.name: file.read_bytes() for file in self.research.folder.glob("*.dcm")}


SmallSite = Callable[..., Site]


@contextmanager
def running_site(folder: Path, studies: Sequence[DemoStudy], **settings: object) -> Iterator[Site]:
    """A site with these studies and a canary in a folder; the PACSs stop at the end."""
    deployment = deploy(folder / "site", studies, **settings)
    local = (deployment.environment["LOCAL_HOST"], int(deployment.environment["LOCAL_PORT"]))
    folders = {name: folder / f"{name}-pacs" for name in ("staging", "research")}
    for pacs_folder in folders.values():
        pacs_folder.mkdir()
    for study in studies:
        if study.in_staging:
            fill(folders["staging"], study)
    write_instance(folders["staging"], CANARY.sop_instance_uid, CANARY.content)
    deployment.set(**{"STAGING_PACS_CANARY_UID": CANARY.study_uid, **settings})
    with (
        ScriptedPacs("STAGING", 0, folders["staging"], {"DICOM_ASSETS": local}) as staging,
        ScriptedPacs("RESEARCH", 0, folders["research"], {}) as research,
    ):
        deployment.set(STAGING_PACS_PORT=staging.port, RESEARCH_PACS_PORT=research.port)
        yield Site(deployment, staging, research, tuple(studies))


def of_the_demo(*numbers: int) -> tuple[DemoStudy, ...]:
    """The demo's studies of these numbers; all of them without any."""
    return tuple(study for study in demo_studies() if not numbers or study.number in numbers)


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[SmallSite]:
    """Builds a site with some of the demo's studies; the PACSs stop when the test ends."""
    with ExitStack() as stack:

        def make(numbers: tuple[int, ...] = (), **settings: object) -> Site:
            return stack.enter_context(running_site(tmp_path, of_the_demo(*numbers), **settings))

        yield make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes, mounted."""
    with mounted_disk(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate authority and what it issued, made once."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
