"""What an instance lost that its IOD asks for: present before, gone or empty afterwards."""

from __future__ import annotations

from collections import Counter

from dicom_assets.deidentification.dictionary import tag_text
from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.iod import NEEDS_PRESENCE, NEEDS_VALUE, attribute_type, content_tags

LEVELS = 4
"""Of sequences that are compared; the tables describe few objects that go deeper."""


def iod_losses(before: DataSet, after: DataSet, sop_class_uid: str) -> Counter[str]:
    """Attributes that the IOD asks for (PS3.5 7.4) and that the instance had before, by tag and Type.

    What was missing before is the fault of whoever made the instance. Items are compared where both have as many.
    """
    found: Counter[str] = Counter()
    _compare(before, after, sop_class_uid, (), found)
    wanted = content_tags(sop_class_uid)
    if not wanted.isdisjoint(before.elements) and wanted.isdisjoint(after.elements):
        found["what the SOP Class is for"] += 1
    return found


def _compare(before: DataSet, after: DataSet, uid: str, path: tuple[int, ...], found: Counter[str]) -> None:
    for tag, element in before.elements.items():
        kept = after.elements.get(tag)
        kind = attribute_type(uid, path, tag)
        if (kind in NEEDS_PRESENCE and kept is None) or (kind in NEEDS_VALUE and _lost_value(element, kept)):
            found[f"{tag_text(tag)} of Type {kind}"] += 1
        items, others = element.items or (), kept.items or () if kept is not None else ()
        if len(items) == len(others) and len(path) < LEVELS:
            for item, other in zip(items, others, strict=True):
                _compare(item, other, uid, (*path, tag), found)


def _lost_value(element: Element, kept: Element | None) -> bool:
    return _has_value(element) and not (kept is not None and _has_value(kept))


def _has_value(element: Element) -> bool:
    if element.items is not None:
        return bool(element.items)
    return bool(bytes(element.value[:64]).strip(b" \0"))
