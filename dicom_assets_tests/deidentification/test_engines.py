"""The two engines write the same bytes and say the same, whatever they are given.

`builders.deidentify` compares them on every call, and so in every test of this folder; here is what is special.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.encoded import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding, Reader
from dicom_assets.deidentification.fast.plan import ELEMENT_WISE, OddError, Plan
from dicom_assets.deidentification.fast.spans import WrittenHeader
from dicom_assets.deidentification.instance import Engine, deidentify_instance
from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.outcome import Deidentified, Quarantined
from dicom_assets.deidentification.overrides import ANYWHERE, Override
from dicom_assets.deidentification.profile import Profile, shipped_profile
from dicom_assets.deidentification.writer import Writer
from dicom_assets_tests.corpus import corpus_files
from dicom_assets_tests.deidentification.builders import (
    BASIC,
    PIXELS,
    SECRET,
    SUBJECT,
    a_data_set,
    an_image,
    an_instance,
    as_file,
    deidentified_bytes,
    deidentify,
    explicit,
    implicit,
    profile_with,
    takes_the_fast_path,
    with_elements,
    with_raw,
)

UNDEFINED = b"\xff\xff\xff\xff"
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)
SHIPPED_PROFILES = sorted(
    entry.name.removesuffix(".yaml")
    for entry in files("dicom_assets.deidentification").joinpath("profiles").iterdir()
    if entry.name.endswith(".yaml")
)
PLAIN = {str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian)}
ALL_MODALITIES = frozenset(
    {"CT", "MR", "US", "OT", "SC", "CR", "DX", "NM", "PT", "SR", "RTDOSE", "RTPLAN", "RTSTRUCT", "ECG", "SEG"}
)


def rich() -> Dataset:
    """An image with a bit of everything that the fast path does itself."""
    ds = an_image(
        SpecificCharacterSet="ISO_IR 100",
        AccessionNumber="ACC-0815",
        StudyDate="20370911",
        PatientBirthDate="19470911",
        OtherPatientNames="Zweistein^Hilda",
        Manufacturer="Siemens",
        SliceThickness="2.5",
        FrameOfReferenceUID="1.2.826.0.1.99.7",
        ImageComments="of no importance",
        KVP="120",
    )
    reference = a_data_set(ReferencedSOPClassUID="1.2.3.4", ReferencedSOPInstanceUID="1.2.826.0.1.99.8")
    ds.ReferencedImageSequence = [reference, Dataset()]
    ds.OtherPatientIDsSequence = [a_data_set(PatientID="OTHER-5566", SpecificCharacterSet="ISO_IR 192")]
    ds.ReferencedPerformedProcedureStepSequence = [a_data_set(ReferencedSOPInstanceUID="1.2.826.0.1.99.9")]
    ds.ProcedureCodeSequence = [Dataset()]
    ds.ProcedureCodeSequence[0].CodeValue = "P1"
    ds["ProcedureCodeSequence"].is_undefined_length = True
    block = ds.private_block(0x0029, "ACME", create=True)
    block.add_new(1, "LO", "private")
    block.add_new(2, "SQ", [a_data_set(PatientID="OTHER-7788")])
    ds[block.get_tag(2)].is_undefined_length = True
    return ds


@pytest.mark.parametrize("syntax", sorted(PLAIN))
def test_an_ordinary_image_takes_the_fast_path(syntax: str) -> None:
    file = as_file(rich(), syntax)

    deidentified_bytes(file)

    assert takes_the_fast_path(file)


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, RLELossless])
@pytest.mark.parametrize("fragments", [[b"\xff\xd8" * 40], [b"\1\2" * 30, b"\3\4" * 31]])
def test_an_encapsulated_image_takes_the_fast_path(syntax: str, fragments: list[bytes]) -> None:
    ds = rich()
    ds.PixelData = pydicom.encaps.encapsulate(fragments, has_bot=False)
    file = as_file(ds, syntax)

    deidentified_bytes(file)

    assert takes_the_fast_path(file)


def undefined(tag: int, vr: str, *items: bytes) -> bytes:
    """A sequence and items, all of undefined length, in explicit VR."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode() + b"\0\0" + UNDEFINED
    return head + b"".join(ITEM + UNDEFINED + item + ITEM_END for item in items) + SEQUENCE_END


def defined(tag: int, *items: bytes) -> bytes:
    """A sequence and items, all of defined length, in explicit VR."""
    return explicit(tag, "SQ", b"".join(ITEM + struct.pack("<L", len(item)) + item for item in items))


NAME = explicit(0x00100010, "PN", b"Sentinel^Qwertz")
UID = explicit(0x00081155, "UI", b"1.2.999.31337")
DESCRIPTION = explicit(0x00081030, "LO", b"of a study")


