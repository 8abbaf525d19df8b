"""The schema of events that the package ships, and what of a file of events does not fit it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from dicom_assets.adapters.event_table import event_schema

SCHEMA: dict[str, Any] = dict(event_schema())
KINDS: list[str] = SCHEMA["properties"]["event"]["enum"]


def misfits(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which events the schema does not allow, and why."""
    validator = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [
        f"{event.get('event')}: {error.json_path} {error.message}"
        for event in events
        if (error := best_match(validator.iter_errors(dict(event)))) is not None
    ]


def events_in(file: Path) -> list[dict[str, Any]]:
    """The events in a file."""
    return [json.loads(line) for line in file.read_text().splitlines()]
