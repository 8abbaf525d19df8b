"""Keyed derivation and the replacement of UIDs."""

from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_assets.deidentification.derivation import (
    UidReplacer,
    derive_date_offset_days,
    derive_hash,
    derive_pseudonym,
    derive_study_key,
)
from dicom_assets.errors import ConfigurationError
from dicom_assets_tests.deidentification.builders import SECRET

uids = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,8})){2,6}", fullmatch=True)


@given(uids)
@settings(deadline=None)
def test_a_derived_uid_is_valid_and_always_the_same(uid: str) -> None:
    replaced = UidReplacer(SECRET)(uid)
    assert re.fullmatch(r"2\.25\.(0|[1-9][0-9]{0,38})", replaced)
    assert replaced == UidReplacer(SECRET)(uid) != uid


@given(uids)
@settings(deadline=None)
def test_a_uid_under_a_configured_root_is_valid(uid: str) -> None:
    replaced = UidReplacer(SECRET, "1.2.826.0.1.3680043.10.9999")(uid)
    assert re.fullmatch(r"1\.2\.826\.0\.1\.3680043\.10\.9999\.(0|[1-9][0-9]*)", replaced)
    assert len(replaced) <= 64


def test_another_secret_gives_another_uid() -> None:
    assert UidReplacer(SECRET)("1.2.3") != UidReplacer(SECRET + b"!")("1.2.3")


def test_a_recorded_replacement_wins() -> None:
    assert UidReplacer(SECRET, recorded={"1.2.3": "9.8.7"})("1.2.3") == "9.8.7"


def test_every_uid_that_was_asked_for_is_remembered() -> None:
    replace = UidReplacer(SECRET, recorded={"1.2.3": "9.8.7"})
    assert replace.seen == {}
    assert replace("1.2.4") == replace.seen["1.2.4"]
    replace("1.2.3")
    assert set(replace.seen) == {"1.2.3", "1.2.4"}


def test_a_replacer_survives_pickling() -> None:
    replace = pickle.loads(pickle.dumps(UidReplacer(SECRET, recorded={"1.2.3": "9.8.7"})))
    assert (replace("1.2.3"), replace("1.2.4")) == ("9.8.7", UidReplacer(SECRET)("1.2.4"))


def test_the_repr_of_a_replacer_shows_neither_secret_nor_originals() -> None:
    replace = UidReplacer(SECRET, recorded={"1.2.3": "9.8.7"})
    replace("1.2.4")
    assert repr(replace) == "UidReplacer(recorded=1, seen=1)"


@pytest.mark.parametrize("root", ["", "1", "3.1", "1.02", "1..2", "1.2.", "a.b", "1." + "2" * 40])
def test_an_unusable_root_is_refused(root: str) -> None:
    with pytest.raises(ConfigurationError, match="UID root"):
        UidReplacer(SECRET, root)


def test_a_short_secret_is_refused_everywhere() -> None:
    with pytest.raises(ConfigurationError, match="15 bytes"):
        UidReplacer(b"x" * 15)
    with pytest.raises(ConfigurationError):
        derive_study_key(b"", "1.2.3")
    with pytest.raises(ConfigurationError):
        derive_pseudonym(b"x" * 15, "", "1")
    with pytest.raises(ConfigurationError):
        derive_date_offset_days(b"x" * 15, "", "1")


@given(st.text(), st.text(), st.integers(0, 5))
@settings(deadline=None)
def test_keys_and_pseudonyms_have_their_form(issuer: str, patient_id: str, attempt: int) -> None:
    assert re.fullmatch("P[0-9A-HJKMNP-TV-Z]{10}", derive_pseudonym(SECRET, issuer, patient_id, attempt))
    assert re.fullmatch("S[0-9A-HJKMNP-TV-Z]{12}", derive_study_key(SECRET, patient_id, attempt))
    assert -3650 <= derive_date_offset_days(SECRET, issuer, patient_id) <= -1


def test_another_attempt_gives_another_result() -> None:
    assert len({derive_pseudonym(SECRET, "", "1", attempt) for attempt in range(10)}) == 10
    assert len({derive_study_key(SECRET, "1.2", attempt) for attempt in range(10)}) == 10


def test_issuer_and_id_do_not_run_into_each_other() -> None:
    assert derive_pseudonym(SECRET, "A", "BC") != derive_pseudonym(SECRET, "AB", "C")


def test_uses_are_separated() -> None:
    assert derive_study_key(SECRET, "1")[1:11] != derive_pseudonym(SECRET, "", "1")[1:]


@given(st.text())
@settings(deadline=None)
def test_a_hash_fits_every_vr_of_text_and_is_not_remembered(text: str) -> None:
    replace = UidReplacer(SECRET)
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{16}", replace.hash_text(text))
    assert replace.hash_text(text) == derive_hash(SECRET, text) != derive_hash(SECRET + b"!", text)
    assert replace.seen == {}


def test_derivation_never_changes() -> None:
    assert UidReplacer(b"0123456789abcdef")("1.2.3") == "2.25.338326801801224977674506275827848189667"
    assert derive_study_key(b"0123456789abcdef", "1.2.3") == "SRQETSP8V66ZK"
    assert derive_pseudonym(b"0123456789abcdef", "issuer", "id") == "PANZQMHFMQC"
    assert derive_date_offset_days(b"0123456789abcdef", "issuer", "id") == -2038
    assert derive_hash(b"0123456789abcdef", "STATION1") == "HH02JXDN5JX6GXCW"
    assert derive_hash(b"0123456789abcdef", "Müller") == "KCXD4E5J9FV31FVA"
