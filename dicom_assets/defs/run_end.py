"""How a run ends: what Dagster shows of it, and what its folder says of a run that ends before its time."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dagster as dg

from dicom_assets.adapters.audit_trail import OVERVIEW, PAGE, RunFolder
from dicom_assets.errors import DicomAssetsError, StorageError
from dicom_assets.steps.advance_study import place_of


def overview_metadata(audit: RunFolder) -> dict[str, dg.MetadataValue]:
    """The run at a glance, and where its pages lie."""
    return {
        "summary": dg.MetadataValue.md(audit.summary()),
        "overview": dg.MetadataValue.path(str(audit.path / OVERVIEW)),
        "overview_page": dg.MetadataValue.path(str(audit.path / PAGE)),
    }


@contextmanager
def telling_why_it_stops(audit: RunFolder) -> Iterator[None]:
    """Whatever ends a run before its time is written into its folder on the way out."""
    try:
        yield
    except BaseException as error:
        with suppress(StorageError):  # the error itself goes on to Dagster, and this one must not take its place
            audit.stopped(_why(error))
        raise


def _why(error: BaseException) -> str:
    if isinstance(error, DicomAssetsError):
        return str(error)
    if isinstance(error, Exception):
        return f"Unexpected {type(error).__name__} at {place_of(error)}."
    return "Somebody ended the run; the next one goes on from here."
