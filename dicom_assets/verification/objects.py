"""Is a de-identified file the same object as its source: class, encoding, pixels, and a sound file?"""

from __future__ import annotations

from collections.abc import Callable

from dicom_assets.verification.method import CLEAN_PIXEL_DATA, method_codes
from dicom_assets.verification.reading import Instance

Find = Callable[[str, str], None]
"""Takes a rule and a place."""


def check_file(dest: Instance, find: Find) -> None:
    """Check the file by itself: its meta information must say what its data set is (PS3.10 7.1)."""
    meta = dest.ds.file_meta
    for keyword, own, place in (
        ("MediaStorageSOPInstanceUID", "SOPInstanceUID", "(0002,0003)"),
        ("MediaStorageSOPClassUID", "SOPClassUID", "(0002,0002)"),
    ):
        if str(meta.get(keyword, "")).strip(" \0") != dest.text(own):
            find(f"{keyword} is not {own}", f"{place} {keyword}")
    if not dest.transfer_syntax:
        find("no transfer syntax", "(0002,0010) TransferSyntaxUID")
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not dest.text(keyword):
            find(f"{keyword} is missing", "")


def check_pair(source: Instance, dest: Instance, find: Find, note: Callable[[str], None]) -> None:
    """Compare class, encoding and pixels; the latter two may change where the method says that pixels were cleaned."""
    is_cleaned = CLEAN_PIXEL_DATA in method_codes(dest.ds)
    if source.text("SOPClassUID") != dest.text("SOPClassUID"):
        find("another SOP class than its source", "(0008,0016) SOPClassUID")
    if source.transfer_syntax and source.transfer_syntax != dest.transfer_syntax:
        if is_cleaned:
            note("files with another transfer syntax, pixels cleaned")
        else:
            find("another transfer syntax than its source", "(0002,0010) TransferSyntaxUID")
    if source.pixel_digest == dest.pixel_digest:
        return
    if not dest.pixel_digest or not source.pixel_digest:
        find("pixels in one of source and destination only", "(7FE0,0010) PixelData")
    elif is_cleaned:
        note("files with other pixels, pixels cleaned")
    else:
        find("other pixels than its source, and no method code says that they were cleaned", "(7FE0,0010) PixelData")
