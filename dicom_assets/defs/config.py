"""The run config of the op `advance_studies`."""

from __future__ import annotations

import os

import dagster as dg
from pydantic import Field

DEFAULT_MODALITIES = "CT,MR"


def _modalities_of_the_deployment() -> list[str]:
    """What `MODALITIES` says: runs from the terminal, the sensor and backfills have to agree on it."""
    named = os.environ.get("MODALITIES", DEFAULT_MODALITIES).split(",")
    return [modality.strip() for modality in named if modality.strip()]


class RunConfig(dg.Config):
    """What one run does. Defaults are those of the old pipeline's command line."""

    limit: int = Field(default=10, ge=1, description="Most studies to take from the review queue in this run.")
    modalities: list[str] = Field(
        default=_modalities_of_the_deployment(),
        min_length=1,
        description="Instances of other modalities are quarantined. The default is the deployment's MODALITIES.",
    )
    dry_run: bool = Field(
        default=False,
        description="Change nothing anywhere: pull and de-identify into a scratch folder, report, throw it away.",
    )
    publish: bool = Field(default=True, description="False stops after `registered`.")
    refresh: bool = Field(default=False, description="Do stages again that are already up to date.")
    workers: int = Field(
        default=os.cpu_count() or 1,
        ge=1,
        description="Processes that de-identify; 1: one study after the other, else up to two more are in flight.",
    )

    def modality_codes(self) -> list[str]:
        """The modalities as DICOM writes them, in upper case."""
        return [modality.strip().upper() for modality in self.modalities]
