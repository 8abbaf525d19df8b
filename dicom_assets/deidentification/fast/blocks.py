"""What the walk does with a private group, once it is known who reserved its blocks (PS3.5 7.8.1)."""

from __future__ import annotations

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.cleaner import Cleaner
from dicom_assets.deidentification.encoded import EXPLICIT_LITTLE, IMPLICIT_LITTLE, SHORT_VRS, Element, Reader
from dicom_assets.deidentification.fast.output import encode
from dicom_assets.deidentification.fast.places import long_at
from dicom_assets.deidentification.fast.plan import PRIVATE, REPLACE, SLOW, VALUE, Doing, Plan

MOST_CREATOR_BYTES = 1 << 11
_SHORT_VRS = {vr.encode("ascii") for vr in SHORT_VRS}


class BlockPlan(Plan):
    """The steps for what lies in the blocks of one private group. Those that need the group as a whole are SLOW."""

    def __init__(self, around: Plan, reserving: bytes) -> None:
        """Read the elements that reserve blocks.

        Raises:
            EncodingError: they are broken.
        """
        super().__init__(around.rules, around.place, implicit=around.implicit, learned=around.learned)
        self.memory = around.memory
        self.top = False
        self._encoding = IMPLICIT_LITTLE if around.implicit else EXPLICIT_LITTLE
        if reserving:
            self.creators = Reader(memoryview(reserving), self._encoding).group(
                0, len(reserving), len(self.place.path)
            )[0]

    def reserved(self, blocks: set[int]) -> bytes:
        """The elements that reserve these blocks."""
        group = next(iter(self.creators.elements)) & 0xFFFF0000 if blocks else 0
        return b"".join(encode(self.creators.elements[group | block], self._encoding) for block in sorted(blocks))

    def _by_rule(self, element: Element, cleaner: Cleaner) -> Doing:
        if element.vr == "SQ":
            element.items = []
        opened = Element(element.tag, element.vr, items=[])
        actions = {cleaner.action(one, self.place)[0] for one in (element, opened)}
        if actions != {Action.PRIVATE} or element.tag & 0xFFFF < 0x1000:
            return SLOW, b"", False
        vr = cleaner.rules.safe_private.vr_of(element, self.creators)
        if vr is None:  # it goes, whatever its value is
            return (PRIVATE if element.vr == "SQ" else REPLACE), b"", False
        return (SLOW if vr == "SQ" or element.items is not None else VALUE), b"", False


def end_of_creators(data: bytes, position: int, end: int, *, implicit: bool) -> int | None:
    """Where the elements that reserve blocks of the private group at a position end; None if they are unusual."""
    group, start = data[position : position + 2], position
    while position < end and data[position : position + 2] == group and data[position + 3] < 0x10:
        if implicit:
            length = long_at(data, position + 4)[0]
        elif data[position + 4 : position + 6] in _SHORT_VRS:
            length = int.from_bytes(data[position + 6 : position + 8], "little")
        else:
            return None
        position += 8 + length
    return position if position <= min(end, start + MOST_CREATOR_BYTES) else None


def plan_for_blocks(around: Plan, reserving: bytes, cleaner: Cleaner) -> BlockPlan | None:
    """The plan for blocks that were reserved in these words, made once; None where the group is for the cleaner."""
    found = around.blocks.get(reserving)
    if found is None:
        found = BlockPlan(around, reserving)
        around.count()
        if cleaner.data_set(found.creators, around.place).elements:
            return None
        around.blocks[reserving] = found
    return found
