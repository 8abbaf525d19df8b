"""Looking for original values where none may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from dicom_assets.demo.plan import DemoStudy
from dicom_assets_tests.deployment import Deployment, files_holding

IDENTIFIED = {"identified", "pulled", ".pulled.draft", "scratch"}
"""Folders that are there to hold originals."""


class DeployedSite(Protocol):
    """A deployment, and the studies that it may see."""

    @property
    def deployment(self) -> Deployment:
        """Where it is."""

    @property
    def studies(self) -> Sequence[DemoStudy]:
        """Whose identifiers are looked for."""


def leaks(site: DeployedSite) -> list[str]:
    """Where in DATA_DIR and in Dagster's storage, but for identified folders, originals of the site's studies are."""
    needles = {
        f"identifier {number} of study {study.number}": identifier.encode()
        for study in site.studies
        for number, identifier in enumerate(sorted(study.identifiers))
    }
    deployment = site.deployment

    def is_identified(file: Path) -> bool:
        return bool(IDENTIFIED & set(file.parts))

    return [
        leak
        for folder in (deployment.data, Path(deployment.environment["DAGSTER_HOME"]))
        for leak in files_holding(folder, needles, is_identified)
    ]
