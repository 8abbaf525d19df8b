"""What the walk leaves to reader, cleaner and writer of the thorough path, and what it remembers of their work."""

from __future__ import annotations

from dicom_assets.deidentification.cleaner import Cleaner, Place
from dicom_assets.deidentification.encoded import EXPLICIT_LITTLE, IMPLICIT_LITTLE, DataSet, Element, Reader
from dicom_assets.deidentification.fast.memory import LONGEST
from dicom_assets.deidentification.fast.output import Output, encode
from dicom_assets.deidentification.fast.places import SEQUENCE_END, At
from dicom_assets.deidentification.fast.plan import OUTCOME_UIDS, OddError, Plan, Step
from dicom_assets.deidentification.residual import Noted, noted_in, noted_in_element
from dicom_assets.deidentification.text import SPECIFIC_CHARACTER_SET
from dicom_assets.deidentification.writer import Writer


class Assisted:
    """A walk's state, and the elements that are not worth a step of its own."""

    def __init__(self, data: bytes, start: int, plan: Plan, cleaner: Cleaner) -> None:
        """Be about to walk over `data` from `start` on."""
        self.noted: list[Noted] = []
        self.charset = b""
        self.charsets: dict[bytes, None] = {}
        self.original = DataSet()
        self._data = data
        self._start = start
        self._plan = plan
        self._cleaner = cleaner
        self._encoding = IMPLICIT_LITTLE if plan.implicit else EXPLICIT_LITTLE
        self._reader = Reader(memoryview(data), self._encoding)
        self._output = Output(data, start)
        self._read: dict[int, Element] = {}
        self._pixels_at = (len(data), len(data))
        self._written_before_pixels: tuple[int, int] | None = None
        self._uids: dict[int, bytes] = {}
        self._items_read: dict[int, DataSet] = {}
        self._private_positions: dict[int, int] = {}
        self._results = plan.memory.of(cleaner.subject)

    def _written_for(self, step: Step, at: At) -> bytes:
        # The cleaner does it, who for this action looks at the value, and at creators if it is private.
        plan, header = at.plan, at.start - at.position
        encoded = self._data[at.position : at.stop]
        written = self._results.get((plan, self.charset, encoded))
        if written is None:
            asked = self._cleaner.asked
            vr = "" if plan.implicit else encoded[4:6].decode("ascii")
            element = Element(step.tag, vr, encoded[header:])
            kept = self._cleaner.element(element, plan.creators, plan.place_in(self.charset))
            written = encode(kept, self._encoding) if kept is not None else b""
            self._remember(at, encoded, written, asked)
        return written

    def _alone(self, _: Step, at: At) -> int:
        # A sequence that is cleaned without a look at what is around it.
        level, expected = at.level, at.stop
        if at.undefined:
            # The first delimiter is where it ends unless sequences in it have delimiters, too.
            expected = self._data.find(SEQUENCE_END + bytes(4), at.start, at.start + LONGEST) + 8
        encoded = self._data[at.position : expected] if expected <= level.end else b""
        written, stop = self._results.get((at.plan, self.charset, encoded)), expected
        if written is None:
            asked = self._cleaner.asked
            element, stop = self._reader.element(at.position, level.end, level.depth)
            self._refuse_mixed(DataSet({0: element}))
            noted = list(noted_in_element(element, self.charset))
            self.noted += noted
            told = self._note_charsets(DataSet({0: element}))
            written = self._cleaned(element, DataSet(), at.plan.place_in(self.charset))
            if stop == expected and not noted and not told:
                self._remember(at, encoded, written, asked)
        self._output.replace(at.position, stop, written)
        return stop

    def _slow(self, step: Step, at: At) -> int:
        # Reader, cleaner and writer of the thorough path do this one element.
        level, plan = at.level, at.plan
        element, stop = self._reader.element(at.position, level.end, level.depth)
        self._refuse_mixed(DataSet({0: element}))
        self.noted += noted_in_element(element, self.charset)
        self._note_charsets(DataSet({0: element}))
        self._output.replace(at.position, stop, b"")
        if plan.top:
            self._output.gaps.append((len(self._output.written), element))
            return stop
        item = self._items_read.get(level.start)
        if item is None:
            item = self._reader.item(level.start, level.end, level.depth, delimited=level.delimited)
            self._items_read[level.start] = item
        self._output.written += self._cleaned(item.elements[step.tag], item, plan.place_in(self.charset))
        return stop

    def _whole_group(self, at: At) -> int:
        group, stop = self._reader.group(at.position, at.level.end, at.level.depth)
        if any(tag >> 16 != next(iter(group.elements)) >> 16 for tag in group.elements):
            raise OddError("elements out of order")
        self._refuse_mixed(group)
        self.noted += noted_in(group, self.charset)
        self._note_charsets(group)
        writer = Writer(self._encoding)
        writer.data_set(self._cleaner.data_set(group, at.plan.place_in(self.charset)))
        self._output.replace(at.position, stop, bytes(writer.buffer))
        if at.plan.top:
            self._read.update(group.elements)
        return stop

    def _cleaned(self, element: Element, original: DataSet, place: Place) -> bytes:
        kept = self._cleaner.element(element, original, place)
        if not place.path and element.tag in OUTCOME_UIDS:
            self._uids[element.tag] = bytes(kept.value) if kept is not None else b""
        return encode(kept, self._encoding) if kept is not None else b""

    def _remember(self, at: At, encoded: bytes, written: bytes, asked: int) -> None:
        if self._cleaner.asked == asked and len(encoded) <= LONGEST:
            at.plan.memory.keep(self._cleaner.subject, (at.plan, self.charset, encoded), written)

    def _note_charsets(self, data_set: DataSet) -> bool:
        met = [bytes(e.value) for e in data_set.walk() if e.tag == SPECIFIC_CHARACTER_SET and e.items is None]
        self.charsets.update(dict.fromkeys(met))
        return bool(met)

    def _refuse_mixed(self, data_set: DataSet) -> None:
        if not self._plan.implicit and any(not element.vr for element in data_set.walk()):
            raise OddError("implicit VR within explicit VR")
