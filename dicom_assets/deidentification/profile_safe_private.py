"""The field `safe_private` of a profile: what its author knows to be safe beyond the standard's table."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from dicom_assets.deidentification.profile_fields import Fields
from dicom_assets.deidentification.safe_private import KNOWN_VRS, SafeAddition

_CREATOR = re.compile(r"[!-~]([ -~]{0,62}[!-~])?")
_GROUP = re.compile(r"[0-9A-Fa-f]{3}[13579BDFbdf]")
_ELEMENTS = re.compile(r"([0-9A-Fa-f]{2})(?:-([0-9A-Fa-f]{2}))?")
_REASON = re.compile(r"(?s).*\S.*")


def parse_safe_private(fields: Fields) -> Iterator[SafeAddition]:
    """Read the field.

    Raises:
        ProfileError: names file, line and field.
    """
    for inner in fields.sections("safe_private"):
        yield _addition(inner)
        inner.refuse_others()


def _addition(fields: Fields) -> SafeAddition:
    creator = fields.text("creator", _CREATOR, "1 to 64 printable ASCII characters, none of them a space at an end")
    group = int(fields.text("group", _GROUP, "four hexadecimal digits of an odd group, in quotes"), 16)
    if group < 0x0009 or group == 0xFFFF or "\\" in creator:
        raise fields.error("group", "is not one in which private attributes may be, or the creator has a backslash")
    elements: list[int] = []
    for text, node in fields.texts("elements"):
        elements += _range(fields, text, node)
    if not elements:
        raise fields.error("elements", "must name elements")
    return SafeAddition(
        creator=creator,
        group=group,
        elements=tuple(sorted(set(elements))),
        reason=fields.text("reason", _REASON, "why they are safe, in words").strip(),
        vr=fields.choice("vr", tuple(sorted(KNOWN_VRS)), "") if "vr" in fields.names() else "",
    )


def _range(fields: Fields, text: str, node: yaml.Node) -> range:
    match = _ELEMENTS.fullmatch(text)
    first, last = (int(match[1], 16), int(match[2] or match[1], 16)) if match else (1, 0)
    if last < first:
        raise fields.error("elements", "must hold the last two digits of numbers, or first-last", node)
    return range(first, last + 1)
