"""What the fast path remembers of one instance never shows in another that it does not belong to.

`builders.deidentify` compares with the thorough path, which remembers nothing.
"""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.descriptors import WhiteList
from dicom_assets.deidentification.fast import memory
from dicom_assets.deidentification.fast.memory import Memory
from dicom_assets.deidentification.outcome import Deidentified, Quarantined
from dicom_assets.deidentification.overrides import ANYWHERE, Override
from dicom_assets.deidentification.profile import Profile, shipped_profile
from dicom_assets.study import Subject
from dicom_assets_tests.deidentification.builders import (
    SECRET,
    deidentified_bytes,
    deidentify,
    explicit,
    takes_the_fast_path,
    with_elements,
)

RESEARCH, SEED = shipped_profile("research"), shipped_profile("seed")
ONE, OTHER = Subject("PZK7Q2M8XAB", -100), Subject("PZK7Q2M8XAC", -1000)
ITEM_END, SEQUENCE_END = b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)


def item(content: bytes, *, delimited: bool = False) -> bytes:
    length = 0xFFFFFFFF if delimited else len(content)
    return struct.pack("<HHL", 0xFFFE, 0xE000, length) + content + (ITEM_END if delimited else b"")


def delimited(tag: int, content: bytes) -> bytes:
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, b"SQ", 0, 0xFFFFFFFF) + content + SEQUENCE_END


def code(meaning: bytes, scheme: bytes = b"99MADEUP", more: bytes = b"") -> bytes:
    content = explicit(0x00080100, "SH", b"CODE") + explicit(0x00080102, "SH", scheme)
    return content + explicit(0x00080104, "LO", meaning) + more


def test_dates_that_were_remembered_belong_to_one_subject() -> None:
    file = with_elements(explicit(0x00080022, "DA", b"20370911"))
    written = [deidentified_bytes(file, profile=RESEARCH, subject=subject) for subject in (ONE, OTHER, ONE)]
    assert b"20370603" in written[0]
    assert b"20341216" in written[1]
    assert written[0] == written[2]


def test_hashes_are_not_remembered() -> None:
    profile = replace(RESEARCH, overrides=(Override(ANYWHERE, 0x00181030, Action.HASH, "", "a test"),))
    file = with_elements(explicit(0x00181030, "LO", b"Protocol"))
    written = {deidentified_bytes(file, profile=profile, uids=UidReplacer(SECRET + more)) for more in (b"", b"!")}
    assert len(written) == 2


def test_text_is_remembered_by_its_character_set() -> None:
    white_lists = (WhiteList(0x0008103E, ("schädel",)),)
    profile = replace(SEED, white_lists=white_lists)
    text = explicit(0x0008103E, "LO", "Schädel ".encode())
    kept = [
        text in deidentified_bytes(with_elements(explicit(0x00080005, "CS", term), text), profile=profile)
        for term in (b"ISO_IR 192", b"ISO_IR 100", b"ISO_IR 192")
    ]
    assert kept == [True, False, True]


@pytest.mark.parametrize("more", [b"", explicit(0x0008010D, "UI", b"1.2.826.0.1.99.77.1")])
def test_codes_are_remembered_without_the_uids_in_them(more: bytes) -> None:
    file = with_elements(explicit(0x00081032, "SQ", item(code(b"Thorax", b"DCM", more))))
    one, recorded = UidReplacer(SECRET), UidReplacer(SECRET, recorded={"1.2.826.0.1.99.77.1": "2.25.4711"})
    written = [deidentified_bytes(file, profile=SEED, uids=uids) for uids in (one, one.fork(), recorded)]
    assert written[0] == written[1]
    assert (b"2.25.4711" in written[2]) is bool(more)


