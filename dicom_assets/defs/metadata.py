"""Facts and pictures as Dagster metadata."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

import dagster as dg

from dicom_assets.study import Fact


def metadata_of(facts: Mapping[str, Fact]) -> dict[str, dg.MetadataValue]:
    """A stage's facts as Dagster metadata."""
    return {name: _metadata_value(value) for name, value in facts.items()}


def _metadata_value(value: Fact) -> dg.MetadataValue:
    if isinstance(value, Mapping):
        return dg.MetadataValue.json(dict(value))
    if isinstance(value, str):
        return dg.MetadataValue.text(value)
    return dg.MetadataValue.float(value) if isinstance(value, float) else dg.MetadataValue.int(value)


def picture_of(jpeg: bytes) -> dg.MetadataValue:
    """A picture that Dagster's web interface shows: Markdown with the picture in it."""
    return dg.MetadataValue.md(f"![contact sheet](data:image/jpeg;base64,{b64encode(jpeg).decode()})")
