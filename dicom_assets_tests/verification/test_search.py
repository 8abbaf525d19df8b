"""What counts as an identifier found again, rule by rule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_assets.verification.bytes_of_names import ByteSearcher
from dicom_assets.verification.identifiers import Identifier, Kind, names_in
from dicom_assets.verification.search import Searcher, Where
from dicom_assets.verification.words import CommonWords, fold

IDENTITY, TEXT, CODE, RAW, PATH = Where.IDENTITY, Where.TEXT, Where.CODE, Where.RAW, Where.PATH


def finds(identifiers: set[Identifier], text: str, where: Where, devices: tuple[str, ...] = ()) -> bool:
    return bool(Searcher(identifiers, CommonWords(devices)).find(text, where))


@pytest.mark.parametrize(
    ("name", "text", "where", "found"),
    [
        ("Zweistein^Albertine", "MR of zweistein", TEXT, True),
        ("Zweistein^Albertine", "ALBERTINE_2", TEXT, True),
        ("Zweistein^Albertine", "Zweisteins", TEXT, False),
        ("Zweistein^Albertine", "xxalbertinezweisteinxx", TEXT, True),
        ("Zweistein^Albertine", "zweistein-albertine", PATH, True),
        ("Müller^Zoë", "MULLER", TEXT, True),
        ("Müller^Zoë", "Mueller", TEXT, True),
        ("Mueller^Zoe", "M\u00fcller", TEXT, False),
        ("Łukasz^Wałęsa", "walesa", TEXT, True),
        # A person called Chest does not turn every chest into a finding.
        ("Chest^Maria", "CT CHEST ROUTINE", TEXT, False),
        ("Chest^Maria", "CHEST", TEXT, False),
        ("Chest^Maria", "CHEST", CODE, False),
        ("Chest^Maria", "CHEST", PATH, False),
        ("Chest^Maria", "Chest", IDENTITY, True),
        ("Chest^Maria", "Chest^X", IDENTITY, True),
        ("Chest^Maria", "chest, maria", TEXT, True),
        ("Chest^Head", "CT CHEST AND HEAD", TEXT, False),
        # Short parts.
        ("Doe^John", "doe", TEXT, False),
        ("Doe^John", "Doe^X", IDENTITY, True),
        ("Doe^John", "doe john", TEXT, True),
        ("Doe^John", "Johns", TEXT, False),
        ("Doe^John", "john", TEXT, True),
        ("Li^Wu", "Wu, Li", TEXT, True),
        ("Li^Wu", "Li-ion", TEXT, False),
        ("Q^X", "Q X", IDENTITY, False),
        # Codes count whole, raw bytes with long words only.
        ("Zweistein^A", "ZWEISTEIN", CODE, True),
        ("Zweistein^A", "ZWEISTEIN HEAD", CODE, False),
        ("Zweistein^A", "..zweistein..", RAW, True),
        ("Meyer^A", "..meyer..", RAW, False),
        # Other scripts.
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "検査 山田様", TEXT, True),
        ("Yamada^Tarou=山田^太郎", "検査 山 田", TEXT, False),
        ("김희중", "김희중 님", TEXT, True),
        ("Люкceмбypг", "люкceмбypг", TEXT, True),
        # Those who stand for nobody.
        ("Anonymous", "anonymous", IDENTITY, False),
        ("UNKNOWN^Zweistein", "unknown", IDENTITY, False),
    ],
)
def test_name(name: str, text: str, where: Where, found: bool) -> None:
    assert finds(set(names_in(name)), text, where) is found


def test_word_that_the_manufacturers_use_is_common() -> None:
    name = set(names_in("Wunderscan^Anna"))

    assert finds(name, "Wunderscan Medical Systems", TEXT)
    assert not finds(name, "Wunderscan Medical Systems", TEXT, devices=("wunderscan", "medical"))
    assert finds(name, "Anna Wunderscan", TEXT, devices=("wunderscan",))


def test_word_that_makers_of_private_blocks_use_is_common() -> None:
    name = set(names_in("Siemens^Anna"))

    assert not finds(name, "SIEMENS CSA HEADER", TEXT)
    assert finds(name, "Anna Siemens", TEXT)


@pytest.mark.parametrize(
    ("kind", "identifier", "text", "where", "found"),
    [
        (Kind.PATIENT_ID, "MRN-4711", "see mrn-4711.", TEXT, True),
        (Kind.PATIENT_ID, "47110", "P47110", TEXT, True),
        (Kind.PATIENT_ID, "47110", "471103", TEXT, False),
        (Kind.PATIENT_ID, "47110", "1.47110", TEXT, False),
        (Kind.PATIENT_ID, "41F4", "PAC41F4QV75", TEXT, False),
        (Kind.PATIENT_ID, "41F4", "see 41f4_1", TEXT, True),
        (Kind.PATIENT_ID, "41F475", "PAC41F475QV", TEXT, True),
        (Kind.PATIENT_ID, "4711", "4711", TEXT, False),
        (Kind.PATIENT_ID, "4711", "4711", IDENTITY, True),
        (Kind.PATIENT_ID, "1", "1", TEXT, False),
        (Kind.PATIENT_ID, "1", "1", IDENTITY, True),
        (Kind.PATIENT_ID, "1", "11", IDENTITY, False),
        (Kind.PATIENT_ID, "Phantom", "Phantom scan", TEXT, False),
        (Kind.PATIENT_ID, "471108", "1.2.471108.3", Where.UID, True),
        (Kind.PATIENT_ID, "471108", "1.2.4711083", Where.UID, False),
        (Kind.PATIENT_ID, "4711081", "x4711081x", RAW, False),
        (Kind.PATIENT_ID, "47110815", "x47110815x", RAW, True),
        (Kind.PATIENT_ID, "20240311", "20240311", RAW, False),
        (Kind.ACCESSION_NUMBER, "ACC-1", "acc-1", TEXT, True),
        (Kind.BIRTH_DATE, "19610512", "born 1961-05-12", TEXT, True),
        (Kind.BIRTH_DATE, "19610512", "05/12/1961", TEXT, True),
        (Kind.BIRTH_DATE, "19610512", "119610512", TEXT, False),
        (Kind.UID, "1.2.826.0.1.99.1", "1.2.826.0.1.99.1", Where.UID, True),
        (Kind.UID, "1.2.826.0.1.99.1", "1.2.826.0.1.99.12", Where.UID, False),
        (Kind.UID, "1.2.826.0.1.99.1", "1.2.826.0.1.99.1.1", Where.UID, False),
        (Kind.UID, "1.2.826.0.1.99.1", "(1.2.826.0.1.99.1)", RAW, True),
        (Kind.UID, "1.2.3", "version 1.2.3", TEXT, False),
        (Kind.UID, "1.2.3", "1.2.3", Where.UID, True),
        (Kind.CONTACT, "01715556677", "0171 / 555 66 77", TEXT, True),
        (Kind.CONTACT, "Fliederweg 12", "FLIEDERWEG  12", TEXT, True),
    ],
)
def test_other_identifier(kind: Kind, identifier: str, text: str, where: Where, found: bool) -> None:
    assert finds({Identifier(kind, identifier, (identifier,))}, text, where) is found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("山田^太郎", b"..\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B.."),
        ("山田^太郎", "山田".encode("shift_jis")),
        ("김희중", b"\x1b$)C\xb1\xe8\xc8\xf1\xc1\xdf"),
        ("Διονυσιος", "Διονυσιος".encode("iso8859-7")),
        ("王^小东", "小东".encode("utf-16-le")),
    ],
)
def test_name_is_found_in_bytes_of_an_undeclared_repertoire(name: str, content: bytes) -> None:
    searcher = ByteSearcher(names_in(name))

    assert searcher.finds_any(b"\0\1" + content + b"\0")
    assert not searcher.finds_any(b"\0\1Zweistein\0")


def test_folding_makes_spellings_equal() -> None:
    assert fold("  ÁLBERTINE \t Łódź ") == "albertine lodz"


def test_representations_show_no_value() -> None:
    (name,) = names_in("Zweistein")

    assert "weistein" not in repr(name).casefold()


@settings(deadline=None)
@given(
    word=st.text("abcdefghijklmnopqrstuvwxyz", min_size=5, max_size=12).filter(lambda word: word not in CommonWords()),
    around=st.tuples(st.sampled_from(["", "1", " ^", "_", "(", "ä "]), st.sampled_from(["", "2", ",", "^", "_"])),
    upper=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_name_is_found_whatever_its_case_and_whatever_stands_around_it(
    word: str, around: tuple[str, str], upper: list[bool]
) -> None:
    written = "".join(letter.upper() if is_upper else letter for letter, is_upper in zip(word, upper, strict=False))
    name = {Identifier(Kind.NAME, word, (word,))}

    assert finds(name, around[0] + written + around[1], TEXT)
    assert not finds(name, f"{around[0]}x{written}{around[1]}", TEXT)
