"""Retain Safe Private: by creator and element, wherever the block lies, and nothing else."""

from __future__ import annotations

import io
import struct

import pydicom
import pytest
from hypothesis import given, settings
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.overrides import Override
from dicom_assets.deidentification.profile import Profile, parse_profile
from dicom_assets.deidentification.rule import Rule
from dicom_assets.deidentification.rules import RuleBook
from dicom_assets.deidentification.safe_private import SafeAddition, private_action
from dicom_assets.deidentification.safe_private_table import SafeElement, parse_safe_private, safe_private_table
from dicom_assets.errors import ConfigurationError, ProfileError
from dicom_assets.study import QuarantineReason
from dicom_assets_tests.deidentification.builders import (
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
from dicom_assets_tests.deidentification.test_properties import SENTINELS, files

SENTINEL = b"XQZSENTINEL"
VALUES = {"DS": b"1.25", "IS": b"77", "CS": b"XQZKEPT1", "LO": b"XQZKEPT1", "SH": b"XQZKEPT1"}
SIZES = {"AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "UL": 4, "US": 2, "OB": 8, "OW": 8}
GROUP, CREATOR, SAFE = 0x0019, b"GEMS_ACQU_01", 0x00191023  # Table Speed, DS
PHILIPS, PHILIPS_SEQUENCE = b"Philips Imaging DD 001", 0x2001105F  # Stack Sequence
HEAD = "name: mine\nversion: '1'\noptions: [Retain Safe Private]\n"


def keeping(*additions: SafeAddition, **changes: object) -> Profile:
    return profile_with(options=frozenset({Option.RETAIN_SAFE_PRIVATE}), safe_private=additions, **changes)


SAFE_PRIVATE = keeping()
INSTANCE = an_instance()


def item(content: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content


def reserve(creator: bytes | str, group: int = GROUP, block: int = 0x10) -> bytes:
    return explicit(group << 16 | block, "LO", creator.encode() if isinstance(creator, str) else creator)


def written_vr(row: SafeElement) -> str:
    return {"OW/OB": "OW", "": "FD"}.get(row.vr, row.vr)


def value_of(row: SafeElement) -> bytes:
    vr = written_vr(row)
    if vr == "SQ":
        return item(explicit(0x00081030, "LO", SENTINEL) + explicit(0x00180050, "DS", b"8.125 "))
    if vr == "UI":
        return b"1.2.999.31337.4242"
    return VALUES.get(vr) or b"\x4d\x01\x7e\x3f\x4d\x01\x7e\x3f"[: SIZES.get(vr, 0)] or SENTINEL


def neighbour(row: SafeElement) -> int:
    """An element of the same block that is not listed."""
    table = safe_private_table()
    return next(n for n in range(0xFE, 0, -1) if table.vr(row.creator, row.group << 16 | n) is None)


@pytest.mark.parametrize("block", [0x10, 0x77])
@pytest.mark.parametrize(
    "row",
    safe_private_table().rows,
    ids=lambda row: f"{row.creator} {row.group:04X},xx{row.element:02X}".replace(" ", "_"),
)
def test_listed_element_stays_in_any_block_and_its_neighbours_go(row: SafeElement, block: int) -> None:
    base = row.group << 16 | block << 8
    element = explicit(base | row.element, written_vr(row), value_of(row))
    file = with_raw(
        INSTANCE,
        reserve(row.creator, row.group, block),
        element,
        explicit(base | neighbour(row), "LO", SENTINEL),
        reserve("XQZ UNKNOWN", row.group, 0x9A),
        explicit(row.group << 16 | 0x9A00 | row.element, written_vr(row), value_of(row)),
    )
    written = deidentified_bytes(file, profile=SAFE_PRIVATE)
    assert SENTINEL not in written
    assert b"XQZ UNKNOWN" not in written
    assert b"1.2.999.31337" not in written
    ds = pydicom.dcmread(io.BytesIO(written))
    private = {element.tag for element in ds if element.tag.is_private}
    if row.vr in {"ST", "LT"}:
        assert private == set()
        return
    assert private == {row.group << 16 | block, base | row.element}
    if row.vr == "SQ":
        assert [list(one.keys()) for one in ds[base | row.element].value] == [[0x00180050]]
    elif row.vr == "UI":
        assert ds[base | row.element].VR == "UI"
        assert ds[base | row.element].value.startswith("2.25.")
    else:
        assert element in written


def kept(*elements: bytes, profile: Profile = SAFE_PRIVATE) -> set[int]:
    return {int(one.tag) for one in deidentified(with_elements(*elements), profile=profile) if one.tag.is_private}


def test_nothing_private_stays_without_the_option() -> None:
    assert kept(reserve(CREATOR), explicit(SAFE, "DS", b"1.25"), profile=profile_with()) == set()


@pytest.mark.parametrize(
    ("creator", "stays"),
    [
        (b"GEMS_ACQU_01", True),
        (b"GEMS_ACQU_01  ", True),
        (b"  GEMS_ACQU_01", True),
        (b"GEMS_ACQU_01\0", True),
        (b"gems_acqu_01", False),
        (b"GEMS_ACQU_01\\X", False),
        (b"GEMS_ACQU_1", False),
        (b"GEMS\xffACQU_01", False),
        (b"", False),
    ],
)
def test_creator_is_known_by_its_exact_name_but_for_padding(creator: bytes, stays: bool) -> None:
    found = kept(reserve(creator), explicit(SAFE, "DS", b"1.25"))
    assert found == ({0x00190010, SAFE} if stays else set())


def test_element_without_a_creator_goes() -> None:
    assert kept(explicit(SAFE, "DS", b"1.25")) == set()
    assert kept(reserve(CREATOR, block=0x11), explicit(SAFE, "DS", b"1.25")) == set()


@pytest.mark.parametrize("number", [0x0001, 0x000F, 0x0023, 0x0123, 0x0F23])
def test_element_outside_any_block_goes(number: int) -> None:
    assert kept(reserve(CREATOR), explicit(GROUP << 16 | number, "DS", b"1.25")) == set()


def test_creator_goes_when_nothing_of_its_block_is_left() -> None:
    assert kept(reserve(CREATOR), explicit(0x00191022, "DS", b"1.25")) == set()


def test_two_blocks_of_one_creator_both_stay() -> None:
    elements = [
        reserve(CREATOR),
        reserve(CREATOR, block=0x11),
        explicit(SAFE, "DS", b"1"),
        explicit(0x00191123, "DS", b"2"),
    ]
    assert kept(*elements) == {0x00190010, 0x00190011, SAFE, 0x00191123}


def test_block_that_is_reserved_twice_goes() -> None:
    file = with_elements() + reserve(b"OTHER") + reserve(CREATOR) + explicit(SAFE, "DS", b"1.25")
    assert not [one for one in deidentified(file, profile=SAFE_PRIVATE) if one.tag.is_private]


def test_creator_in_the_data_set_around_reserves_nothing_in_an_item() -> None:
    container = explicit(0x00081115, "SQ", item(explicit(SAFE, "DS", b"1.25")))
    ds = deidentified(with_elements(container, reserve(CREATOR)), profile=SAFE_PRIVATE)
    assert SAFE not in ds[0x00081115].value[0]
    own = explicit(0x00081115, "SQ", item(reserve(CREATOR) + explicit(SAFE, "DS", b"1.25")))
    ds = deidentified(with_elements(own), profile=SAFE_PRIVATE)
    assert {int(inner.tag) for inner in ds[0x00081115].value[0]} == {0x00190010, SAFE}


def test_statement_that_a_block_is_safe_is_not_believed() -> None:
    statement = item(
        explicit(0x00080301, "US", b"\x19\0")
        + explicit(0x00080302, "LO", b"XQZ UNKNOWN")
        + explicit(0x00080303, "CS", b"SAFE")
    )
    elements = [explicit(0x00080300, "SQ", statement), reserve(b"XQZ UNKNOWN"), explicit(SAFE, "DS", b"1.25")]
    assert kept(*elements) == set()


@pytest.mark.parametrize("vr", ["PN", "DA", "DT", "TM", "LT", "ST", "UT", "UR", "AS", "AE", "UC"])
def test_value_of_a_vr_that_names_dates_or_tells_is_never_kept(vr: str) -> None:
    addition = SafeAddition("XQZ", GROUP, (0x01,), "because")
    assert kept(reserve(b"XQZ "), explicit(0x00191001, vr, b"20370911"), profile=keeping(addition)) == set()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (set(), Rule(Action.REMOVE, "private")),
        ({Option.RETAIN_FULL_DATES}, Rule(Action.SHIFT, "private", option=Option.RETAIN_FULL_DATES)),
        ({Option.RETAIN_MODIFIED_DATES}, Rule(Action.SHIFT, "private", option=Option.RETAIN_MODIFIED_DATES)),
    ],
)
def test_private_dates_go_or_move_with_all_others(options: set[Option], expected: Rule) -> None:
    profile = profile_with(options=frozenset({Option.RETAIN_SAFE_PRIVATE, *options}))
    assert RuleBook(profile, "").private_dates == expected
    assert private_action("DA", b"20370911", expected.action) is expected.action


@pytest.mark.parametrize(
    ("uid", "expected"),
    [(b"1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1"), (b"1.2.999.4242", "2.25."), (b"x" * 70, None)],
)
def test_private_uid_is_replaced_unless_registered(uid: bytes, expected: str | None) -> None:
    file = with_elements(reserve(b"NQHeader", 0x0099), explicit(0x00991002, "UI", uid))
    ds = deidentified(file, profile=SAFE_PRIVATE)
    found = ds.get(0x00991002)
    assert (found.value.startswith(expected) and str(found.value) != "1.2.999.4242") if expected else found is None


@pytest.mark.parametrize(
    ("vr", "value", "stays"),
    [
        ("DS", b"1.25\\2", True),
        ("DS", b"1.25 Meyer", False),
        ("IS", b"12", True),
        ("LO", b"1.25", True),
        ("LO", b"Meyer", False),
        ("FL", b"\0\0\0\0", False),
        ("OB", b"1.25", False),
        ("UN", b"1.25", True),
        ("UN", b"Meyer ", False),
        ("SQ", item(b""), False),
    ],
)
def test_value_has_to_go_with_the_vr_of_the_table(vr: str, value: bytes, stays: bool) -> None:
    assert (SAFE in kept(reserve(CREATOR), explicit(SAFE, vr, value))) is stays


@pytest.mark.parametrize(("value", "stays"), [(b"\0\0\x80?", True), (bytes(6), False), (b"Albert", False)])
def test_binary_value_encoded_as_un_has_to_have_the_size_of_its_vr(value: bytes, stays: bool) -> None:
    assert (0x20011001 in kept(reserve(PHILIPS, 0x2001), explicit(0x20011001, "UN", value))) is stays


def test_element_whose_vr_nobody_knows_goes() -> None:
    siemens = reserve(b"SIEMENS Ultrasound SC2000", 0x0119)
    assert kept(siemens, explicit(0x01191011, "UN", b"1.25")) == set()
    assert 0x01191011 in kept(siemens, explicit(0x01191011, "FD", bytes(8)))
    assert kept(siemens, explicit(0x01191011, "TM", b"101010")) == set()


def nested(put: object) -> bytes:
    assert callable(put)
    known = put(0x20011001, "FL", b"\0\0\x80?") + put(0x20011002, "IS", b"77")
    return item(
        put(0x00081030, "LO", SENTINEL)
        + put(0x00100010, "PN", b"Zweistein^Albertine")
        + put(0x20010010, "LO", PHILIPS)
        + put(0x20010011, "LO", b"XQZ UNKNOWN")
        + known
        + put(0x2001100D, "LO", SENTINEL)
        + put(0x20011101, "FL", b"\0\0\x80?")
    )


def with_a_private_sequence(encoded: bytes) -> Dataset:
    ds = an_image()
    ds.add_new(0x20010010, "LO", PHILIPS.decode())
    ds.add_new(PHILIPS_SEQUENCE, "UN", encoded)
    return ds


@pytest.mark.parametrize("form", ["SQ", "UN with implicit VR", "UN with explicit VR", "implicit VR"])
def test_private_sequence_is_cleaned_inside(form: str) -> None:
    inner = nested(lambda tag, vr, value: implicit(tag, value) if "implicit" in form else explicit(tag, vr, value))
    if form == "implicit VR":
        file = as_file(with_a_private_sequence(inner), ImplicitVRLittleEndian)
    else:
        file = with_elements(reserve(PHILIPS, 0x2001), explicit(PHILIPS_SEQUENCE, form[:2], inner))
    written = deidentified_bytes(file, profile=SAFE_PRIVATE)
    assert SENTINEL not in written
    assert b"XQZ UNKNOWN" not in written
    (one,) = deidentified(file, profile=SAFE_PRIVATE)[PHILIPS_SEQUENCE].value
    assert {int(inner.tag) for inner in one} == {0x00100010, 0x20010010, 0x20011001, 0x20011002}
    assert "Zweistein" not in str(one[0x00100010].value)


def test_private_sequence_that_cant_be_read_goes() -> None:
    assert kept(reserve(PHILIPS, 0x2001), explicit(PHILIPS_SEQUENCE, "SQ", b"no items")) == set()
    assert kept(reserve(PHILIPS, 0x2001), explicit(PHILIPS_SEQUENCE, "UN", b"no items")) == set()


def test_private_sequence_as_un_in_big_endian_goes() -> None:
    file = as_file(with_a_private_sequence(nested(explicit)), ExplicitVRBigEndian)
    assert PHILIPS_SEQUENCE not in deidentified(file, profile=SAFE_PRIVATE)


def test_identifier_in_a_kept_private_text_keeps_the_instance_back() -> None:
    file = with_elements(reserve(CREATOR), explicit(0x0019109E, "LO", b"EPI Zweistein"))
    assert reason(file, profile=SAFE_PRIVATE) is QuarantineReason.RESIDUAL_IDENTIFIER


def test_private_attributes_in_a_dummied_sequence_go() -> None:
    content = explicit(0x0040A730, "SQ", item(reserve(CREATOR) + explicit(SAFE, "DS", b"1.25")))
    (one,) = deidentified(with_elements(content), profile=SAFE_PRIVATE).ContentSequence
    assert SAFE not in one


def test_overridden_private_attribute_stays_with_its_creator() -> None:
    override = Override((), 0x00191055, Action.KEEP, accepted_risk="we looked")
    elements = [reserve(b"XQZ "), explicit(0x00191055, "LO", b"EPI"), explicit(SAFE, "DS", b"1")]
    assert kept(*elements, profile=keeping(overrides=(override,))) == {0x00190010, 0x00191055}


CSA = HEAD + (
    "safe_private:\n"
    "  - creator: SIEMENS CSA HEADER\n    group: 0029\n    elements: [08, 10-1F]\n    reason: we looked\n"
)


def test_addition_of_the_profile_is_kept() -> None:
    profile = parse_profile(CSA, "p.yaml")
    assert profile.safe_private == (
        SafeAddition("SIEMENS CSA HEADER", 0x0029, (0x08, *range(0x10, 0x20)), "we looked"),
    )
    elements = [
        reserve(b"SIEMENS CSA HEADER", 0x0029),
        explicit(0x00291008, "CS", b"IMAGE NUM 4"),
        explicit(0x00291009, "LO", b"20370911"),
        explicit(0x00291010, "UN", b"SV10"),  # OB, says pydicom's dictionary
        explicit(0x0029101A, "UN", b"SV10"),  # which does not know this one
    ]
    assert kept(*elements, profile=profile) == {0x00290010, 0x00291008, 0x00291010}


def test_addition_may_say_the_vr() -> None:
    addition = SafeAddition("XQZ", GROUP, (0x01,), "because", "IS")
    elements = [reserve(b"XQZ "), explicit(0x00191001, "UN", b"77")]
    assert kept(*elements, profile=keeping(addition)) == {0x00190010, 0x00191001}
    assert kept(*elements[:1], explicit(0x00191001, "UN", b"Me"), profile=keeping(addition)) == set()


def test_fingerprint_tells_additions_and_reasons_apart() -> None:
    one, other = (parse_profile(CSA.replace("we looked", text), "p.yaml") for text in ("we looked", "we did not"))
    assert len({SAFE_PRIVATE.fingerprint, one.fingerprint, other.fingerprint}) == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("reason: we looked", "", r"line 5: safe_private\[1\].reason is missing"),
        ("reason: we looked", "reason: ' '", r"line 8: safe_private\[1\].reason must be why they are safe"),
        ("group: 0029", "group: 0028", r"line 6: safe_private\[1\].group must be four hexadecimal digits of an odd"),
        ("group: 0029", "group: '0005'", r"line 6: safe_private\[1\].group is not one in which private"),
        ("[08, 10-1F]", "[1F-10]", r"line 7: safe_private\[1\].elements must hold the last two digits"),
        ("[08, 10-1F]", "[x]", r"line 7: safe_private\[1\].elements must hold the last two digits"),
        ("[08, 10-1F]", "[]", r"line 7: safe_private\[1\].elements must name elements"),
        ("SIEMENS CSA HEADER", "''", r"line 5: safe_private\[1\].creator must be 1 to 64"),
        ("reason", "vr: PN\n    reason", r"line 8: safe_private\[1\].vr must be one of"),
        ("reason", "colour: red\n    reason", r"line 8: safe_private\[1\].colour is not a field"),
        ("options: [Retain Safe Private]\n", "", r'line 3: safe_private needs the option "Retain Safe Private"'),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(old: str, new: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        parse_profile(CSA.replace(old, new), "p.yaml")


def test_the_table_is_that_of_the_standard() -> None:
    table = safe_private_table()
    assert (table.edition, len(table.rows), len({row.creator for row in table.rows})) == ("2026d", 479, 20)
    assert len({(row.creator, row.group, row.element) for row in table.rows}) == len(table.rows)
    assert all(row.group & 1 for row in table.rows)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"edition": "x", "blocks": [["A", "0019", {"x": ""}]]}'])
def test_a_broken_data_file_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigurationError):
        parse_safe_private(content)


def test_the_option_is_declared() -> None:
    method = deidentified(with_elements(), profile=SAFE_PRIVATE).DeidentificationMethodCodeSequence
    assert [one.CodeValue for one in method] == ["113100", "113111"]


@given(files())
@settings(max_examples=100, deadline=None)
def test_no_sentinel_is_left_at_any_depth(file: bytes) -> None:
    options = frozenset({Option.RETAIN_SAFE_PRIVATE, Option.CLEAN_DESCRIPTORS})
    written = deidentified_bytes(file, profile=profile_with(options=options)).lower()
    for sentinel in (*SENTINELS.values(), "qwertz"):
        assert sentinel.lower().encode() not in written
