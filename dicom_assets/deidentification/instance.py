"""De-identifies one instance: a file in, a file out, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import BinaryIO, Protocol

from dicom_assets.deidentification.cleaner import Cleaner
from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.dictionary import tag_text
from dicom_assets.deidentification.encoded import SEQUENCE_END, UNDEFINED, DataSet, Element, EncodingError, Reader
from dicom_assets.deidentification.fast.file import open_plain, sop_class_of
from dicom_assets.deidentification.fast.known import known_identifiers, uids_occur
from dicom_assets.deidentification.fast.plan import OddError, is_for_the_walk, plan_for
from dicom_assets.deidentification.fast.spans import WrittenHeader
from dicom_assets.deidentification.fast.walk import Walk
from dicom_assets.deidentification.graphics import refuse_embedded_overlays
from dicom_assets.deidentification.header import Header
from dicom_assets.deidentification.method import write_method
from dicom_assets.deidentification.outcome import Deidentified, Quarantined, RefusedError
from dicom_assets.deidentification.part10 import Part10, deflate, file_head, open_part10
from dicom_assets.deidentification.pixel_cleaning.cleaning import PixelPlan, clean_pixels, plan_pixels
from dicom_assets.deidentification.pixels import PIXEL_DATA, PIXEL_TAGS, check_content, check_pixels
from dicom_assets.deidentification.profile import Profile
from dicom_assets.deidentification.quarantine import MODALITY, QuarantineRules, refuse_by_rules
from dicom_assets.deidentification.residual import Identifier, ResidualScan, collect_identifiers
from dicom_assets.deidentification.rules import rule_book
from dicom_assets.deidentification.stream_texts import StreamTexts
from dicom_assets.deidentification.text import codecs_within, text_of
from dicom_assets.deidentification.uids import is_well_formed
from dicom_assets.deidentification.writer import UnwritableError, Writer
from dicom_assets.errors import ConfigurationError, DicomAssetsError
from dicom_assets.study import QuarantineReason as Reason
from dicom_assets.study import Subject

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E


class Destination(Protocol):
    """Where an instance is written to; every binary stream is one."""

    def write(self, content: bytes | bytearray | memoryview, /) -> object:
        """Take the next bytes."""


Parts = tuple[bytes | bytearray | memoryview, ...]


class Engine(StrEnum):
    """Which of the two engines does the work; where both can, they write the same bytes."""

    AUTO = "auto"
    """The fast path where nothing is odd, else the thorough path."""
    THOROUGH = "thorough"
    FAST = "fast"
    """The fast path or an `OddError`: to find out whether a file takes it."""


@dataclass(frozen=True, slots=True, repr=False)
class _Order:
    """What was asked for. *Identified*."""

    profile: Profile
    subject: Subject
    uids: UidReplacer
    allowed_modalities: frozenset[str]
    identifiers: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Written:
    parts: Parts
    outcome: Deidentified


def deidentify_instance(
    source: BinaryIO,
    destination: Destination,
    *,
    profile: Profile,
    subject: Subject,
    uids: UidReplacer,
    allowed_modalities: frozenset[str],
    identifiers: frozenset[str] = frozenset(),
    engine: Engine = Engine.AUTO,
) -> Deidentified | Quarantined:
    """Write what may leave of an instance, or nothing.

    Args:
        source: a DICOM file, seekable; read from its start.
        destination: needs only `write`; written to once it is certain that the instance may leave.
        profile: what is done with which attribute.
        subject: who stands for the patient.
        uids: replaces UIDs; its `seen` grows.
        allowed_modalities: values of Modality, in upper case, that are not kept back.
        identifiers: more texts that must not be found in what is written.
        engine: not needed but for tests and comparisons.

    Raises:
        ConfigurationError: the subject's id can't be written.
        OddError: `engine` is FAST and the instance is for the thorough path.
        OSError: source or destination failed.
    """
    _check_subject(subject)
    source.seek(0)
    content = source.read()
    order = _Order(profile, subject, uids, allowed_modalities, identifiers)
    try:
        written = _deidentify(content, order, engine)
    except RefusedError as refusal:
        return Quarantined(refusal.reason, refusal.detail)
    except EncodingError as error:
        return Quarantined(Reason.MALFORMED, str(error))
    except UnwritableError as error:
        return Quarantined(Reason.UNWRITABLE_VALUE, str(error))
    except (DicomAssetsError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - the outer edge: whatever odd bytes provoke keeps one instance back
        return Quarantined(Reason.MALFORMED, type(error).__name__)
    for part in written.parts:
        destination.write(part)
    return written.outcome


def _check_subject(subject: Subject) -> None:
    patient_id = subject.patient_id
    plain = patient_id.isascii() and patient_id.isprintable() and not set(patient_id) & set("\\^=")
    if not plain or not 0 < len(patient_id.strip()) <= 64:
        raise ConfigurationError("a subject's id must be 1 to 64 printable ASCII characters without \\, ^ and =")


def _deidentify(content: bytes, order: _Order, engine: Engine) -> _Written:
    if engine is Engine.THOROUGH:
        return _deidentify_thoroughly(content, order)
    try:
        return _deidentify_fast(content, order)
    except (OddError, RefusedError, EncodingError, UnwritableError):
        if engine is Engine.FAST:
            raise OddError("the instance is for the thorough path") from None
    return _deidentify_thoroughly(content, order)


def _deidentify_thoroughly(content: bytes, order: _Order) -> _Written:
    part10 = _open(content)
    original, _ = Reader(part10.data, part10.encoding).data_set()
    sop_class_uid, plan = _admit(original, part10, order)
    found = collect_identifiers(original)
    _refuse_own_id(original, order.subject, {identifier.text.casefold() for identifier in found})
    cleaner = Cleaner(rule_book(order.profile, sop_class_uid), order.subject, order.uids, little=part10.encoding.little)
    cleaned = cleaner.clean(original)
    pixels = clean_pixels(plan, original, part10)
    pixels.change(cleaned)
    part10 = pixels.encoded_in(part10)
    write_method(cleaned, order.profile, original, pixels_cleaned=pixels.cleaned)
    outcome = replace(_outcome(original, cleaned, part10, sop_class_uid), pixels=pixels.account)
    found |= {Identifier(uid, "UID") for uid in cleaner.unwanted}
    found |= {Identifier(text.strip(), "given identifier") for text in order.identifiers if text.strip()}
    return _Written(_write(cleaned, part10, outcome, ResidualScan(found, codecs_within(original))), outcome)


def _deidentify_fast(content: bytes, order: _Order) -> _Written:
    """The same by one walk over the bytes; whatever is odd or would be refused raises, and is then done thoroughly."""
    if not is_for_the_walk(order.profile):
        raise OddError("a profile with options that the walk knows nothing about")
    part10, start = open_plain(content)
    rules = rule_book(order.profile, sop_class_of(content, start, part10.encoding))
    uids = order.uids.fork()
    cleaner = Cleaner(rules, order.subject, uids)
    walk = Walk(content, start, plan_for(rules, implicit=part10.encoding.implicit), cleaner)
    walk.run()
    sop_class_uid, plan = _admit(walk.original, part10, order)
    if plan != PixelPlan():
        raise OddError("pixels that do not stay as they are")
    if rule_book(order.profile, sop_class_uid) is not rules:
        raise OddError("(0008,0016) is not where it should be")
    known = known_identifiers(tuple(walk.noted), order.identifiers, tuple(walk.charsets) or (b"",))
    _refuse_own_id(walk.original, order.subject, known.texts)
    header = walk.header(order.profile)
    if known.occur(WrittenHeader(header, part10.encoding)) or uids_occur(cleaner.originals | cleaner.mentioned, header):
        raise OddError("what may be a residual identifier")
    if part10.encapsulated and PIXEL_DATA in walk.original.elements:
        texts = StreamTexts(walk.original.elements[PIXEL_DATA], part10.transfer_syntax)
        if known.occur(texts) or uids_occur(cleaner.originals | cleaner.mentioned, texts.buffer):
            raise OddError("what may be a residual identifier in compressed frames")
    outcome = _outcome(walk.original, walk.cleaned_uids(), part10, sop_class_uid)
    head = file_head(part10.transfer_syntax, outcome.sop_class_uid, outcome.sop_instance_uid)
    order.uids.seen.update(uids.seen)
    return _Written((head, header, walk.pixels_as_they_are()), outcome)


def _quarantine_rules(profile: Profile, plan: PixelPlan) -> QuarantineRules:
    # What is declared to have text burned in may pass where the profile says so and its pixels get cleaned.
    released = profile.pixels.release_declared and plan.cleans
    return replace(profile.quarantine, burned_in_annotation=False) if released else profile.quarantine


def _open(content: bytes) -> Part10:
    try:
        return open_part10(content)
    except EncodingError as error:
        raise RefusedError(Reason.UNREADABLE, str(error)) from None


def _admit(original: DataSet, part10: Part10, order: _Order) -> tuple[str, PixelPlan]:
    """Let the original pass, or raise why it is kept back; both engines ask. Returns its SOP Class UID as well."""
    sop_class_uid = _check(original, part10)
    plan = plan_pixels(order.profile.pixels, original, part10)
    refuse_by_rules(Header.of(original, part10), _quarantine_rules(order.profile, plan), order.allowed_modalities)
    refuse_embedded_overlays(original, little=part10.encoding.little)
    check_content(original, sop_class_uid)
    return sop_class_uid, plan


def _check(original: DataSet, part10: Part10) -> str:
    for tag in (SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID):
        if not _uid(original, tag):
            raise EncodingError(f"{tag_text(tag)} is missing")
        if "\\" in _uid(original, tag):
            raise EncodingError(f"{tag_text(tag)} has several values")
    sop_class_uid = _uid(original, SOP_CLASS_UID)
    if not is_well_formed(sop_class_uid):
        raise EncodingError(f"{tag_text(SOP_CLASS_UID)} is not a UID")
    check_pixels(original, little=part10.encoding.little, encapsulated=part10.encapsulated)
    return sop_class_uid


def _refuse_own_id(original: DataSet, subject: Subject, found: Collection[str]) -> None:
    # An alias that equals an original identifier would let that identifier through as if it were ours.
    if text_of(original, 0x00120062) == "YES":
        return
    if subject.patient_id.strip().casefold() in found:
        raise RefusedError(Reason.RESIDUAL_IDENTIFIER, "the subject's id equals an original identifier")


def _outcome(original: DataSet, cleaned: DataSet, part10: Part10, sop_class_uid: str) -> Deidentified:
    return Deidentified(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=_uid(cleaned, SOP_INSTANCE_UID),
        series_instance_uid=_uid(cleaned, SERIES_INSTANCE_UID),
        study_instance_uid=_uid(cleaned, STUDY_INSTANCE_UID),
        transfer_syntax_uid=part10.transfer_syntax,
        modality=text_of(original, MODALITY).upper(),
    )


def _uid(data_set: DataSet, tag: int) -> str:
    return data_set.value(tag).strip(b" \0").decode("latin-1")


def _write(cleaned: DataSet, part10: Part10, outcome: Deidentified, scan: ResidualScan) -> Parts:
    signed = cleaned.value(0x00280103) in {b"\x01\x00", b"\x00\x01"}
    pixels = next((cleaned.elements.pop(tag) for tag in PIXEL_TAGS if tag in cleaned.elements), None)
    header = Writer(part10.encoding, signed=signed)
    header.data_set(cleaned)
    texts = StreamTexts(pixels, part10.transfer_syntax) if pixels is not None and pixels.undefined else None
    hit = scan.find(header) or (scan.find(texts) if texts is not None else None)
    if hit is not None:
        raise RefusedError(Reason.RESIDUAL_IDENTIFIER, hit)
    head = file_head(part10.transfer_syntax, outcome.sop_class_uid, outcome.sop_instance_uid)
    body = (header.buffer, *(_pixel_parts(pixels, part10) if pixels is not None else ()))
    return (head, deflate(body)) if part10.deflated else (head, *body)


def _pixel_parts(pixels: Element, part10: Part10) -> Parts:
    framing = Writer(part10.encoding)
    padding = b"\0" * (len(pixels.value) & 1)
    length = UNDEFINED if pixels.undefined else len(pixels.value) + len(padding)
    framing.header(pixels.tag, framing.vr_of(pixels), length)
    if not pixels.undefined:
        return framing.buffer, pixels.value, padding
    end = Writer(part10.encoding)
    end.delimiter(SEQUENCE_END)
    return framing.buffer, pixels.value, end.buffer
