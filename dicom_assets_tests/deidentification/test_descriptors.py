"""Clean Descriptors: what a white list knows stays, everything else gets its row's action."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_assets.deidentification.action import Action, ActionCode
from dicom_assets.deidentification.coding_schemes import PUBLIC_SCHEMES
from dicom_assets.deidentification.descriptors import CODE_MEANING, LONGEST_TEXT, WhiteList, WhiteLists, normalized
from dicom_assets.deidentification.options import COLUMNS, Option
from dicom_assets.deidentification.overrides import ANYWHERE, Override
from dicom_assets.deidentification.profile import Profile, load_profile, parse_profile
from dicom_assets.deidentification.rule import TEXT_VRS
from dicom_assets.deidentification.table import Row, confidentiality_table
from dicom_assets.errors import ProfileError
from dicom_assets.study import QuarantineReason
from dicom_assets_tests.deidentification.builders import (
    BASIC,
    an_image,
    an_instance,
    as_file,
    deidentified,
    deidentified_bytes,
    explicit,
    implicit,
    profile_with,
    reason,
    with_elements,
    with_raw,
)

STUDY_DESCRIPTION, SERIES_DESCRIPTION, IMAGE_COMMENTS = 0x00081030, 0x0008103E, 0x00204000
CONTAINER = 0x00081115
REASON_CODES = 0x0040100A  # Reason for Requested Procedure Code Sequence: X, and C here
REQUESTS = 0x00400275  # Request Attributes Sequence: the same
LISTED, UNLISTED = b"CT_Chest,  w/ 1.", b"ct chest for Mr Z"
HEAD = "name: mine\nversion: '1'\noptions: [Clean Descriptors]\n"
INSTANCE = an_instance()
ENTRY = HEAD + "white_lists:\n  - "


def cleaning(*tags: int, options: tuple[Option, ...] = (Option.CLEAN_DESCRIPTORS,), **changes: object) -> Profile:
    lists = tuple(WhiteList(tag, (normalized(LISTED.decode()),)) for tag in tags)
    return profile_with(options=frozenset(options), white_lists=lists, **changes)


def item(content: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content


def code(scheme: bytes, meaning: bytes) -> bytes:
    return item(
        explicit(0x00080100, "SH", b"SECRETCODE")
        + explicit(0x00080102, "SH", scheme)
        + explicit(0x00080104, "LO", meaning)
    )


def cleaned_by(row: Row, option: Option) -> bool:
    return row.options.get(COLUMNS[option]) is ActionCode.CLEAN and row.vr != ""


def tag_of(row: Row) -> int:
    return int(row.tag, 16)


DESCRIPTORS = [row for row in confidentiality_table().rows if cleaned_by(row, Option.CLEAN_DESCRIPTORS)]
texts = pytest.mark.parametrize("row", [r for r in DESCRIPTORS if r.vr in TEXT_VRS], ids=lambda row: row.tag)
sequences = pytest.mark.parametrize("row", [r for r in DESCRIPTORS if r.vr == "SQ"], ids=lambda row: row.tag)


@texts
@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
def test_row_with_a_listed_text_keeps_it_byte_for_byte(row: Row, nested: bool) -> None:
    element = explicit(tag_of(row), row.vr, LISTED)
    file = with_raw(INSTANCE, explicit(CONTAINER, "SQ", item(element)) if nested else element)
    assert element in deidentified_bytes(file, profile=cleaning(tag_of(row)))


@texts
@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
def test_row_with_another_text_gets_the_action_of_the_basic_profile(row: Row, nested: bool) -> None:
    element = explicit(tag_of(row), row.vr, UNLISTED)
    file = with_raw(INSTANCE, explicit(CONTAINER, "SQ", item(element)) if nested else element)
    written = deidentified_bytes(file, profile=cleaning(tag_of(row)))
    assert UNLISTED not in written
    found, expected = (
        (ds[CONTAINER].value[0] if nested else ds).get(tag_of(row))
        for ds in (pydicom.dcmread(io.BytesIO(written)), deidentified(file))
    )
    assert found == expected


@pytest.mark.parametrize("row", [r for r in DESCRIPTORS if r.vr not in TEXT_VRS | {"SQ"}], ids=lambda row: row.tag)
def test_row_that_is_neither_text_nor_sequence_stays_as_the_basic_profile_has_it(row: Row) -> None:
    file = with_elements(explicit(tag_of(row), row.vr, LISTED))
    assert LISTED not in deidentified_bytes(file, profile=cleaning(tag_of(row)))


@sequences
def test_sequence_keeps_public_codes_and_drops_local_ones(row: Row) -> None:
    content = code(b"SCT", b"Pneumonia ") + code(b"99WARD7", UNLISTED)
    ds = deidentified(with_elements(explicit(tag_of(row), "SQ", content)), profile=cleaning(CODE_MEANING))
    items = ds[tag_of(row)].value
    assert [(one.CodeValue, one.CodeMeaning) for one in items] == [("SECRETCODE", "Pneumonia")]


@sequences
def test_sequence_of_local_codes_alone_gets_the_action_of_the_basic_profile(row: Row) -> None:
    file = with_elements(explicit(tag_of(row), "SQ", code(b"99WARD7", UNLISTED)))
    assert deidentified(file, profile=cleaning()).get(tag_of(row)) == deidentified(file).get(tag_of(row))


@sequences
@pytest.mark.parametrize("implicitly", [False, True], ids=["explicit", "implicit"])
def test_sequence_encoded_as_un_is_cleaned_inside(row: Row, implicitly: bool) -> None:
    put = implicit if implicitly else (lambda tag, value: explicit(tag, "LO", value))
    content = item(put(STUDY_DESCRIPTION, UNLISTED) + put(SERIES_DESCRIPTION, LISTED))
    file = with_elements(explicit(tag_of(row), "UN", content))
    written = deidentified_bytes(file, profile=cleaning(SERIES_DESCRIPTION))
    assert UNLISTED not in written
    assert LISTED in written


@pytest.mark.parametrize(
    "row",
    [r for r in confidentiality_table().rows if cleaned_by(r, Option.RETAIN_PATIENT_CHARACTERISTICS)],
    ids=lambda row: row.tag,
)
def test_row_that_retain_patient_characteristics_cleans_is_cleaned_without_clean_descriptors(row: Row) -> None:
    profile = cleaning(tag_of(row), options=(Option.RETAIN_PATIENT_CHARACTERISTICS,))
    listed = explicit(tag_of(row), row.vr, LISTED)
    assert listed in deidentified_bytes(with_elements(listed), profile=profile)
    unlisted = with_elements(explicit(tag_of(row), row.vr, UNLISTED))
    assert UNLISTED not in deidentified_bytes(unlisted, profile=profile)


@pytest.mark.parametrize("scheme", sorted(PUBLIC_SCHEMES))
def test_code_of_a_public_scheme_stays(scheme: str) -> None:
    file = with_elements(explicit(REASON_CODES, "SQ", code(scheme.encode(), b"Pneumonia ")))
    assert b"Pneumonia" in deidentified_bytes(file, profile=cleaning())


@pytest.mark.parametrize("scheme", [b"", b"L", b"99SCT", b"dcm", b"SCT\\L", b"NPI", b"ISO_OID", b"\xffSCT"])
def test_code_of_any_other_scheme_stays_with_a_listed_meaning_only(scheme: bytes) -> None:
    listed, unlisted = (with_elements(explicit(REASON_CODES, "SQ", code(scheme, m))) for m in (LISTED, UNLISTED))
    written = deidentified_bytes(listed, profile=cleaning(CODE_MEANING))
    assert b"SECRETCODE" in written
    assert LISTED in written
    written = deidentified_bytes(unlisted, profile=cleaning(CODE_MEANING))
    assert b"SECRETCODE" not in written
    assert UNLISTED not in written


def test_local_code_without_meaning_goes() -> None:
    bare = item(explicit(0x00080100, "SH", b"SECRETCODE") + explicit(0x00080102, "SH", b"99X"))
    file = with_elements(explicit(REASON_CODES, "SQ", bare))
    assert b"SECRETCODE" not in deidentified_bytes(file, profile=cleaning(CODE_MEANING))


def test_text_that_no_row_names_is_cleaned_within_a_sequence_that_is_there_to_be_cleaned() -> None:
    inner = explicit(0x00081032, "SQ", code(b"99X", UNLISTED)) + explicit(0x00080070, "LO", UNLISTED)
    kept = explicit(0x00081032, "SQ", code(b"99X", LISTED))
    written = deidentified_bytes(with_elements(explicit(REQUESTS, "SQ", item(inner)), kept), profile=cleaning())
    assert UNLISTED not in written
    assert LISTED in written


def test_code_outside_such_a_sequence_is_left_to_the_field_unlisted() -> None:
    file = with_elements(explicit(0x00081032, "SQ", code(b"99X", UNLISTED) + code(b"DCM ", b"Chest ")))
    assert UNLISTED in deidentified_bytes(file, profile=cleaning(CODE_MEANING))
    written = deidentified_bytes(file, profile=cleaning(CODE_MEANING, unlisted=Action.CLEAN))
    assert UNLISTED not in written
    assert b"Chest" in written


@given(st.text(alphabet="aB ß-_,.é\t漢", max_size=12), st.sampled_from(["", " ", "-", "_ ", ".", "\u3000"]))
def test_texts_that_differ_in_ignored_characters_only_are_the_same(text: str, ignored: str) -> None:
    assert normalized(ignored + text.upper() + ignored) == normalized(text.lower())
    assert normalized(text.replace(" ", "  ")) == normalized(text)
    assert normalized(normalized(text)) == normalized(text)
    assert not set(normalized(text)) & set("-_,.AB")


PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd"), max_size=20)


@given(PRINTABLE, PRINTABLE)
def test_only_what_normalizes_to_a_listed_text_is_known(listed: str, other: str) -> None:
    lists = WhiteLists([WhiteList(IMAGE_COMMENTS, (normalized(listed),))])
    same = normalized(other) in {normalized(listed), ""}
    assert lists.know(IMAGE_COMMENTS, "LT", other.encode(), b"ISO_IR 192") is same


def know(value: bytes, vr: str = "LO", charset: bytes = b"", *listed: str) -> bool:
    lists = WhiteLists([WhiteList(STUDY_DESCRIPTION, tuple(normalized(text) for text in listed or ("abc", "schädel")))])
    return lists.know(STUDY_DESCRIPTION, vr, value, charset)


@pytest.mark.parametrize(
    ("value", "vr", "charset", "known"),
    [
        (b"ABC ", "LO", b"", True),
        (b"ABC\\a-b-c", "LO", b"", True),
        (b"ABC\\Meyer", "LO", b"", False),
        (b"ABC\\\\", "LO", b"", True),
        (b"ABC\\ABC", "LT", b"", False),
        (b"", "LO", b"", True),
        (b" \0", "LO", b"NONSENSE", True),
        (b"ABC", "LO", b"NONSENSE", False),
        ("Schädel".encode("latin-1"), "LO", b"ISO_IR 100", True),
        ("Schädel".encode(), "LO", b"ISO_IR 192", True),
        ("Schädel".encode("latin-1"), "LO", b"ISO_IR 192", False),
        ("Schädel".encode(), "LO", b"ISO_IR 100", False),
        (b"ABC" + b" " * LONGEST_TEXT, "UT", b"", False),
        (b" " * (LONGEST_TEXT + 2), "UT", b"", False),
    ],
)
def test_value_is_known_when_each_of_its_texts_is_listed(value: bytes, vr: str, charset: bytes, known: bool) -> None:
    assert know(value, vr, charset) is known


def test_text_of_a_multi_byte_character_set_is_split_after_it_is_decoded() -> None:
    encoded = b"\x81\\"
    text = encoded.decode("gb18030")
    assert know(encoded, "LO", b"GB18030", text)
    assert know(encoded + b"\\" + encoded, "LO", b"GB18030", text)
    assert not know(encoded + b"\\Meyer", "LO", b"GB18030", text)


def test_item_with_a_character_set_of_its_own_is_decoded_by_it() -> None:
    inner = explicit(0x00080005, "CS", b"ISO_IR 192") + explicit(STUDY_DESCRIPTION, "LO", "Schädel".encode())
    profile = profile_with(
        options=frozenset({Option.CLEAN_DESCRIPTORS}), white_lists=(WhiteList(STUDY_DESCRIPTION, ("schädel",)),)
    )
    file = with_elements(explicit(CONTAINER, "SQ", item(inner)), SpecificCharacterSet="ISO_IR 100")
    assert "Schädel".encode() in deidentified_bytes(file, profile=profile)
    inherited = with_elements(
        explicit(CONTAINER, "SQ", item(explicit(STUDY_DESCRIPTION, "LO", "Schädel".encode()))),
        SpecificCharacterSet="ISO_IR 100",
    )
    assert "Schädel".encode() not in deidentified_bytes(inherited, profile=profile)


def test_listed_text_that_holds_the_patients_name_keeps_the_instance_back() -> None:
    profile = profile_with(
        options=frozenset({Option.CLEAN_DESCRIPTORS}), white_lists=(WhiteList(STUDY_DESCRIPTION, ("ct zweistein",)),)
    )
    file = with_elements(explicit(STUDY_DESCRIPTION, "LO", b"CT Zweistein"))
    assert reason(file, profile=profile) is QuarantineReason.RESIDUAL_IDENTIFIER


def test_descriptor_in_another_vr_than_text_is_not_kept() -> None:
    file = with_elements(explicit(STUDY_DESCRIPTION, "PN", LISTED))
    assert LISTED not in deidentified_bytes(file, profile=cleaning(STUDY_DESCRIPTION))


def test_unlisted_text_is_removed_where_the_profile_cleans_it() -> None:
    file = with_elements(
        explicit(0x00080070, "LO", UNLISTED),  # Manufacturer
        explicit(0x00081090, "LO", LISTED),  # Manufacturer's Model Name
        explicit(0x00180015, "CS", b"CHEST "),  # Body Part Examined
        explicit(0x00283003, "LO", UNLISTED),  # LUT Explanation
        explicit(0x00180050, "DS", b"1.25"),  # Slice Thickness
    )
    ds = deidentified(file, profile=cleaning(0x00081090, unlisted=Action.CLEAN))
    assert ds["Manufacturer"].is_empty, "of Type 2 in a CT"
    assert "LUTExplanation" not in ds
    assert (ds.BodyPartExamined, ds.SliceThickness) == ("CHEST", 1.25)
    assert ds.ManufacturerModelName.encode() == LISTED


def test_attribute_that_no_row_names_is_cleaned_by_a_list_of_its_own() -> None:
    profile = cleaning(0x00180015)
    listed, unlisted = (with_elements(explicit(0x00180015, "CS", text)) for text in (LISTED, UNLISTED))
    assert LISTED in deidentified_bytes(listed, profile=profile)
    assert UNLISTED not in deidentified_bytes(unlisted, profile=profile)
    assert UNLISTED in deidentified_bytes(unlisted)


def test_override_cleans_without_the_option_and_never_keeps_what_is_not_listed() -> None:
    profile = cleaning(0x00080070, options=(), overrides=(Override(ANYWHERE, 0x00080070, Action.CLEAN),))
    assert LISTED in deidentified_bytes(with_elements(explicit(0x00080070, "LO", LISTED)), profile=profile)
    assert UNLISTED not in deidentified_bytes(with_elements(explicit(0x00080070, "LO", UNLISTED)), profile=profile)


def test_row_of_a_sequence_that_is_too_new_for_the_dictionary_is_read_and_cleaned_in_implicit_vr() -> None:
    content = item(implicit(STUDY_DESCRIPTION, UNLISTED))
    file = with_elements(explicit(CONTAINER, "UN", item(implicit(0x00081304, content))))
    assert UNLISTED not in deidentified_bytes(file, profile=cleaning())


def test_text_in_a_dummied_sequence_that_no_row_names_stays_a_dummy() -> None:
    file = with_elements(explicit(0x0040A730, "SQ", code(b"99X", UNLISTED) + code(b"DCM ", b"Chest ")))
    ds = deidentified(file, profile=cleaning(unlisted=Action.CLEAN))
    assert [one.CodeMeaning for one in ds.ContentSequence] == ["DUMMY", "DUMMY"]


def test_file_of_the_old_form_is_read_and_part_of_the_fingerprint(tmp_path: Path) -> None:
    words, path = tmp_path / "words.json", tmp_path / "mine.yaml"
    path.write_text(HEAD + "white_lists:\n  - file: words.json\n")
    words.write_text('{"0008,1030": ["CT CHEST W/CONTRAST"], "0008,103e": []}')
    profile = load_profile(path)
    assert profile.white_lists == (
        WhiteList(STUDY_DESCRIPTION, ("ct chest w/contrast",)),
        WhiteList(SERIES_DESCRIPTION, ()),
    )
    words.write_text('{"0008,1030": [" ct  chest w/contrast."], "0008,103e": []}')
    assert load_profile(path) == profile
    words.write_text('{"0008,1030": ["CT HEAD"], "0008,103e": []}')
    assert load_profile(path).fingerprint != profile.fingerprint


def test_entry_in_the_profile_takes_texts_and_patterns() -> None:
    profile = parse_profile(
        ENTRY + "attribute: StudyDescription\n    values: [Neck Study]\n    patterns: ['CT [a-z]+( w/o)?']\n",
        "p.yaml",
    )
    for text, stays in ((b"NECK-  STUDY", True), (b"CT Head W/O.", True), (b"CT Head of Meyer", False)):
        file = with_elements(explicit(STUDY_DESCRIPTION, "LO", text))
        assert (text in deidentified_bytes(file, profile=profile)) is stays


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ENTRY + "file: absent.json\n", r"line 5: white_lists\[1\].file names absent.json, which can't be read"),
        (ENTRY + "file: bad.json\n", r"line 5: white_lists\[1\].file names bad.json, which is not JSON at its line 2"),
        (ENTRY + "file: list.json\n", r"file names list.json, which does not hold attributes with lists"),
        (ENTRY + "file: twice.json\n", r"file names twice.json, which can't be read or names an attribute twice"),
        (ENTRY + "file: tag.json\n", r"file names tag.json, which names no attribute"),
        (ENTRY + "file: text.json\n", r"file names text.json, which has no list of texts for \(0008,1030\)"),
        (ENTRY + "file: other.json\n", r"file is about \(0008,0080\), which the profile's options do not clean"),
        (ENTRY + "attribute: Nonsense\n    values: [a]\n", r"line 5: white_lists\[1\].attribute names no attribute"),
        (ENTRY + "attribute: 0008,XX\n    values: [a]\n", r"line 5: white_lists\[1\].attribute names no attribute"),
        (ENTRY + "attribute: PatientName\n    values: [a]\n", r"attribute names \(0010,0010\), which holds no text"),
        (ENTRY + "attribute: InstitutionName\n    values: [a]\n", r"is about \(0008,0080\), which the profile's"),
        (ENTRY + "attribute: StudyDescription\n", r"line 5: white_lists\[1\].attribute needs values or patterns"),
        (
            ENTRY + "attribute: StudyDescription\n    patterns:\n      - 'a('\n",
            r"line 7: white_lists\[1\].patterns holds something that is not a regular expression",
        ),
        (
            ENTRY + "attribute: StudyDescription\n    patterns: ['.*']\n",
            r"line 6: .* holds a pattern that any text matches",
        ),
        (
            ENTRY + "attribute: StudyDescription\n    values: [a]\n    colour: red\n",
            r"line 7: white_lists\[1\].colour is not",
        ),
        (HEAD + "white_lists: words.json\n", r"line 4: white_lists must be a list"),
        ("name: m\nversion: '1'\nunlisted: clean\n", r'line 3: unlisted clean needs the option "Clean Descriptors"'),
        (
            "name: m\nversion: '1'\nwhite_lists: [{attribute: StudyDescription, values: [a]}]\n",
            r"line 3: white_lists\[1\].attribute is about \(0008,1030\), which the profile's options do not clean",
        ),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(tmp_path: Path, content: str, message: str) -> None:
    files = {
        "bad.json": '{\n"0008,1030": [',
        "list.json": "[]",
        "twice.json": '{"0008,1030": [], "0008,1030": []}',
        "tag.json": '{"0008": []}',
        "text.json": '{"0008,1030": "CT HEAD"}',
        "other.json": '{"0008,0080": ["A CLINIC"]}',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ProfileError, match=message) as caught:
        parse_profile(content, "p.yaml", tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_is_not_looked_for_where_the_profile_is_none() -> None:
    with pytest.raises(ProfileError, match=r"names words.json, but the profile itself is not a file"):
        parse_profile(ENTRY + "file: words.json\n", "p.yaml")


def test_an_exception_to_unlisted_is_no_risk_but_one_to_the_table_is() -> None:
    exception = HEAD + "unlisted: clean\noverrides:\n  - attribute: {}\n    action: keep\n"
    profile = parse_profile(exception.format("Manufacturer"), "p.yaml")
    assert profile.accepted_risks == {}
    assert UNLISTED in deidentified_bytes(with_elements(explicit(0x00080070, "LO", UNLISTED)), profile=profile)
    with pytest.raises(ProfileError, match="i_accept_the_risk"):
        parse_profile(exception.format("StudyDescription"), "p.yaml")


def test_the_option_is_declared() -> None:
    codes = [
        one.CodeValue for one in deidentified(with_elements(), profile=cleaning()).DeidentificationMethodCodeSequence
    ]
    assert codes == ["113100", "113105"]
    assert BASIC.white_lists == ()


TEXT_TAGS = sorted(
    tag
    for tag, entry in DicomDictionary.items()
    if entry[0] in {"LO", "SH", "UC", "LT", "ST", "UT", "PN"} and tag >> 16 >= 8 and tag not in {0x00100010, 0x00100020}
)


@st.composite
def described(draw: st.DrawFn, depth: int = 3) -> Dataset:
    ds = Dataset()
    for tag in draw(st.lists(st.sampled_from(TEXT_TAGS), max_size=6)):
        ds.add_new(tag, DicomDictionary[tag][0], "XQZSENTINEL")
    if depth and draw(st.booleans()):
        sequence = draw(st.sampled_from([0x00081115, 0x0040A730, 0x00400275, 0x0040100A, 0x00081032, 0x00081302]))
        ds.add_new(sequence, "SQ", [draw(described(depth - 1))])
    return ds


@given(described(), st.sampled_from([ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]))
@settings(max_examples=80, deadline=None)
def test_no_text_that_is_not_listed_is_left_at_any_depth_where_the_profile_cleans_all(ds: Dataset, syntax: UID) -> None:
    whole = an_image()
    whole.update(ds)
    profile = cleaning(*TEXT_TAGS, unlisted=Action.CLEAN)
    assert b"xqzsentinel" not in deidentified_bytes(as_file(whole, syntax), profile=profile).lower()
