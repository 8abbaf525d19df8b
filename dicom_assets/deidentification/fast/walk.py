"""The walk: over each byte of an encoded header once, copying runs that stay and writing what changes.

It accepts no more than the strict reader does, and less: whatever is out of the ordinary raises `OddError`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from dicom_assets.deidentification.cleaner import Cleaner, Place
from dicom_assets.deidentification.encoded import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    UNDEFINED,
    DataSet,
    Element,
    Encoding,
    Reader,
)
from dicom_assets.deidentification.fast.original import ElementsOnDemand
from dicom_assets.deidentification.fast.plan import (
    CHARSET,
    CLASS_UID,
    CONSTANT,
    COPY,
    END,
    GONE,
    HANDLED,
    LONG,
    NOTED,
    NOTED_CHARSET,
    NUMBER,
    OPEN_PRIVATE,
    OUTCOME_UIDS,
    PIXELS,
    PRIVATE,
    SEQUENCE,
    SHORT,
    SKIP,
    SLOW,
    SUBJECT,
    UID,
    OddError,
    Plan,
    Step,
    plan_for_removed,
)
from dicom_assets.deidentification.method import write_method
from dicom_assets.deidentification.profile import Profile
from dicom_assets.deidentification.residual import IDENTIFYING, Noted, noted_in_element
from dicom_assets.deidentification.text import defined_charset
from dicom_assets.deidentification.uids import is_well_formed, replace_uids, split_uids
from dicom_assets.deidentification.writer import Writer

METHOD_PLACES = ((0x00120062, 0x00120063, 0x00120064), (0x00280303,))
"""What `write_method` may write: neighbours, whose originals are removed, so that they go in together."""

_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_METHOD_TAGS = {tag for tags in METHOD_PLACES for tag in tags}
_NO_TAG = 1 << 32
_NUMERIC = b"0123456789+-.eE\\ \0"
_DEEPEST = 32
_long = struct.Struct("<L").unpack_from
_reserved_and_long = struct.Struct("<HL").unpack_from


class Level(NamedTuple):
    """The data set the walk is in: where its elements begin, where they end at the latest, and how they end."""

    start: int
    end: int
    delimited: bool
    depth: int


class Walk:
    """One walk over a data set. What it finds out is in its public attributes.

    `noted` and `charset` are for the residual scan, `original` reads what is asked of it.
    """

    def __init__(self, data: bytes, start: int, plan: Plan, cleaner: Cleaner) -> None:
        """Walk over `data` from `start` on."""
        self.noted: list[Noted] = []
        self.charset = b""
        self.original = DataSet()
        self._uids: dict[int, bytes] = {}
        self._pixel_element: Element | None = None
        self._pixels_at = (len(data), len(data))
        self._data = data
        self._start = start
        self._plan = plan
        self._removed = plan_for_removed(implicit=plan.implicit)
        self._cleaner = cleaner
        self._subject_id = cleaner.subject_value()
        self._encoding = IMPLICIT_LITTLE if plan.implicit else EXPLICIT_LITTLE
        self._reader = Reader(memoryview(data), self._encoding)
        self._width = 4 if plan.implicit else 6
        self._out = bytearray()
        self._run = start
        self._gaps: list[tuple[int, Element | tuple[int, ...]]] = []
        self._written_before_pixels: tuple[int, int] | None = None
        self._items_read: dict[int, DataSet] = {}
        self._handlers = {
            CONSTANT: self._constant,
            UID: self._uid,
            CLASS_UID: self._class_uid,
            CHARSET: self._charset,
            SUBJECT: self._subject,
            SEQUENCE: self._sequence,
            GONE: self._gone,
            PRIVATE: self._private,
            PIXELS: self._pixels,
            SLOW: self._slow,
            NUMBER: self._slow,  # which is none, or the walk had copied it
            NOTED: self._noted,
            NOTED_CHARSET: self._noted_charset,
            OPEN_PRIVATE: self._open_private,
        }

    def run(self) -> None:
        """Walk to the end.

        Raises:
            OddError: the file is for the thorough path.
        """
        end = len(self._data)
        positions: dict[int, int] = {}
        try:
            self._elements(Level(self._start, end, delimited=False, depth=0), self._plan, positions)
        except (IndexError, struct.error):
            raise OddError("truncated") from None
        self._flush(end)
        self._pass_method_places(_NO_TAG, len(self._out))
        if self._written_before_pixels not in {None, (len(self._out), len(self._gaps))}:
            raise OddError("something after the pixels")
        elements = ElementsOnDemand(self._reader, positions, end)
        if self._pixel_element is not None:
            elements[self._pixel_element.tag] = self._pixel_element
        self.original = DataSet(elements)

    def header(self, profile: Profile) -> bytes:
        """What is written before the pixels: the walk's output, and in their places what had to wait for its end."""
        method = _method(profile, self.original, self._encoding)
        parts: list[bytes | bytearray] = []
        done = 0
        for offset, filling in self._gaps:
            parts.append(self._out[done:offset])
            done = offset
            if isinstance(filling, Element):
                parts.append(self._cleaned(filling, self.original, Place(), top=True))
            else:
                parts += [method[tag] for tag in filling if tag in method]
        return b"".join([*parts, self._out[done:]])

    def cleaned_uids(self) -> DataSet:
        """What was written for the UIDs of the outcome."""
        return DataSet({tag: Element(tag, "UI", value) for tag, value in self._uids.items()})

    def pixels_as_they_are(self) -> memoryview:
        """The pixel element, header and all; empty where there is none."""
        return memoryview(self._data)[slice(*self._pixels_at)]

    def _flush(self, position: int) -> None:
        if self._run < position:
            self._out += self._data[self._run : position]
        self._run = position

    def _elements(self, level: Level, plan: Plan, positions: dict[int, int]) -> int:
        """Walk over one data set; returns where it ends."""
        position, end = level.start, level.end
        data, steps, width, out, run = self._data, plan.steps, self._width, self._out, self._run
        previous, limit = -1, METHOD_PLACES[0][0] if plan.top else _NO_TAG
        while position < end:
            key = data[position : position + width]
            step = steps.get(key) or plan.learn(key, self._cleaner)
            tag, kind, form, _, _ = step
            if form == SHORT:
                start = position + 8
                stop = start + (data[position + 6] | data[position + 7] << 8)
            elif form == LONG:
                start = position + 12
                reserved, length = _reserved_and_long(data, position + 6)
                stop = start + length
                if reserved:
                    raise OddError("reserved bytes that are not zero")
            else:
                start = position + 8
                stop = start + _long(data, position + 4)[0]
            if not previous < tag < limit:
                if tag <= previous:
                    raise OddError("elements out of order")
                limit = self._pass_method_places(tag, len(out) + position - run)
            previous = tag
            positions[tag] = position
            if kind < HANDLED:
                if stop > end or (stop - position) & 1:
                    raise OddError("a length that is odd, undefined or too large")
                if kind == SKIP:
                    if run < position:
                        out += data[run:position]
                    position = run = stop
                    continue
                if kind == COPY or not data[start:stop].translate(None, _NUMERIC):
                    position = stop
                    continue
            self._run = run
            if kind == END:
                if not level.delimited or stop != start:
                    raise OddError("a delimiter out of place")
                return stop
            position = self._handlers[kind](step, position, start, stop, level, plan)
            run = self._run
        self._run = run
        if level.delimited:
            raise OddError("truncated")
        return position

    def _pass_method_places(self, tag: int, offset: int) -> int:
        passed = sum(1 for _, filling in self._gaps if isinstance(filling, tuple))
        while passed < len(METHOD_PLACES) and tag >= METHOD_PLACES[passed][0]:
            self._gaps.append((offset, METHOD_PLACES[passed]))
            passed += 1
        return METHOD_PLACES[passed][0] if passed < len(METHOD_PLACES) else _NO_TAG

    # Handlers: each takes care of one element and returns where the next one begins.

    def _constant(self, step: Step, position: int, start: int, stop: int, level: Level, _: Plan) -> int:
        self._note(step, start, stop, level)
        self._flush(position)
        self._out += step.prefix
        self._run = stop
        return stop

    def _subject(self, step: Step, position: int, start: int, stop: int, level: Level, _: Plan) -> int:
        self._note(step, start, stop, level)
        return self._replace(step, position, stop, self._subject_id)

    def _uid(self, step: Step, position: int, start: int, stop: int, level: Level, plan: Plan) -> int:
        self._note(step, start, stop, level)
        value = replace_uids(self._data[start:stop], self._cleaner.replace_uid)
        if plan.top and step.tag in OUTCOME_UIDS:
            self._uids[step.tag] = value
        return self._replace(step, position, stop, value)

    def _class_uid(self, step: Step, position: int, start: int, stop: int, level: Level, _: Plan) -> int:
        self._note(step, start, stop, level)
        if not _are_well_formed(self._data[start:stop]):
            self._flush(position)
            self._run = stop
        return stop

    def _charset(self, step: Step, position: int, start: int, stop: int, level: Level, _: Plan) -> int:
        self._note(step, start, stop, level)
        self.charset = self._data[start:stop]
        terms = defined_charset(self.charset)
        if terms is not None:
            return self._replace(step, position, stop, terms)
        self._flush(position)
        self._run = stop
        return stop

    def _noted(self, step: Step, _: int, start: int, stop: int, level: Level, __: Plan) -> int:
        self._note(step, start, stop, level)
        return stop

    def _noted_charset(self, step: Step, _: int, start: int, stop: int, level: Level, __: Plan) -> int:
        self._note(step, start, stop, level)
        self.charset = self._data[start:stop]
        return stop

    def _note(self, step: Step, start: int, stop: int, level: Level) -> None:
        if stop > level.end or (stop - start) & 1:
            raise OddError("a length that is odd, undefined or too large")
        if step.tag in IDENTIFYING:
            self.noted.append(Noted(step.tag, self._data[start:stop], self.charset))

    def _replace(self, step: Step, position: int, stop: int, value: bytes) -> int:
        if not step.wide and len(value) > 0xFFFF:
            raise OddError("a new value is too long")
        self._flush(position)
        self._out += step.prefix + len(value).to_bytes(4 if step.wide else 2, "little") + value
        self._run = stop
        return stop

    def _sequence(self, step: Step, _: int, start: int, stop: int, level: Level, plan: Plan) -> int:
        return self._items(start, stop, level, plan.inside(step.tag))

    def _gone(self, step: Step, position: int, start: int, stop: int, level: Level, _: Plan) -> int:
        self._flush(position)
        after = self._items(start, stop, level, self._removed)
        self._out += step.prefix
        self._run = after
        return after

    def _private(self, step: Step, position: int, start: int, stop: int, level: Level, plan: Plan) -> int:
        if stop - start == UNDEFINED:
            return self._gone(step, position, start, stop, level, plan)
        self._flush(position)
        self._run = self._open_private(step, position, start, stop, level, plan)
        return stop

    def _open_private(self, step: Step, _: int, start: int, stop: int, level: Level, plan: Plan) -> int:
        # A private sequence of defined length stays closed: nobody knows what it is.
        if stop - start == UNDEFINED:
            return self._items(start, stop, level, plan)
        self._note(step, start, stop, level)
        return stop

    def _items(self, start: int, stop: int, level: Level, plan: Plan) -> int:
        delimited, end = (True, level.end) if stop - start == UNDEFINED else (False, stop)
        if end > level.end or level.depth == _DEEPEST:
            raise OddError("a sequence that is too long or too deep")
        length_at = len(self._out) + start - 4 - self._run
        data, charset, position = self._data, self.charset, start
        while position < end:
            tag, (length,) = data[position : position + 4], _long(data, position + 4)
            if tag == _SEQUENCE_END and delimited and length == 0:
                return position + 8
            if tag != _ITEM:
                raise OddError("something other than an item in a sequence")
            position = self._item(position + 8, length, Level(0, end, delimited=False, depth=level.depth + 1), plan)
            self.charset = charset
        if delimited:
            raise OddError("truncated")
        self._mend_length(length_at, stop - start, position)
        return position

    def _item(self, start: int, length: int, level: Level, plan: Plan) -> int:
        if length == UNDEFINED:
            return self._elements(Level(start, level.end, delimited=True, depth=level.depth), plan, {})
        end = start + length
        if end > level.end:
            raise OddError("truncated")
        length_at = len(self._out) + start - 4 - self._run
        self._elements(Level(start, end, delimited=False, depth=level.depth), plan, {})
        self._mend_length(length_at, length, end)
        return end

    def _mend_length(self, length_at: int, length: int, position: int) -> None:
        new_length = len(self._out) + position - self._run - length_at - 4
        if new_length != length:
            self._flush(position)
            self._out[length_at : length_at + 4] = new_length.to_bytes(4, "little")

    def _pixels(self, step: Step, position: int, start: int, stop: int, level: Level, _: Plan) -> int:
        undefined = stop - start == UNDEFINED
        if self._pixel_element is not None:
            raise OddError("several pixel elements")
        if undefined:
            stop = self._fragments(start, level.end)
        if stop > level.end or (not undefined and (stop - start) & 1):
            raise OddError("a length that is odd or too large")
        view, vr = memoryview(self._data), self._data[position + 4 : position + 6].decode() if step.form == LONG else ""
        self._pixel_element = Element(step.tag, vr, view[start : stop - 8 if undefined else stop], undefined=undefined)
        self._pixels_at = position, stop
        self._flush(position)
        self._run = stop
        self._written_before_pixels = len(self._out), len(self._gaps)
        return stop

    def _fragments(self, position: int, end: int) -> int:
        while position < end:
            tag, (length,) = self._data[position : position + 4], _long(self._data, position + 4)
            position += 8
            if tag == _SEQUENCE_END and length == 0:
                return position
            if tag != _ITEM:
                break
            position += length
        raise OddError("truncated or broken fragments")

    def _slow(self, step: Step, position: int, start: int, _: int, level: Level, plan: Plan) -> int:
        element, stop = self._reader.element(position, level.end, level.depth)
        if not plan.implicit and any(not inner.vr for inner in DataSet({0: element}).walk()):
            raise OddError("implicit VR within explicit VR")
        self.noted += noted_in_element(element, self.charset)
        self._flush(position)
        self._run = stop
        if plan.top:
            self._gaps.append((len(self._out), element))
            return stop
        item = self._items_read.get(level.start)
        if item is None:
            item = self._reader.item(level.start, level.end, level.depth, delimited=level.delimited)
            self._items_read[level.start] = item
        self._out += self._cleaned(item.elements[step.tag], item, Place(plan.path))
        return stop

    def _cleaned(self, element: Element, original: DataSet, place: Place, *, top: bool = False) -> bytes:
        kept = self._cleaner.element(element, original, place)
        if top and element.tag in OUTCOME_UIDS:
            self._uids[element.tag] = bytes(kept.value) if kept is not None else b""
        return _encoded(kept, self._encoding) if kept is not None else b""


def _encoded(element: Element, encoding: Encoding) -> bytes:
    writer = Writer(encoding)
    writer.element(element)
    return bytes(writer.buffer)


def _method(profile: Profile, original: DataSet, encoding: Encoding) -> Mapping[int, bytes]:
    if 0x00120064 in original.elements or 0x00280303 in original.elements:
        return _encoded_method(profile, original, encoding)  # they have a say in what is written
    return _usual_method(profile, encoding)


@lru_cache(maxsize=16)
def _usual_method(profile: Profile, encoding: Encoding) -> Mapping[int, bytes]:
    return _encoded_method(profile, DataSet(), encoding)


def _encoded_method(profile: Profile, original: DataSet, encoding: Encoding) -> Mapping[int, bytes]:
    method = DataSet()
    write_method(method, profile, original)
    if not set(method.elements) <= _METHOD_TAGS:
        raise OddError("an unknown element of the method")
    return {tag: _encoded(element, encoding) for tag, element in method.elements.items()}


@lru_cache(maxsize=256)
def _are_well_formed(value: bytes) -> bool:
    return all(is_well_formed(uid) for uid in split_uids(value))
