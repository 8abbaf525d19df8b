"""Profiles: what is read, what is refused and what the message says."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from dicom_assets.deidentification import profile
from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.options import SUPPORTED, Option
from dicom_assets.deidentification.profile import load_profile, parse_profile, shipped_profile
from dicom_assets.errors import ProfileError
from dicom_assets_tests.deidentification.builders import BASIC, profile_with

HEAD = "name: mine\nversion: '1'\n"


def test_the_basic_profile_ships() -> None:
    assert (BASIC.name, BASIC.options, BASIC.unlisted) == ("basic", frozenset(), Action.KEEP)
    assert "pacsgear" in BASIC.quarantine.suspect_manufacturers


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + "unlisted: empty\nquarantine:\n  screen_save: false\n  suspect_models: [Scan  Box]\n")
    profile = load_profile(path)
    assert profile.unlisted is Action.EMPTY
    assert not profile.quarantine.screen_save
    assert profile.quarantine.burned_in_annotation
    assert profile.quarantine.suspect_models == ("scan box",)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"absent\.yaml: can't be read"):
        load_profile(tmp_path / "absent.yaml")


@pytest.mark.parametrize("name", ["absent", "../basic", ""])
def test_an_unknown_shipped_profile_is_refused(name: str) -> None:
    with pytest.raises(ProfileError):
        shipped_profile(name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"p.yaml, line 1: the profile is empty"),
        ("- a\n", r"p.yaml, line 1: the profile must hold fields"),
        ("name: [\n", r"p.yaml, line 2: not valid YAML"),
        ("name: mine\n", r"p.yaml, line 1: version is missing"),
        (HEAD + "colour: red\n", r"p.yaml, line 3: colour is not a field of a profile"),
        (HEAD + "name: again\n", r"p.yaml, line 3: name is given twice"),
        (HEAD + "unlisted: dance\n", r"p.yaml, line 3: unlisted must be one of keep, empty, remove"),
        (HEAD + "options: none\n", r"p.yaml, line 3: options must be a list"),
        (
            HEAD + "options:\n  - Retain Everything\n",
            r"p.yaml, line 4: options names an option that PS3.15 E.3 does not",
        ),
        (HEAD + "quarantine: true\n", r"p.yaml, line 3: quarantine must hold fields"),
        (HEAD + "quarantine:\n  screen_save: 3\n", r"p.yaml, line 4: quarantine.screen_save must be true or false"),
        (HEAD + "quarantine:\n  saves: true\n", r"p.yaml, line 4: quarantine.saves is not a field"),
        (HEAD + "quarantine:\n  suspect_models: ['']\n", r"line 4: quarantine.suspect_models holds an empty text"),
        ("name: 'a b'\nversion: '1'\n", r"line 1: name must be 1 to 16 letters"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(content: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        parse_profile(content, "p.yaml")


@pytest.mark.parametrize("option", [option for option in Option if option not in SUPPORTED])
def test_an_option_that_is_not_carried_out_is_refused(option: Option) -> None:
    with pytest.raises(ProfileError, match=r"line 4: options .* is not carried out by this engine"):
        parse_profile(f"{HEAD}options:\n  - {option}\n", "p.yaml")


@pytest.mark.parametrize("option", sorted(SUPPORTED))
def test_an_option_that_is_carried_out_is_read(option: Option) -> None:
    section = "pixels: {ultrasound_regions: require}\n" if option is Option.CLEAN_PIXEL_DATA else ""
    assert parse_profile(f"{HEAD}{section}options:\n  - {option}\n", "p.yaml").options == {option}


MODIFIED = f"options:\n  - {Option.RETAIN_MODIFIED_DATES}\n"


def test_an_epoch_is_read_and_changes_the_fingerprint() -> None:
    profile = parse_profile(f"{HEAD}{MODIFIED}dates:\n  epoch: 1970-01-01\n", "p.yaml")
    assert profile.epoch == date(1970, 1, 1)
    assert profile.fingerprint != parse_profile(HEAD + MODIFIED, "p.yaml").fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            f"{MODIFIED}  - {Option.RETAIN_FULL_DATES}\n",
            r"p.yaml, line 5: options has both Full Dates and Modified Dates",
        ),
        ("dates:\n  epoch: 1970-01-01\n", r"p.yaml, line 4: dates.epoch goes only with the option"),
        (MODIFIED + "dates:\n  epoch: 1970-02-30\n", r"p.yaml, line 6: dates.epoch is not a day of the calendar"),
        (MODIFIED + "dates:\n  epoch: soon\n", r"p.yaml, line 6: dates.epoch must be a day, written YYYY-MM-DD"),
        (MODIFIED + "dates:\n  epoch: 1970-01-01\n  zone: utc\n", r"p.yaml, line 7: dates.zone is not a field"),
        (MODIFIED + "dates: {}\n", r"p.yaml, line 5: dates.epoch is missing"),
    ],
)
def test_a_mistake_about_dates_is_named_by_line_and_field(content: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        parse_profile(HEAD + content, "p.yaml")


def test_the_fingerprint_changes_with_every_setting() -> None:
    changed = [
        profile_with(version="2"),
        profile_with(unlisted=Action.REMOVE),
        profile_with(options=frozenset({Option.RETAIN_UIDS})),
        parse_profile(HEAD + "quarantine:\n  screen_save: false\n", "p.yaml"),
        parse_profile(HEAD, "p.yaml"),
    ]
    assert len({BASIC.fingerprint, *(profile.fingerprint for profile in changed)}) == 6
    assert BASIC.fingerprint == shipped_profile("basic").fingerprint


def test_the_seed_profile_ships_and_takes_the_old_white_lists(tmp_path: Path) -> None:
    seed = shipped_profile("seed")
    assert (seed.options, seed.unlisted) == (frozenset({Option.CLEAN_DESCRIPTORS}), Action.CLEAN)
    assert seed.quarantine.suspect_models == ("the dicom box",)

    (tmp_path / "white_list.json").write_text('{"0008,1030": ["WRIST^RIGHT"], "0008,103E": ["ST HEAD"]}')
    source = Path(profile.__file__).with_name("profiles") / "seed.yaml"
    commented = source.read_text()
    path = tmp_path / "seed.yaml"
    path.write_text(commented.replace("# white_lists:\n#   - file:", "white_lists:\n  - file:"))
    assert [listed.values for listed in load_profile(path).white_lists] == [("wrist^right",), ("st head",)]


def test_the_research_profile_ships() -> None:
    research = shipped_profile("research")
    assert research.options == {
        Option.RETAIN_MODIFIED_DATES,
        Option.RETAIN_PATIENT_CHARACTERISTICS,
        Option.CLEAN_DESCRIPTORS,
        Option.RETAIN_SAFE_PRIVATE,
        Option.CLEAN_GRAPHICS,
        Option.CLEAN_STRUCTURED_CONTENT,
    }
    assert (research.unlisted, research.white_lists, research.overrides) == (Action.KEEP, (), ())
    assert research.quarantine == BASIC.quarantine
