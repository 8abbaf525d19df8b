"""Matching and answering of queries at the four levels (PS3.4 C.2.2.2 and C.4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from dicom_assets.demo.pacs_index import (
    CHARACTER_SET,
    PATIENT_ID,
    SERIES_UID,
    SOP_CLASS_UID,
    SOP_UID,
    STUDY_UID,
    TEXT_VRS,
    Entry,
    decode_text,
    query_encodings,
    vr_of,
)

LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
UNIQUE_KEYS = dict(zip(LEVELS, (PATIENT_ID, STUDY_UID, SERIES_UID, SOP_UID), strict=True))
LEVEL = Tag("QueryRetrieveLevel")
MODALITY = Tag("Modality")
MODALITIES_IN_STUDY = Tag("ModalitiesInStudy")
RETRIEVE_AE_TITLE = Tag("RetrieveAETitle")
NOT_KEYS = frozenset(
    {LEVEL, CHARACTER_SET, RETRIEVE_AE_TITLE, Tag("InstanceAvailability"), Tag("TimezoneOffsetFromUTC")}
)
DATE_VRS = frozenset({"DA", "TM", "DT"})
WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})

COUNTS: dict[BaseTag, tuple[BaseTag, BaseTag]] = {
    Tag(keyword): (group, counted)
    for keyword, group, counted in (
        ("NumberOfPatientRelatedStudies", PATIENT_ID, STUDY_UID),
        ("NumberOfPatientRelatedSeries", PATIENT_ID, SERIES_UID),
        ("NumberOfPatientRelatedInstances", PATIENT_ID, SOP_UID),
        ("NumberOfStudyRelatedSeries", STUDY_UID, SERIES_UID),
        ("NumberOfStudyRelatedInstances", STUDY_UID, SOP_UID),
        ("NumberOfSeriesRelatedInstances", SERIES_UID, SOP_UID),
    )
}
LISTS: dict[BaseTag, BaseTag] = {MODALITIES_IN_STUDY: MODALITY, Tag("SOPClassesInStudy"): SOP_CLASS_UID}


class InvalidQueryError(ValueError):
    """The identifier does not fit the information model; the status is 0xA900."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query or retrieve identifier: its level and its keys with their VRs and texts. *Identified*."""

    level: str
    keys: dict[BaseTag, tuple[str, str]] = field(repr=False)

    @classmethod
    def from_identifier(cls, identifier: Dataset, levels: Iterable[str]) -> Query:
        """Read an identifier without decoding values, so that wildcards and ranges raise no warning.

        Raises:
            InvalidQueryError: no level, or one that the information model does not have.
        """
        encodings = query_encodings(identifier)
        keys = {tag: _key(identifier.get_item(tag), encodings) for tag in list(identifier.keys())}
        level = keys.get(LEVEL, ("CS", ""))[1]
        if level not in levels:
            raise InvalidQueryError
        return cls(level, keys)


def _key(element: RawDataElement | DataElement, encodings: list[str]) -> tuple[str, str]:
    if not isinstance(element, RawDataElement):
        # pydicom decodes sequences at once, and in implicit VR whatever is empty.
        return element.VR, ""
    vr = vr_of(element)
    return vr, decode_text(vr, element.value or b"", encodings) if vr in TEXT_VRS else ""


def find(query: Query, entries: Iterable[Entry], ae_title: str) -> Iterator[dict[BaseTag, tuple[str, str]]]:
    """Answers to a C-FIND, one for each patient, study, series or instance with a match."""
    everything = tuple(entries)
    matchers = tuple(_matchers(query))
    key = UNIQUE_KEYS[query.level]
    matches: dict[str, Entry] = {}
    for entry in everything:
        if all(matcher(entry) for matcher in matchers):
            matches.setdefault(entry.text(key), entry)
    related = _related(everything)
    for match in matches.values():
        if _has_modality(query, match, related):
            yield _answer(query, match, related, ae_title)


def select(query: Query, entries: Iterable[Entry]) -> list[Entry]:
    """The instances that a C-MOVE or C-GET asks for: unique keys alone, single values or lists.

    Raises:
        InvalidQueryError: the unique key of the level is missing.
    """
    if not query.keys.get(UNIQUE_KEYS[query.level], ("", ""))[1]:
        raise InvalidQueryError
    wanted = {
        tag: frozenset(query.keys[tag][1].split("\\"))
        for tag in UNIQUE_KEYS.values()
        if query.keys.get(tag, ("", ""))[1]
    }
    return [entry for entry in entries if all(entry.text(tag) in values for tag, values in wanted.items())]


