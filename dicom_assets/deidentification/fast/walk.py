"""The walk: over each byte of an encoded header once, copying runs that stay and writing what changes.

It accepts no more than the strict reader does, and less: whatever is out of the ordinary raises `OddError`.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from dicom_assets.deidentification.cleaner import SUBJECT_TAGS, Place
from dicom_assets.deidentification.encoded import (
    UNDEFINED,
    DataSet,
    Element,
)
from dicom_assets.deidentification.fast import plan as steps
from dicom_assets.deidentification.fast.assisted import Assisted
from dicom_assets.deidentification.fast.blocks import BlockPlan, end_of_creators, plan_for_blocks
from dicom_assets.deidentification.fast.original import ElementsOnDemand
from dicom_assets.deidentification.fast.output import METHOD_PLACES, NO_TAG, encoded_method
from dicom_assets.deidentification.fast.places import (
    ITEM,
    SEQUENCE_END,
    At,
    Level,
    end_of_fragments,
    long_at,
    may_hold_codes,
)
from dicom_assets.deidentification.fast.plan import COPY, HANDLED, REPLACE, OddError, Plan, Step
from dicom_assets.deidentification.profile import Profile
from dicom_assets.deidentification.residual import IDENTIFYING, Noted
from dicom_assets.deidentification.text import defined_charset
from dicom_assets.deidentification.uids import is_well_formed, replace_uids, split_uids
from dicom_assets.deidentification.values import NUMBERS

_DEEPEST = 32


class Walk(Assisted):
    """One walk over a data set.

    `noted` and `charsets`, each value of (0008,0005) that was met, are for the residual scan; `original` reads what is
    asked of it.
    """

    def run(self) -> None:
        """Walk to the end.

        Raises:
            OddError: the file is for the thorough path.
        """
        self._plan.trim()
        end, output = len(self._data), self._output
        positions: dict[int, int] = {}
        try:
            self._elements(Level(self._start, end, delimited=False, depth=0), self._plan, positions)
        except (IndexError, struct.error):
            raise OddError("truncated") from None
        output.flush(end)
        output.pass_method_places(NO_TAG, len(output.written))
        if self._written_before_pixels not in {None, (len(output.written), len(output.gaps))}:
            raise OddError("something after the pixels")
        if not SUBJECT_TAGS.keys() <= positions.keys():
            raise OddError("nothing that names a patient")
        positions |= self._private_positions
        elements = ElementsOnDemand(self._data, self._encoding, positions)
        elements.update(self._read)
        self.original = DataSet(elements)

    def header(self, profile: Profile) -> bytes:
        """What is written before the pixels: the walk's output, and in its gaps what had to wait for the walk's end."""
        method = encoded_method(profile, self.original, self._encoding)
        fillings = []
        for _, filling in self._output.gaps:
            if isinstance(filling, Element):
                fillings.append(self._cleaned(filling, self.original, Place(charset=self.charset)))
            else:
                fillings.append(b"".join(method[tag] for tag in filling if tag in method))
        return self._output.whole(fillings)

    def cleaned_uids(self) -> DataSet:
        """What was written for the UIDs of the outcome."""
        return DataSet({tag: Element(tag, "UI", value) for tag, value in self._uids.items()})

    def pixels_as_they_are(self) -> memoryview:
        """The pixel element, header and all; empty where there is none."""
        return memoryview(self._data)[slice(*self._pixels_at)]

    def _elements(self, level: Level, plan: Plan, positions: dict[int, int]) -> int:
        # All that is done for most elements is in this loop, not in functions: it is what the fast path's time goes to.
        position, end = level.start, level.end
        data, known, output = self._data, plan.steps, self._output
        out, run, is_number = output.written, output.run, NUMBERS.fullmatch
        previous, limit = -1, METHOD_PLACES[0][0] if plan.top else NO_TAG
        while position < end:
            key = data[position : position + 8]
            step = known.get(key) or plan.learn(key, self._cleaner)
            tag, kind, size, header, prefix, _ = step
            stop = position + size if size else position + 12 + long_at(data, position + 8)[0]
            if not previous < tag < limit:
                if tag <= previous:
                    raise OddError("elements out of order")
                limit = output.pass_method_places(tag, len(out) + position - run)
            previous = tag
            positions[tag] = position
            if kind < HANDLED:
                if stop > end or (stop - position) & 1:
                    raise OddError("a length that is odd, undefined or too large")
                if kind == REPLACE:
                    if run < position:
                        out += data[run:position]
                    if prefix:
                        out += prefix
                    position = run = stop
                    continue
                if kind == COPY or is_number(data, position + header, stop):
                    position = stop
                    continue
            output.run = run
            if kind == steps.END:
                if not level.delimited or stop != position + 8:
                    raise OddError("a delimiter out of place")
                return stop
            position = _HANDLERS[kind](self, step, At(position, position + header, stop, level, plan))
            run = output.run
        output.run = run
        if level.delimited:
            raise OddError("truncated")
        return position

    # Handlers: each takes care of one element and returns where the next one begins.

    def _noted_replace(self, step: Step, at: At) -> int:
        self._note(step, at)
        self._output.replace(at.position, at.stop, step.prefix)
        return at.stop

    def _subject(self, step: Step, at: At) -> int:
        self._note(step, at)
        return self._replace(step, at, self._cleaner.subject_value())

    def _uid(self, step: Step, at: At) -> int:
        self._note(step, at)
        value = replace_uids(self._data[at.start : at.stop], self._cleaner.replace_uid)
        if at.plan.top and step.tag in steps.OUTCOME_UIDS:
            self._uids[step.tag] = value
        return self._replace(step, at, value)

    def _class_uid(self, step: Step, at: At) -> int:
        self._note(step, at)
        return at.stop if _are_well_formed(self._data[at.start : at.stop]) else self._value(step, at)

    def _value(self, step: Step, at: At) -> int:
        self._note(step, at)
        written = self._written_for(step, at)
        if written != self._data[at.position : at.stop]:
            self._output.replace(at.position, at.stop, written)
        return at.stop

    def _character_set(self, step: Step, at: At) -> int:
        self._noted_character_set(step, at)
        terms = defined_charset(self.charset)
        if terms is not None:
            return self._replace(step, at, terms)
        self._output.replace(at.position, at.stop, b"")
        return at.stop

    def _noted_character_set(self, step: Step, at: At) -> int:
        self.charset = self._data[at.start : at.stop]
        self.charsets[self.charset] = None
        return self._note(step, at)

    def _note(self, step: Step, at: At) -> int:
        if at.stop > at.level.end or (at.stop - at.start) & 1:
            raise OddError("a length that is odd, undefined or too large")
        if step.tag in IDENTIFYING:
            self.noted.append(Noted(step.tag, self._data[at.start : at.stop], self.charset))
        return at.stop

    def _replace(self, step: Step, at: At, value: bytes) -> int:
        if not step.wide and len(value) > 0xFFFF:
            raise OddError("a new value is too long")
        length = len(value).to_bytes(4 if step.wide else 2, "little")
        self._output.replace(at.position, at.stop, step.prefix + length + value)
        return at.stop

    def _sequence(self, step: Step, at: At) -> int:
        return self._items(at, at.plan.inside(step.tag))

    def _dummied(self, step: Step, at: At) -> int:
        return self._items(at, at.plan.inside(step.tag, dummied=True))

    def _gone(self, step: Step, at: At) -> int:
        self._output.flush(at.position)
        after = self._items(at, at.plan.removed)
        self._output.replace(at.position, after, step.prefix)
        return after

    def _private(self, step: Step, at: At) -> int:
        self._output.flush(at.position)
        after = self._noted_private(step, at, at.plan.removed)
        self._output.replace(at.position, after, b"")
        return after

    def _noted_private(self, step: Step, at: At, plan: Plan | None = None) -> int:
        # What is inside a private sequence goes, and its identifiers are noted wherever it shows that it is one.
        holds_item = self._data[at.start : at.start + 4] == ITEM
        if at.undefined or holds_item:
            if not at.plan.implicit and self._data[at.position + 4 : at.position + 6] != b"SQ":
                raise OddError("a private sequence encoded as UN")
            return self._items(at, plan or at.plan)
        return self._note(step, at)

    def _items(self, at: At, plan: Plan) -> int:
        delimited, level = at.undefined, at.level
        end = level.end if delimited else at.stop
        if end > level.end or level.depth == _DEEPEST:
            raise OddError("a sequence that is too long or too deep")
        length_at = self._output.offset(at.start - 4)
        data, charset, position = self._data, self.charset, at.start
        while position < end:
            tag, length = data[position : position + 4], long_at(data, position + 4)[0]
            position += 8
            if tag == SEQUENCE_END and delimited and length == 0:
                return position
            if tag != ITEM:
                raise OddError("something other than an item in a sequence")
            position = self._item(position, length, end, level.depth + 1, plan)
            self.charset = charset
        if delimited:
            raise OddError("truncated")
        self._output.mend_length(length_at, at.stop - at.start, position)
        return position

    def _item(self, start: int, length: int, end: int, depth: int, plan: Plan) -> int:
        if length == UNDEFINED:
            return self._elements(Level(start, end, delimited=True, depth=depth), plan, {})
        if length > end - start:
            raise OddError("truncated")
        end = start + length
        length_at = self._output.offset(start - 4)
        self._elements(Level(start, end, delimited=False, depth=depth), plan, {})
        self._output.mend_length(length_at, length, end)
        return end

    def _pixel_element(self, step: Step, at: At) -> int:
        if self._written_before_pixels is not None:
            raise OddError("several pixel elements")
        stop = end_of_fragments(self._data, at.start, at.level.end) if at.undefined else self._note(step, at)
        view = memoryview(self._data)
        vr = "" if at.plan.implicit else self._data[at.position + 4 : at.position + 6].decode("ascii")
        value = view[at.start : stop - 8 if at.undefined else stop]
        self._read[step.tag] = Element(step.tag, vr, value, undefined=at.undefined)
        self._pixels_at = at.position, stop
        self._output.replace(at.position, stop, b"")
        self._written_before_pixels = len(self._output.written), len(self._output.gaps)
        return stop

    def _group(self, _: Step, at: At) -> int:
        # Which private elements are safe depends on who reserved their block. Where that does not tell enough, the
        # cleaner gets the group as a whole.
        reserved = end_of_creators(self._data, at.position, at.level.end, implicit=at.plan.implicit)
        if reserved is not None:
            plan = plan_for_blocks(at.plan, self._data[at.position : reserved], self._cleaner)
            stop = self._blocks(at, reserved, plan) if plan is not None else None
            if stop is not None:
                return stop
        return self._whole_group(at)

    def _blocks(self, at: At, position: int, plan: BlockPlan) -> int | None:
        data, end, output, previous = self._data, at.level.end, self._output, -1
        group, kept, blocks = data[at.position : at.position + 2], bytearray(), set()
        positions: dict[int, int] = {}
        output.flush(at.position)
        while position < end and data[position : position + 2] == group:
            key = data[position : position + 8]
            step = plan.steps.get(key) or plan.learn(key, self._cleaner)
            stop = position + step.size if step.size else position + 12 + long_at(data, position + 8)[0]
            whole = step.kind == steps.PRIVATE or (stop <= end and not (stop - position) & 1)
            if step.kind == steps.SLOW or step.tag <= previous or not whole:
                output.run = at.position
                return None
            previous = step.tag
            positions[previous] = position
            if step.kind == steps.PRIVATE:
                output.run = position
                stop = self._private(step, At(position, position + step.header, stop, at.level, plan))
            elif step.kind == steps.VALUE:
                written = self._written_for(step, At(position, position + step.header, stop, at.level, plan))
                if written:
                    kept += written
                    blocks.add(previous >> 8 & 0xFF)
            position = stop
        output.written += plan.reserved(blocks) + kept
        output.run = position
        if at.plan.top:
            self._read.update(plan.creators.elements)
            self._private_positions.update(positions)
        return position

    def _described(self, step: Step, at: At) -> int:
        # Only codes may go for what they say; other items are cleaned element by element.
        return self._alone(step, at) if may_hold_codes(self._data, at) else self._sequence(step, at)


_HANDLERS = {
    steps.NUMBER: Walk._value,  # it is none, or the loop had copied it
    steps.NOTED_REPLACE: Walk._noted_replace,
    steps.UID: Walk._uid,
    steps.CLASS_UID: Walk._class_uid,
    steps.CHARSET: Walk._character_set,
    steps.SUBJECT: Walk._subject,
    steps.VALUE: Walk._value,
    steps.SEQUENCE: Walk._sequence,
    steps.DUMMIED: Walk._dummied,
    steps.GONE: Walk._gone,
    steps.PRIVATE: Walk._private,
    steps.GROUP: Walk._group,
    steps.PIXELS: Walk._pixel_element,
    steps.SLOW: Walk._slow,
    steps.ALONE: Walk._alone,
    steps.DESCRIBED: Walk._described,
    steps.NOTED: Walk._note,
    steps.NOTED_CHARSET: Walk._noted_character_set,
    steps.NOTED_PRIVATE: Walk._noted_private,
}


@lru_cache(maxsize=256)
def _are_well_formed(value: bytes) -> bool:
    return all(is_well_formed(uid) for uid in split_uids(value))
