"""Which file came from which, by content."""

from __future__ import annotations

from pathlib import Path

from dicom_assets.verification.pairing import Trait, pair_by_content


def a_trait(path: str, **changes: object) -> Trait:
    values: dict[str, object] = {
        "path": Path(path),
        "folder": Path(path).parent,
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "sop_instance_uid": path,
        "series_uid": path[:2],
        "pixel_digest": "",
        "lasting": ("1",),
    }
    return Trait(**{**values, **changes})  # type: ignore[arg-type]  # a builder with overrides


def pairs(sources: list[Trait], dests: list[Trait]) -> dict[str, str]:
    return {str(dest): str(source) for dest, source in pair_by_content(sources, dests).items()}


def test_pixels_pair_files_that_were_renamed_and_moved() -> None:
    sources = [a_trait("a/1", pixel_digest="x"), a_trait("a/2", pixel_digest="y")]
    dests = [a_trait("b/1", pixel_digest="y"), a_trait("c/1", pixel_digest="x")]

    assert pairs(sources, dests) == {"b/1": "a/2", "c/1": "a/1"}


def test_equal_pixels_are_told_apart_by_what_lasts_then_by_folder() -> None:
    sources = [a_trait("a/1"), a_trait("a/2", lasting=("2",)), a_trait("b/1")]
    dests = [a_trait("b/9"), a_trait("a/8", lasting=("2",)), a_trait("a/9")]

    assert pairs(sources, dests) == {"a/8": "a/2", "a/9": "a/1", "b/9": "b/1"}


def test_equal_files_are_told_apart_by_series_that_are_known_from_others() -> None:
    sources = [
        a_trait("x/1", series_uid="s", pixel_digest="p"),
        a_trait("x/2", series_uid="t", pixel_digest="q"),
        a_trait("x/3", series_uid="s"),
        a_trait("x/4", series_uid="t"),
    ]
    dests = [
        a_trait("y/1", series_uid="new t", pixel_digest="q"),
        a_trait("y/2", series_uid="new s", pixel_digest="p"),
        a_trait("y/3", series_uid="new t"),
        a_trait("y/4", series_uid="new s"),
    ]

    assert pairs(sources, dests) == {"y/1": "x/2", "y/2": "x/1", "y/3": "x/4", "y/4": "x/3"}


def test_files_that_nothing_tells_apart_are_left_unpaired() -> None:
    assert pairs([a_trait("a/1"), a_trait("a/2")], [a_trait("a/8"), a_trait("a/9")]) == {}
