"""What a PACS answers to STOW-RS, instance by instance, in JSON or XML (PS3.18 10.5.3 and Annex I)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from dicom_assets.adapters.pacs.plane.statuses import PROCESSING_FAILURE

_REFERENCED_SOP_INSTANCE_UID = "00081155"
_FAILURE_REASON = "00081197"
_FAILED_SOP_SEQUENCE = "00081198"
_REFERENCED_SOP_SEQUENCE = "00081199"


class UnreadableAnswerError(ValueError):
    """It is neither of the two formats; no part of it is in the message."""


@dataclass(frozen=True, slots=True)
class StowAnswer:
    """Which instances were stored, and why others were not: SOP Instance UID to Failure Reason (0008,1197)."""

    stored: frozenset[str]
    failed: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether it tells nothing of any instance."""
        return not self.stored and not self.failed


def read_stow_answer(content: bytes) -> StowAnswer:
    """An answer; whether it is JSON or XML is seen from its first character, as not every PACS labels it.

    Raises:
        UnreadableAnswerError: it is neither, or not an answer to STOW-RS.
    """
    text = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    stored: set[str] = set()
    failed: dict[str, int] = {}
    for ds in _from_xml(text) if text.startswith(b"<") else _from_json(text):
        stored.update(_text(item, _REFERENCED_SOP_INSTANCE_UID) for item in _items(ds, _REFERENCED_SOP_SEQUENCE))
        for item in _items(ds, _FAILED_SOP_SEQUENCE):
            reason = _text(item, _FAILURE_REASON)
            failed[_text(item, _REFERENCED_SOP_INSTANCE_UID)] = (
                int(reason) if reason.isdecimal() else PROCESSING_FAILURE
            )
    failed.pop("", None)
    return StowAnswer(frozenset(stored - {""} - failed.keys()), failed)


def _from_json(text: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableAnswerError("no JSON") from None
    # Some PACSs put the data set into a list, as QIDO-RS has it.
    for ds in parsed if isinstance(parsed, list) else [parsed]:
        if not isinstance(ds, dict):
            raise UnreadableAnswerError("no data set in JSON")
        yield ds


def _items(ds: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    attribute = ds.get(tag)
    items = attribute.get("Value") if isinstance(attribute, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _text(ds: Mapping[str, Any], tag: str) -> str:
    attribute = ds.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return str(values[0]).strip("\0 ") if isinstance(values, list) and values else ""


def _from_xml(text: bytes) -> Iterator[Mapping[str, Any]]:
    """The Native DICOM Model (PS3.19 A.1), as DICOM JSON has it."""
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise UnreadableAnswerError("XML that defines entities")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  without entities of its own XML can't grow
    except (ElementTree.ParseError, ValueError, RecursionError):
        raise UnreadableAnswerError("no XML") from None
    if _name(root) != "NativeDicomModel":
        raise UnreadableAnswerError("no data set in XML")
    yield _data_set(root)


def _data_set(parent: ElementTree.Element) -> dict[str, Any]:
    return {
        child.get("tag", "").upper(): {
            "Value": [_data_set(value) if _name(value) == "Item" else (value.text or "") for value in child]
        }
        for child in parent
        if _name(child) == "DicomAttribute"
    }


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
