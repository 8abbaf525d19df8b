"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets.demo.home import fill
from dicom_assets.demo.plan import DemoStudy, Outcome
from dicom_assets.demo.studies import demo_studies
from dicom_assets_tests.deployment import Deployment, deploy


@dataclass
class Site:
    """A hospital and a research group on loopback: a deployment and the PACSs it is set up for."""

    deployment: Deployment
    staging: EmbeddedPacs
    research: EmbeddedPacs
    studies: tuple[DemoStudy, ...]

    def study(self, outcome: Outcome = Outcome.PUBLISHED, place: int = 0) -> DemoStudy:
        """One of the demo's studies with this outcome."""
        return [study for study in self.studies if study.outcome is outcome][place]

    def published(self) -> list[DemoStudy]:
        """Those that an undisturbed run publishes."""
        return [study for study in self.studies if study.outcome is Outcome.PUBLISHED]


SmallSite = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[SmallSite]:
    """Builds a site with some of the demo's studies; the PACSs stop when the test ends."""
    with ExitStack() as stack:

        def make(numbers: tuple[int, ...] = (), **settings: object) -> Site:
            studies = tuple(study for study in demo_studies() if not numbers or study.number in numbers)
            deployment = deploy(tmp_path / "site", studies, **settings)
            local = (deployment.environment["LOCAL_HOST"], int(deployment.environment["LOCAL_PORT"]))
            folders = {name: tmp_path / f"{name}-pacs" for name in ("staging", "research")}
            for folder in folders.values():
                folder.mkdir()
            for study in studies:
                if study.in_staging:
                    fill(folders["staging"], study)
            staging = stack.enter_context(EmbeddedPacs("STAGING", 0, folders["staging"], {"DICOM_ASSETS": local}))
            research = stack.enter_context(EmbeddedPacs("RESEARCH", 0, folders["research"], {}))
            deployment.set(STAGING_PACS_PORT=staging.port, RESEARCH_PACS_PORT=research.port)
            return Site(deployment, staging, research, studies)

        yield make
