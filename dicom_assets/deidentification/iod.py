"""What PS3.3 asks of an attribute in an instance's IOD, as far as a rule depends on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files

from dicom_assets.errors import ConfigurationError


class AttributeType(StrEnum):
    """Whether an attribute has to be there and to have a value (PS3.5 7.4)."""

    VALUE_REQUIRED = "1"
    VALUE_REQUIRED_IF = "1C"
    REQUIRED = "2"
    REQUIRED_IF = "2C"
    OPTIONAL = "3"


NEEDS_VALUE = frozenset({AttributeType.VALUE_REQUIRED, AttributeType.VALUE_REQUIRED_IF})
NEEDS_PRESENCE = frozenset({AttributeType.REQUIRED, AttributeType.REQUIRED_IF})


@dataclass(frozen=True, slots=True)
class IodTypes:
    """The data file: nodes are places (a data set, the items of a sequence), numbered and shared between IODs."""

    digest: str
    nodes: tuple[str, ...]
    roots: Mapping[str, int | None]
    content: Mapping[str, frozenset[int]]


def parse_iod_types(data: bytes) -> IodTypes:
    """Read the data file that `scripts/build_iod_types.py` writes.

    Raises:
        ConfigurationError: the file is not such a file.
    """
    try:
        facts = json.loads(data)
        return IodTypes(
            digest=hashlib.sha256(data).hexdigest(),
            nodes=tuple(str(node) for node in facts["nodes"]),
            roots={uid: root for uid, (root, _) in facts["sop_classes"].items()},
            content={uid: frozenset(int(tag, 16) for tag in tags) for uid, (_, tags) in facts["sop_classes"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"the Types of attributes can't be read: {type(error).__name__}") from None


@cache
def iod_types() -> IodTypes:
    """The facts this package ships."""
    return parse_iod_types(files("dicom_assets.deidentification").joinpath("data/iod_types.json").read_bytes())


@lru_cache(maxsize=16384)
def attribute_type(sop_class_uid: str, path: tuple[int, ...], tag: int) -> AttributeType | None:
    """The strictest Type of `tag` at the end of `path`, the tags of the sequences that it lies in, outermost first.

    None where the SOP Class is not known, its IOD has no such attribute there, or no rule depends on it.
    """
    node = _items(sop_class_uid, path)
    return None if node is None else _node(node).get(tag, (None, None))[0]


def content_tags(sop_class_uid: str) -> frozenset[int]:
    """What instances of the class exist for, such as Pixel Data: each has one of these. Empty: nothing is asked."""
    return iod_types().content.get(sop_class_uid, frozenset())


@lru_cache(maxsize=4096)
def _items(sop_class_uid: str, path: tuple[int, ...]) -> int | None:
    if not path:
        return iod_types().roots.get(sop_class_uid)
    *outer, sequence = path
    node = _items(sop_class_uid, tuple(outer))
    if node is not None and sequence in _node(node):
        return _node(node)[sequence][1]
    if sequence in outer:
        # Trees nest a sequence in itself (PS3.3 C.17.3); the tables describe its items once.
        return _items(sop_class_uid, path[: outer.index(sequence) + 1])
    return None


@lru_cache(maxsize=1024)
def _node(number: int) -> Mapping[int, tuple[AttributeType | None, int | None]]:
    found = {}
    for entry in iod_types().nodes[number].split():
        tag, type_, inside = (*entry.split(":"), "")[:3]
        found[int(tag, 16)] = (AttributeType(type_) if type_ else None, int(inside) if inside else None)
    return found
