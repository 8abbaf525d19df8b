"""The field `white_lists` of a profile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from dicom_assets.deidentification.descriptors import CODE_MEANING, WhiteList, normalized
from dicom_assets.deidentification.dictionary import known_vr, tag_named, tag_text
from dicom_assets.deidentification.profile_fields import ANY_TEXT, Fields
from dicom_assets.deidentification.rule import TEXT_VRS
from dicom_assets.deidentification.table import confidentiality_table

_NO_DESCRIPTOR = "qqq zweistein^albertine 4711 xyzzy"
"""What a pattern that matches it would let through is anything."""


@dataclass(frozen=True, slots=True)
class WhiteListEntry:
    """One entry of the field: its place in the file and the lists it holds."""

    fields: Fields
    field: str
    white_lists: tuple[WhiteList, ...]

    def refuse_unused(self, is_cleaned: Callable[[int, str], bool]) -> None:
        """Let no list stand that nothing would ask; `is_cleaned` tells by tag and VR.

        Raises:
            ProfileError: names file, line and field.
        """
        for white_list in self.white_lists:
            if white_list.tag != CODE_MEANING and not is_cleaned(white_list.tag, _vr(white_list.tag)):
                raise self.fields.error(
                    self.field, f"is about {tag_text(white_list.tag)}, which the profile's options do not clean"
                )


def parse_white_lists(fields: Fields, folder: Path | None) -> Iterator[WhiteListEntry]:
    """Read the field; files are looked for in `folder`, where the profile itself lies.

    Raises:
        ProfileError: names file, line and field.
    """
    for inner in fields.sections("white_lists"):
        if "file" in inner.names():
            yield WhiteListEntry(inner, "file", tuple(_from_file(inner, folder)))
        else:
            yield WhiteListEntry(inner, "attribute", (_inline(inner),))
        inner.refuse_others()


def _inline(fields: Fields) -> WhiteList:
    tag = _text_tag(fields, "attribute", fields.text("attribute", ANY_TEXT, "a keyword or gggg,eeee"), "")
    values = _normalized_values(text for text, _ in fields.texts("values"))
    patterns = tuple(_pattern(fields, text, node) for text, node in fields.texts("patterns"))
    if not values and not patterns:
        raise fields.error("attribute", "needs values or patterns")
    return WhiteList(tag, values, patterns)


def _normalized_values(texts: Iterator[str]) -> tuple[str, ...]:
    return tuple(sorted({normalized(text) for text in texts} - {""}))


def _pattern(fields: Fields, text: str, node: yaml.Node) -> str:
    try:
        pattern = re.compile(text, re.IGNORECASE)
    except re.error:
        raise fields.error("patterns", "holds something that is not a regular expression", node) from None
    if pattern.fullmatch(_NO_DESCRIPTOR):
        raise fields.error("patterns", "holds a pattern that any text matches", node)
    return text


def _from_file(fields: Fields, folder: Path | None) -> Iterator[WhiteList]:
    name = fields.text("file", ANY_TEXT, "the path of a JSON file")
    if folder is None:
        raise fields.error("file", f"names {name}, but the profile itself is not a file")
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"), object_pairs_hook=_without_twins)
    except json.JSONDecodeError as error:
        raise fields.error("file", f"names {name}, which is not JSON at its line {error.lineno}") from None
    except (OSError, ValueError, RecursionError):
        raise fields.error("file", f"names {name}, which can't be read or names an attribute twice") from None
    if not isinstance(content, dict):
        raise fields.error("file", f"names {name}, which does not hold attributes with lists of texts")
    for attribute, values in content.items():
        tag = _text_tag(fields, "file", attribute, f"names {name}, which ")
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise fields.error("file", f"names {name}, which has no list of texts for {tag_text(tag)}")
        yield WhiteList(tag, _normalized_values(iter(values)))


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _text_tag(fields: Fields, field: str, name: str, before: str) -> int:
    tag = tag_named(name.strip())
    if tag is None:
        raise fields.error(field, before + "names no attribute: give a keyword of PS3.6 or gggg,eeee")
    if _vr(tag) not in TEXT_VRS:
        raise fields.error(field, before + f"names {tag_text(tag)}, which holds no text of a kind that is cleaned")
    return tag


def _vr(tag: int) -> str:
    row = confidentiality_table().row_for(tag)
    return known_vr(tag) or (row.vr if row is not None else "")
