"""The kinds of events as docs/audit-trail.md shows them, taken from the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

_OF_EVERY_EVENT = {"version", "at", "event", "study"}


@lru_cache(maxsize=1)
def event_schema() -> Mapping[str, Any]:
    """JSON Schema (draft 2020-12) of one line of `events.jsonl`."""
    schema: Mapping[str, Any] = json.loads(files(__package__).joinpath("events.schema.json").read_text("utf-8"))
    return schema


def event_table() -> str:
    """A row for each kind of event; facts in brackets may be absent."""
    kinds = (event_schema()["$defs"][name] for name in event_schema()["properties"]["event"]["enum"])
    rows = [
        f"| `{kind['title']}` | {'yes' if 'study' in kind['properties'] else ''} | "
        f"{', '.join(_facts(kind))} | {kind['description']} |\n"
        for kind in kinds
    ]
    return "| event | of a study | facts | what it says |\n|---|---|---|---|\n" + "".join(rows)


def stage_table() -> str:
    """The facts of each stage."""
    definitions = event_schema()["$defs"]
    rows = []
    for stage in definitions["stage"]["enum"]:
        facts = [f"`{name}`" for name in definitions[f"facts_{stage}"]["properties"] if name != "stage"]
        rows.append(f"| {stage} | {', '.join(facts)} |\n")
    return "| stage | facts |\n|---|---|\n" + "".join(rows)


def _facts(kind: Mapping[str, Any]) -> Iterator[str]:
    for name in kind["properties"]:
        if name not in _OF_EVERY_EVENT:
            yield f"`{name}`" if name in kind["required"] else f"[`{name}`]"
    if "oneOf" in kind:
        yield "those of the stage"