@pytest.mark.parametrize(
    ("elements", "fast"),
    [
        ([undefined(0x00081140, "SQ", UID, b"")], True),
        ([defined(0x00081140, DESCRIPTION + UID, b"", DESCRIPTION)], True),
        ([defined(0x00081140, undefined(0x00081199, "SQ", UID), UID)], True),
        ([undefined(0x00081140, "SQ", defined(0x00081199, UID))], True),
        ([undefined(0x00400275, "SQ", NAME)], True),
        ([undefined(0x00091010, "SQ", NAME)], True),
        ([explicit(0x00091010, "SQ", b"no item at all")], True),
        ([explicit(0x00091010, "UN", b"anything")], True),
        ([defined(0x00081140, explicit(0x00091010, "SQ", b"no item at all"))], True),
        ([explicit(0x00180050, "DS", b"2.5 mm")], True),
        ([defined(0x00081140, explicit(0x00180050, "DS", b"2.5 mm"))], True),
        ([explicit(0x00081150, "UI", b"of no form")], True),
        ([explicit(0x00080000, "UL", bytes(4)), explicit(0x00100000, "UL", bytes(4))], True),
        ([explicit(0x00120062, "CS", b"YES"), explicit(0x00280303, "CS", b"MODIFIED")], True),
        ([defined(0x00120064, explicit(0x00080100, "SH", b"113105") + explicit(0x00080102, "SH", b"DCM"))], True),
        ([explicit(0xFFFCFFFC, "OB", bytes(8))], True),
        ([explicit(0x00080005, "CS", b"ISO IR 100")], True),
        ([explicit(0x00080005, "CS", b"of no form")], True),
        ([explicit(0x00200010, "UN", b"study")], True),
        ([explicit(0x00080005, "LO", b"ISO_IR 100")], False),
        ([explicit(0x00081140, "SQ", b"no item at all")], False),
        ([explicit(0x00081140, "UN", ITEM + bytes(4))], False),
        ([undefined(0x00081140, "UN", b"")], False),
        ([undefined(0x00081140, "SQ", explicit(0x00080050, "SH", b"A"), b"").replace(SEQUENCE_END, b"")], False),
        ([defined(0x00081140, DESCRIPTION + UID + UID)], False),
        ([defined(0x00081140, UID + DESCRIPTION[:-2])], False),
        ([defined(0x00081140, implicit(0x00081155, b"1.2.999.31337"))], False),
        ([explicit(0x00081140, "SQ", ITEM + bytes(4) + SEQUENCE_END)], False),
        ([explicit(0x00180050, "ZZ", b"2.5 ")], False),
        ([explicit(0x00020010, "UI", b"1.2.840.10008.1.2.1")], False),
        ([explicit(0x00180050, "DS", b"2.5 ")[:-1]], False),
        ([explicit(0xFFFCFFFC, "OB", bytes(8)), explicit(0xFFFEE00D, "OB", b"")], False),
        ([explicit(0x7FE10010, "OB", bytes(8))], True),
        ([explicit(0x7FE00001, "OV", bytes(8))], True),
    ],
)
@pytest.mark.parametrize("pixels", [{}, PIXELS])
def test_both_engines_agree_about(elements: list[bytes], fast: bool, pixels: dict[str, Any]) -> None:
    file = with_elements(*elements, **pixels)

    outcome, _ = deidentify(file)

    assert takes_the_fast_path(file) == (fast and isinstance(outcome, Deidentified))


def test_what_follows_the_pixels_is_written_before_them_by_both() -> None:
    file = with_elements(explicit(0xFFFAFFFA, "SQ", b""), **PIXELS)
    kept = profile_with(overrides=(Override(ANYWHERE, 0xFFFAFFFA, Action.KEEP, accepted_risk="none in it"),))

    assert isinstance(deidentify(file, profile=kept)[0], Deidentified)


@pytest.mark.parametrize("cut", [1, 7, 8, 11, 12, 40])
def test_both_engines_agree_about_a_file_cut_off(cut: int) -> None:
    assert isinstance(deidentify(as_file(rich())[:-cut])[0], Quarantined)


@pytest.mark.parametrize("tag", [0x00100010, 0x00080018, 0x0020000D, 0x00080070, 0x00180050, 0x00080005, 0x00081140])
@pytest.mark.parametrize("action", [Action.KEEP, Action.REMOVE, Action.EMPTY, Action.REPLACE, Action.UID])
@pytest.mark.parametrize("path", [ANYWHERE, (), (0x00081140,)])
def test_both_engines_agree_about_an_override(tag: int, action: Action, path: tuple[int, ...]) -> None:
    override = Override(path, tag, action, argument="ours" if action is Action.REPLACE else "", accepted_risk="mine")

    deidentify(as_file(rich()), profile=profile_with(overrides=(override,)))
    deidentify(as_file(rich(), ImplicitVRLittleEndian), profile=profile_with(overrides=(override,)))


@pytest.mark.parametrize("unlisted", [Action.KEEP, Action.EMPTY, Action.REMOVE])
def test_both_engines_agree_about_what_is_unlisted(unlisted: Action) -> None:
    assert takes_the_fast_path(as_file(rich()), profile=profile_with(unlisted=unlisted))
    deidentify(as_file(rich()), profile=profile_with(unlisted=unlisted))


