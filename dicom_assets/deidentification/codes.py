"""Coded entries (PS3.3 clause 8) of structured content: which are known to say nothing about a person."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dicom_assets.deidentification.encoded import DataSet, Element
from dicom_assets.deidentification.values import DUMMY_TEXT

CODE_VALUE, LONG_CODE_VALUE = 0x00080100, 0x00080119
CODING_SCHEME_DESIGNATOR, CODING_SCHEME_VERSION, CODE_MEANING = 0x00080102, 0x00080103, 0x00080104

PUBLIC_SCHEMES = frozenset(
    scheme.casefold()
    for scheme in (
        *("ACR", "ASTM-sigpurpose", "BARI", "BI", "C4", "C5", "caDSR", "CD2", "CTCAE", "CVX", "DC", "DCM", "FMA"),
        *("HCPCS", "HPC", "I10", "I10C", "I10P", "I11", "I9", "I9C", "IBSI", "ICDO3", "IETF4646", "IMDRF", "IPTC"),
        *("ISO3166_1", "ISO5218_1", "ISO639_1", "ISO639_2", "ISO_OID", "ITIS_TSN", "LN", "MA", "MAYOASRG", "MDC"),
        *("MDNS", "MGI", "MSH", "NCDR", "NCIt", "NDC", "NEU", "NICIP", "O3", "POS", "PUBCHEM_CID", "RADELEMENT"),
        *("RADLEX", "RFC3066", "RFC5646", "RXNORM", "SCPECG", "SCT", "SDM", "SNM3", "SRT", "TNM", "UBERON", "UCUM"),
        *("UMLS", "UPC", "UNS", "99SDM"),
    )
)
"""Coding Scheme Designators of schemes that everybody shares (PS3.16 Table 8-1), in lower case."""

_PUBLIC_CODE = re.compile(r"[!-\[\]-~]{1,64}")
_LOCAL_SCHEME = re.compile(r"(99[A-Za-z0-9_.-]*|L)")
_LOCAL_CODE = re.compile(r"[A-Za-z0-9_.-]{1,16}")
_DUMMY_SCHEME = b"99DUMMY"


@dataclass(frozen=True, slots=True)
class Concept:
    """A code and its scheme, as encoded but without padding; both empty where there is none."""

    code: str = ""
    scheme: str = ""

    @property
    def public(self) -> bool:
        """Whether the scheme is everybody's and the code has the form of a code."""
        return self.scheme.casefold() in PUBLIC_SCHEMES and _PUBLIC_CODE.fullmatch(self.code) is not None


def concept_of(items: list[DataSet] | None) -> Concept:
    """What a code sequence says; a sequence has one item, and what a second one says is not asked for."""
    if not items:
        return Concept()
    code = items[0].value(CODE_VALUE) or items[0].value(LONG_CODE_VALUE)
    return Concept(_text(code), _text(items[0].value(CODING_SCHEME_DESIGNATOR)))


def clean_codes(items: list[DataSet], *, name: bool = False) -> list[DataSet]:
    """What may leave of a code sequence's items: of each that is public its code, scheme and meaning, else a dummy.

    The `name` of a content item keeps a local code, without which items can't be told apart, but not its meaning.
    What says where a code comes from (context group, mapping resource, equivalent codes) goes; none of it is required.
    """
    return [_clean_code(item, name=name) for item in items[:1]]


def _clean_code(item: DataSet, *, name: bool) -> DataSet:
    concept = concept_of([item])
    if concept.public:
        return _code_item(item, None)
    if name and _LOCAL_SCHEME.fullmatch(concept.scheme) and _LOCAL_CODE.fullmatch(concept.code):
        return _code_item(item, DUMMY_TEXT)
    return dummy_code()


def _code_item(item: DataSet, meaning: bytes | None) -> DataSet:
    # One of the two forms of the code stays, the one that was looked at.
    cleaned = DataSet(undefined=item.undefined)
    short = item.value(CODE_VALUE)
    if short:
        cleaned.put(Element(CODE_VALUE, "SH", short))
    cleaned.put(Element(CODING_SCHEME_DESIGNATOR, "SH", item.value(CODING_SCHEME_DESIGNATOR)))
    version = item.value(CODING_SCHEME_VERSION)
    if meaning is None and _LOCAL_CODE.fullmatch(_text(version)):
        cleaned.put(Element(CODING_SCHEME_VERSION, "SH", version))
    own = item.value(CODE_MEANING) if meaning is None else b""
    cleaned.put(Element(CODE_MEANING, "LO", own or DUMMY_TEXT, ours=not own))
    if not short:
        cleaned.put(Element(LONG_CODE_VALUE, "UC", item.value(LONG_CODE_VALUE)))
    return cleaned


def dummy_code() -> DataSet:
    """A coded entry that says nothing."""
    item = DataSet()
    item.put(Element(CODE_VALUE, "SH", DUMMY_TEXT, ours=True))
    item.put(Element(CODING_SCHEME_DESIGNATOR, "SH", _DUMMY_SCHEME, ours=True))
    item.put(Element(CODE_MEANING, "LO", DUMMY_TEXT, ours=True))
    return item


def _text(value: bytes) -> str:
    return value.strip(b" \0").decode("latin-1")
