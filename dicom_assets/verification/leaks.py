"""Are identifiers of the source left in a de-identified file?"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator

from dicom_assets.verification.bytes_of_names import ByteSearcher
from dicom_assets.verification.identifiers import BIRTH_DATES, Identifier, Kind
from dicom_assets.verification.method import RETAIN_DEVICE_IDENTITY, RETAIN_UIDS, method_codes
from dicom_assets.verification.reading import (
    PIXEL_TAGS,
    PREAMBLE_BYTES,
    Element,
    Instance,
    elements_of,
    place_of,
    values_of,
)
from dicom_assets.verification.search import Searcher, Where

FIRST_OF_JANUARY = "0101"

_TEXT_VRS = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_IDENTITY_GROUPS = frozenset({0x0010, 0x0012, 0x0038})
_IDENTITY_TAGS = frozenset({0x00080050, 0x00200010})
_CODE_VRS = frozenset({"AS", "CS"})
_LATIN_RUNS = re.compile(rb"[\x20-\x7e\xa0-\xff]{4,}")
_UTF_8_RUNS = re.compile(rb"[\x20-\x7e\x80-\xf4]{4,}")
_UTF_16_RUNS = re.compile(rb"(?:[\x20-\x7e\xa0-\xff]\0){4,}|(?:\0[\x20-\x7e\xa0-\xff]){4,}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_RETAINED_BY = {Kind.UID: {RETAIN_UIDS}, Kind.DEVICE_UID: {RETAIN_UIDS, RETAIN_DEVICE_IDENTITY}}
_RULES = {kind: f"{kind} of the source" for kind in Kind}

Find = Callable[[str, str], None]
"""Takes a rule and a place."""


class LeakSearch:
    """Searches de-identified files for the identifiers of a source folder."""

    def __init__(self, identifiers: Iterable[Identifier], common: Container[str]) -> None:
        found = frozenset(identifiers)
        self._texts = Searcher(found, common)
        self._bytes = ByteSearcher(found)

    def in_path(self, parts: Iterable[str]) -> bool:
        """Whether a path, given by its parts, holds an identifier."""
        return bool(self._texts.find("\\".join(parts), Where.PATH))

    def in_instance(self, dest: Instance, find: Find) -> None:
        """Search values at every depth, then the bytes around and between them."""
        codes = method_codes(dest.ds)
        ignored = {kind for kind, options in _RETAINED_BY.items() if options & codes}
        found: set[Kind] = set()
        for element in elements_of(dest.ds):
            for kind in self._in_element(element) - ignored:
                found.add(kind)
                find(_RULES[kind], place_of(element.path))
        self._in_bytes(dest.header[:PREAMBLE_BYTES], "preamble", found | ignored, find)
        self._in_bytes(dest.header, "bytes between the values", found | ignored, find)

    def in_other_file(self, content: bytes, find: Find) -> None:
        """Search a file that is no DICOM file."""
        self._in_bytes(content, "bytes of the file", set(), find)

    def _in_element(self, element: Element) -> set[Kind]:
        if element.tag in PIXEL_TAGS and len(element.path) == 1:
            return set()
        return {kind for text, where in _texts_of(element) for kind in self._texts.find(text, where)}

    def _in_bytes(self, content: bytes, place: str, known: set[Kind], find: Find) -> None:
        kinds = {kind for text in _texts_in(content) for kind in self._texts.find(text, Where.RAW)}
        if self._bytes.finds_any(content):
            kinds.add(Kind.NAME)
        for kind in sorted(kinds - known):
            known.add(kind)
            find(_RULES[kind], place)


def check_birth_date(born: str, dest: Instance, find: Find) -> None:
    """Find a birth date (YYYYMMDD) as the value of another date; not one of 1 January, which stands for a year."""
    if born.endswith(FIRST_OF_JANUARY):
        return
    for element in elements_of(dest.ds):
        is_date = element.vr in ("DA", "DT") and element.tag not in BIRTH_DATES
        if is_date and any(re.sub(r"[.-]", "", str(value))[:8] == born for value in values_of(element)):
            find(_RULES[Kind.BIRTH_DATE], place_of(element.path))


def _texts_of(element: Element) -> Iterator[tuple[str, Where]]:
    tells_who = element.vr == "PN" or element.tag >> 16 in _IDENTITY_GROUPS or element.tag in _IDENTITY_TAGS
    text_place = Where.IDENTITY if tells_who else Where.TEXT
    for value in values_of(element):
        if isinstance(value, bytes):
            if element.vr == "UN":
                yield _CONTROLS.sub(r"\\", value.decode("latin-1")), Where.TEXT
            yield from ((text, Where.RAW) for text in _texts_in(value))
        elif element.vr in _TEXT_VRS or element.vr == "UN":
            yield str(value), text_place
        elif element.vr in _CODE_VRS:
            yield str(value), Where.CODE
        elif element.vr == "UI":
            yield str(value).strip(" \0"), Where.UID


def _texts_in(content: bytes) -> Iterator[str]:
    yield "\0".join(run.decode("latin-1") for run in _LATIN_RUNS.findall(content))
    yield "\0".join(run.decode("utf-8", "ignore") for run in _UTF_8_RUNS.findall(content) if not run.isascii())
    yield "\0".join(run.replace(b"\0", b"").decode("latin-1") for run in _UTF_16_RUNS.findall(content))