@pytest.mark.parametrize(
    "sequence",
    [
        explicit(0x00081032, "SQ", item(b"") + item(code(b"A secret of a department"))),
        explicit(0x00081032, "SQ", item(explicit(0x00080005, "CS", b"ISO_IR 192")) + item(code(b"Odd"))),
        explicit(0x00081032, "SQ", b""),
        delimited(0x00081032, item(code(b"Other"))),
        delimited(0x00081032, item(code(b"Other"), delimited=True)),
        delimited(0x00081032, item(delimited(0x00081140, item(b"", delimited=True)), delimited=True) + item(b"")),
        explicit(0x00081140, "SQ", item(explicit(0x00100010, "PN", b"Zweistein^Albert"))),
        explicit(0x00081032, "SQ", item(code(b"Any", more=explicit(0x00100010, "PN", b"Quartstein^Al")))),
    ],
)
@pytest.mark.parametrize("profile", [RESEARCH, SEED], ids=["research", "seed"])
def test_sequences_come_out_alike_the_second_time(sequence: bytes, profile: Profile) -> None:
    file = with_elements(sequence, explicit(0x00200011, "IS", b"3 "))
    again = with_elements(sequence, explicit(0x00200011, "IS", b"4 "))
    assert takes_the_fast_path(file, profile=profile)
    for content in (file, again, file):
        deidentified_bytes(content, profile=profile)


def test_what_is_inside_a_remembered_sequence_is_looked_for_each_time() -> None:
    inside = explicit(0x00081032, "SQ", item(code(b"Any", more=explicit(0x00100010, "PN", b"Quartstein^Al"))))
    deidentified_bytes(with_elements(inside), profile=RESEARCH)
    for _ in range(2):
        outcome, written = deidentify(
            with_elements(inside, explicit(0x00080070, "LO", b"Quartstein")), profile=RESEARCH
        )
        assert isinstance(outcome, Quarantined)
        assert not written


def test_private_elements_are_remembered_by_who_reserved_their_block() -> None:
    element = explicit(0x00191023, "DS", b"0.5 ")
    for creator, stays in ((b"GEMS_ACQU_01", True), (b"GEMS_ACQU_02", False), (b"GEMS_ACQU_01", True)):
        written = deidentified_bytes(with_elements(explicit(0x00190010, "LO", creator), element), profile=RESEARCH)
        assert (creator in written, element in written) == (stays, stays)


@pytest.mark.parametrize(
    "block",
    [
        explicit(0x00191027, "DS", b"1.5 ") + explicit(0x00191023, "DS", b"0.5 "),
        explicit(0x00191023, "DS", b"0.5 ") * 2,
        explicit(0x00191023, "DS", b"0.5 ") + explicit(0x00190011, "LO", b"LATE"),
        explicit(0x00191001, "SQ", item(explicit(0x00100010, "PN", b"Quartstein^Al"))),
        delimited(0x00191001, item(explicit(0x00100010, "PN", b"Quartstein^Al"), delimited=True)),
        explicit(0x00191023, "UN", b"0.5 ") + explicit(0x00191024, "UN", b"no number"),
        explicit(0x00191023, "DS", b"not one ") + explicit(0x001910AA, "OB", bytes(5000)),
        explicit(0x00191123, "DS", b"0.5 "),
        b"",
    ],
)
def test_private_groups_come_out_alike_the_second_time(block: bytes) -> None:
    file = with_elements(explicit(0x00190010, "LO", b"GEMS_ACQU_01") + block)
    for _ in range(2):
        outcome, written = deidentify(file, profile=RESEARCH)
        assert bool(written) is isinstance(outcome, Deidentified)


def test_memory_is_bounded_and_shows_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_BYTES", 4096)
    kept = Memory()
    for number in range(100):
        kept.keep(ONE, ("plan", b"", b"Zweistein %d" % number), b"")
    assert 0 < len(kept.of(ONE)) < 20
    assert "Zweistein" not in repr(kept)
    for number in range(100):
        kept.of(Subject(f"P{number}", -1))
    assert not kept.of(ONE)
