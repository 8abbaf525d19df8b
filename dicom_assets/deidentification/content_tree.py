"""The tree of content items: which go because of others, and where those that stay have moved to."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dicom_assets.deidentification.encoded import DataSet, Element

if TYPE_CHECKING:
    from dicom_assets.deidentification.cleaner import Place

CONTENT_SEQUENCE = 0x0040A730
REFERENCED_ITEM = 0x0040DB73
"""Referenced Content Item Identifier: the positions that lead from the root to an item, the root's 1 first."""
RELATIONSHIP_TYPE, VALUE_TYPE = 0x0040A010, 0x0040A040
ROOT = (1,)

Position = tuple[int, ...]
CleanItem = Callable[[DataSet, "Place"], DataSet | None]
"""What may leave of an item without those below it, None where it goes."""


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """A content item that stays for its own sake. `target` is the position it refers to, None for one with a value."""

    cleaned: DataSet
    content: Element | None
    position: Position
    target: Position | None
    children: list[Node] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """It and every item below it."""
        yield self
        for child in self.children:
            yield from child.walk()


class ContentTree:
    """One sequence of content items with everything below it."""

    def __init__(self, items: list[DataSet], place: Place, clean_item: CleanItem, *, little: bool) -> None:
        """Clean each item; an item that goes takes those below it along."""
        self._clean_item = clean_item
        self._numbers = "<" if little else ">"
        self._children = self._nodes(items, ROOT, place)

    def cleaned(self) -> list[DataSet]:
        """The items that stay, by-reference relationships put right."""
        while self._drop_dangling():
            pass
        moved: dict[Position, Position] = {ROOT: ROOT}
        self._number(self._children, ROOT, moved)
        return [self._write(node, moved) for node in self._children]

    def _nodes(self, items: list[DataSet], above: Position, place: Place) -> list[Node]:
        nodes = []
        for number, item in enumerate(items, start=1):
            here = place.of(item)
            cleaned = self._clean_item(item, here)
            if cleaned is None:
                continue
            position = (*above, number)
            content = item.elements.get(CONTENT_SEQUENCE)
            node = Node(cleaned, content, position, self._target(cleaned))
            if content is not None and content.items and node.target is None:
                node.children = self._nodes(content.items, position, here.inside(CONTENT_SEQUENCE))
            nodes.append(node)
        return nodes

    def _target(self, item: DataSet) -> Position | None:
        if REFERENCED_ITEM not in item.elements:
            return None
        value = item.value(REFERENCED_ITEM)
        if len(value) % 4:
            return ()  # no position: it refers to nothing
        return struct.unpack(f"{self._numbers}{len(value) // 4}L", value)

    def _drop_dangling(self) -> bool:
        # What was dropped may have been what another item refers to, so the caller asks until nothing changes.
        present = {ROOT, *(node.position for top in self._children for node in top.walk())}
        before = len(present)
        self._children = self._standing(self._children, present)
        return 1 + sum(1 for top in self._children for _ in top.walk()) < before

    def _standing(self, nodes: list[Node], present: set[Position]) -> list[Node]:
        kept = []
        for node in nodes:
            node.children, had = self._standing(node.children, present), node.content
            if node.target is not None and node.target not in present:
                continue
            if had is not None and _lost_what_it_selects_from(node, had):
                continue
            kept.append(node)
        return kept

    def _number(self, nodes: list[Node], above: Position, moved: dict[Position, Position]) -> None:
        for number, node in enumerate(nodes, start=1):
            moved[node.position] = (*above, number)
            self._number(node.children, moved[node.position], moved)

    def _write(self, node: Node, moved: dict[Position, Position]) -> DataSet:
        if node.target is not None:
            position = moved[node.target]
            value = struct.pack(f"{self._numbers}{len(position)}L", *position)
            node.cleaned.put(Element(REFERENCED_ITEM, "UL", value))
        if node.content is not None and node.children:
            items = [self._write(child, moved) for child in node.children]
            node.cleaned.put(Element(CONTENT_SEQUENCE, "SQ", items=items, undefined=node.content.undefined))
        return node.cleaned


def _lost_what_it_selects_from(node: Node, content: Element) -> bool:
    # Coordinates lie in an image or a waveform (PS3.3 C.18.6 and C.18.7), without which they say nothing.
    if node.cleaned.value(VALUE_TYPE).strip(b" \0") not in {b"SCOORD", b"TCOORD"}:
        return False
    return any(map(_selects_from, content.items or ())) and not any(_selects_from(n.cleaned) for n in node.children)


def _selects_from(item: DataSet) -> bool:
    return item.value(RELATIONSHIP_TYPE).strip(b" \0") == b"SELECTED FROM"