@pytest.mark.parametrize("option", sorted(ELEMENT_WISE))
@pytest.mark.parametrize("syntax", sorted(PLAIN))
def test_the_fast_path_carries_out_an_option(option: Option, syntax: str) -> None:
    profile = profile_with(options=frozenset({option}))

    deidentified_bytes(as_file(rich(), syntax), profile=profile)

    assert takes_the_fast_path(as_file(rich(), syntax), profile=profile)


@pytest.mark.skipif(not corpus_files(), reason="the corpus is not beside the repository")
@pytest.mark.parametrize("name", SHIPPED_PROFILES)
def test_both_engines_agree_about_the_corpus_and_the_fast_one_does_the_usual_files(name: str) -> None:
    profile = shipped_profile(name)
    slow = []
    for file in corpus_files():
        content = file.path.read_bytes()
        outcome, _ = deidentify(content, profile=profile, allowed_modalities=ALL_MODALITIES)
        fast = takes_the_fast_path(content, profile=profile, allowed_modalities=ALL_MODALITIES)
        assert isinstance(outcome, Deidentified) or not fast
        if isinstance(outcome, Deidentified) and not fast:
            slow.append(file)
    usual = [file for file in slow if file.modality in {"CT", "MR"} and file.transfer_syntax in PLAIN]
    assert len(usual) <= 3, [file.path.name for file in usual]
    assert len(slow) <= 40


MUTATIONS = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "insert", "swap"]), st.integers(0, 1 << 16), st.binary(max_size=12)),
    min_size=1,
    max_size=3,
)
WHOLE = {syntax: as_file(rich(), syntax) for syntax in PLAIN}


def mutated(file: bytes, mutations: list[tuple[str, int, bytes]]) -> bytes:
    """The file with bytes of its header changed, most of them after the file meta information."""
    content = bytearray(file)
    for how, where, what in mutations:
        position = 132 + where % (len(content) - 132)
        match how:
            case "flip":
                content[position] ^= 1 << where % 8
            case "cut":
                del content[position : position + 1 + len(what)]
            case "insert":
                content[position:position] = what
            case "swap":
                content[position : position + len(what)] = what
    return bytes(content)


@given(st.sampled_from(sorted(PLAIN)), MUTATIONS)
@settings(max_examples=400, deadline=None)
def test_both_engines_agree_about_broken_files(syntax: str, mutations: list[tuple[str, int, bytes]]) -> None:
    deidentify(mutated(WHOLE[syntax], mutations))


@pytest.mark.parametrize(
    ("syntax", "encoding"), [(ImplicitVRLittleEndian, IMPLICIT_LITTLE), (ExplicitVRLittleEndian, EXPLICIT_LITTLE)]
)
def test_a_written_header_tells_where_its_values_lie(syntax: str, encoding: Encoding) -> None:
    file = as_file(rich(), syntax)
    body = memoryview(file)[144 + struct.unpack_from("<L", file, 140)[0] :]
    writer = Writer(encoding)
    writer.data_set(Reader(body, encoding).data_set(stop=0x7FE00010)[0])

    spans = WrittenHeader(bytes(writer.buffer), encoding).spans

    assert [replace(span, ours=False) for span in writer.spans] == spans


def test_the_pixels_are_handed_on_in_the_buffer_they_were_read_into() -> None:
    file = as_file(rich())
    parts: list[Any] = []

    class Parts:
        def write(self, content: bytes | bytearray | memoryview, /) -> None:
            parts.append(content)

    deidentify_instance(
        io.BytesIO(file),
        Parts(),
        profile=BASIC,
        subject=SUBJECT,
        uids=UidReplacer(SECRET),
        allowed_modalities=frozenset({"CT"}),
        engine=Engine.FAST,
    )

    assert parts[-1].obj is file


def test_the_fast_path_forced_on_an_odd_file_raises_and_tells_no_value() -> None:
    with pytest.raises(OddError) as caught:
        deidentify_instance(
            io.BytesIO(with_raw(an_instance(), explicit(0x00180050, "ZZ", b"2.5 "))),
            io.BytesIO(),
            profile=BASIC,
            subject=SUBJECT,
            uids=UidReplacer(SECRET),
            allowed_modalities=frozenset({"CT"}),
            engine=Engine.FAST,
        )
    assert "Zweistein" not in str(caught.value)


def test_a_plan_forgets_what_odd_files_made_it_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_assets.deidentification.fast.plan._MOST_STEPS", 10)
    grown: list[int] = []
    trim = Plan.trim

    def watched(plan: Plan) -> None:
        trim(plan)
        grown.append(len(plan.steps))

    monkeypatch.setattr(Plan, "trim", watched)
    profile: Profile = profile_with(version="forgets")
    for number in range(20):
        extra = [explicit(0x00090010 + 2 * number + place, "LO", b"x") for place in range(2)]
        deidentify(with_elements(*extra), profile=profile)
    assert max(grown) <= 10 + 12