def response(answer: dict[BaseTag, tuple[str, str]], implicit_vr: bool) -> Dataset:
    """An answer as a data set in UTF-8, made of encoded values so that nothing validates or warns."""
    ds = Dataset()
    if any(not text.isascii() for _, text in answer.values()):
        answer = {**answer, CHARACTER_SET: ("CS", "ISO_IR 192")}
    for tag, (vr, text) in answer.items():
        value = _encode(vr, text)
        ds[tag] = RawDataElement(tag, vr, len(value), value, 0, implicit_vr, True)
    ds.set_original_encoding(implicit_vr, True, ds._character_set)
    return ds


def _encode(vr: str, text: str) -> bytes:
    if vr == "US":
        return int(text).to_bytes(2, "little") if text else b""
    if vr not in TEXT_VRS:
        return b""
    value = text.encode()
    return value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)


def _matchers(query: Query) -> Iterator[Callable[[Entry], bool]]:
    for tag, (vr, text) in query.keys.items():
        if tag in NOT_KEYS or tag in COUNTS or tag in LISTS or not text or set(text) == {"*"}:
            continue
        yield _matcher(tag, vr, text)


def _matcher(tag: BaseTag, vr: str, text: str) -> Callable[[Entry], bool]:
    """How one key is matched: list of UIDs, range, wildcard or single value."""
    if vr == "UI":
        uids = frozenset(text.split("\\"))
        return lambda entry: entry.text(tag) in uids
    if vr in DATE_VRS and "-" in text:
        return lambda entry: _in_range(entry.text(tag), text, vr)
    if vr in WILDCARD_VRS:
        pattern = _pattern(text, vr)
        return lambda entry: any(pattern.fullmatch(value) is not None for value in entry.text(tag).split("\\"))
    return lambda entry: text in entry.text(tag).split("\\")


def _pattern(text: str, vr: str) -> re.Pattern[str]:
    alternatives = (
        "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in value) for value in text.split("\\")
    )
    # PS3.4 C.2.2.2.1 lets names match without regard to case, and people expect it of a PACS.
    return re.compile("|".join(alternatives), (re.IGNORECASE if vr == "PN" else 0) | re.DOTALL)


def _in_range(value: str, text: str, vr: str) -> bool:
    first, _, last = (part.strip().replace(":", "") for part in text.partition("-"))
    value = value.replace(":", "") if vr == "TM" else value.replace(".", "") if vr == "DA" else value
    # A bound that is less precise stands for all that begins with it: 10 as a last hour takes 1059 in.
    return bool(value) and value >= first and (not last or value[: len(last)] <= last)


Related = dict[tuple[BaseTag, str], list[Entry]]


def _related(entries: Iterable[Entry]) -> Related:
    groups: Related = {}
    for entry in entries:
        for tag in (PATIENT_ID, STUDY_UID, SERIES_UID):
            groups.setdefault((tag, entry.text(tag)), []).append(entry)
    return groups


def _has_modality(query: Query, match: Entry, related: Related) -> bool:
    wanted = query.keys.get(MODALITIES_IN_STUDY, ("CS", ""))[1]
    if not wanted:
        return True
    pattern = _pattern(wanted, "CS")
    return any(pattern.fullmatch(entry.text(MODALITY)) for entry in related[STUDY_UID, match.text(STUDY_UID)])


def _answer(query: Query, match: Entry, related: Related, ae_title: str) -> dict[BaseTag, tuple[str, str]]:
    answer: dict[BaseTag, tuple[str, str]] = {}
    for tag, (vr, _) in query.keys.items():
        if tag in COUNTS:
            group, counted = COUNTS[tag]
            answer[tag] = ("IS", str(len({entry.text(counted) for entry in related[group, match.text(group)]})))
        elif tag in LISTS:
            values = {entry.text(LISTS[tag]) for entry in related[STUDY_UID, match.text(STUDY_UID)]}
            answer[tag] = (vr, "\\".join(sorted(values)))
        elif tag != CHARACTER_SET:
            answer[tag] = match.values.get(tag, (vr, ""))
    answer[LEVEL] = ("CS", query.level)
    answer[RETRIEVE_AE_TITLE] = ("AE", ae_title)
    answer[UNIQUE_KEYS[query.level]] = (
        "LO" if query.level == "PATIENT" else "UI",
        match.text(UNIQUE_KEYS[query.level]),
    )
    if query.level == "IMAGE":
        answer[SOP_CLASS_UID] = ("UI", match.text(SOP_CLASS_UID))
    return answer
