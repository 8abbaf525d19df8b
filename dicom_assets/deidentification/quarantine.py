"""Which instances are kept back, whatever their attributes' rules (first rule that applies wins)."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_assets.deidentification.conditions import holds, parse_condition
from dicom_assets.deidentification.encoded import DataSet
from dicom_assets.deidentification.header import Header
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.deidentification.text import text_of
from dicom_assets.study import QuarantineReason as Reason

MODALITY = 0x00080060
SOP_CLASS_UID = 0x00080016
PATIENT_PROTOCOL = "patient protocol"

ENCAPSULATED_DOCUMENT_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.104.{number}" for number in range(1, 6))
"""PDF, CDA, STL, OBJ, MTL (PS3.4 B.5): documents whose inside no rule of the table reaches."""

SECONDARY_CAPTURE_CLASSES = frozenset(
    {"1.2.840.10008.5.1.4.1.1.7", *(f"1.2.840.10008.5.1.4.1.1.7.{number}" for number in range(1, 5))}
)
"""Single and multi-frame (PS3.4 B.5): pictures of a screen or of paper, with whatever stood on it."""


@dataclass(frozen=True, slots=True)
class QuarantineRule:
    """Keeps back the instances that meet the condition `when` (see `conditions`)."""

    name: str
    when: str


@dataclass(frozen=True, slots=True)
class QuarantineRules:
    """Which instances are kept back. `suspect_*` are lower case parts of Manufacturer and of model names.

    Where `allowed_sop_classes` names any, those of other classes are kept back; those of `refused_sop_classes` always.
    """

    patient_protocol: bool = True
    screen_save: bool = True
    burned_in_annotation: bool = True
    encapsulated_documents: bool = True
    secondary_capture: bool = True
    suspect_manufacturers: tuple[str, ...] = ()
    suspect_models: tuple[str, ...] = ()
    allowed_sop_classes: tuple[str, ...] = ()
    refused_sop_classes: tuple[str, ...] = ()
    rules: tuple[QuarantineRule, ...] = ()


def normal_text(data_set: DataSet, tag: int) -> str:
    """Text in lower case, runs of spaces made one."""
    return " ".join(text_of(data_set, tag).casefold().split())


def is_patient_protocol(data_set: DataSet) -> bool:
    """Whether Series Description speaks of a patient protocol: a page of text about the patient."""
    return PATIENT_PROTOCOL in normal_text(data_set, 0x0008103E)


def refuse_by_rules(header: Header, rules: QuarantineRules, allowed_modalities: frozenset[str]) -> None:
    """Let the instance pass.

    Raises:
        RefusedError: a rule keeps it back.
    """
    data_set = header.data_set
    description = normal_text(data_set, 0x0008103E)
    if rules.patient_protocol and PATIENT_PROTOCOL in description:
        how = "exact" if description == PATIENT_PROTOCOL else "contained"
        raise RefusedError(Reason.PATIENT_PROTOCOL, f"(0008,103E) {how}")
    if rules.screen_save:
        for tag, name in ((0x0008103E, "(0008,103E)"), (0x00080008, "(0008,0008)")):
            if "save" in normal_text(data_set, tag):
                raise RefusedError(Reason.SCREEN_SAVE, name)
    if rules.burned_in_annotation and normal_text(data_set, 0x00280301) not in {"", "no"}:
        raise RefusedError(Reason.BURNED_IN_ANNOTATION, "(0028,0301) is not NO")
    _refuse_suspects(data_set, 0x00080070, "(0008,0070)", rules.suspect_manufacturers)
    _refuse_suspects(data_set, 0x00081090, "(0008,1090)", rules.suspect_models)
    if rules.encapsulated_documents and 0x00420011 in data_set.elements:
        raise RefusedError(Reason.ENCAPSULATED_DOCUMENT, "(0042,0011)")
    _refuse_sop_class(text_of(data_set, SOP_CLASS_UID), rules)
    for rule in rules.rules:
        if holds(parse_condition(rule.when), header):
            raise RefusedError(Reason.QUARANTINE_RULE, f"rule {rule.name}")
    _refuse_modality(text_of(data_set, MODALITY).upper(), allowed_modalities)


def _refuse_suspects(data_set: DataSet, tag: int, name: str, suspects: tuple[str, ...]) -> None:
    value = normal_text(data_set, tag)
    for number, suspect in enumerate(suspects, start=1):
        if suspect in value:
            raise RefusedError(Reason.SUSPECT_DEVICE, f"{name}, entry {number} of the profile's list")


def _refuse_sop_class(sop_class_uid: str, rules: QuarantineRules) -> None:
    if rules.encapsulated_documents and sop_class_uid in ENCAPSULATED_DOCUMENT_CLASSES:
        raise RefusedError(Reason.ENCAPSULATED_DOCUMENT, "(0008,0016)")
    if rules.secondary_capture and sop_class_uid in SECONDARY_CAPTURE_CLASSES:
        raise RefusedError(Reason.SECONDARY_CAPTURE, "(0008,0016)")
    others = rules.allowed_sop_classes and sop_class_uid not in rules.allowed_sop_classes
    if others or sop_class_uid in rules.refused_sop_classes:
        raise RefusedError(Reason.SOP_CLASS_NOT_ALLOWED, "(0008,0016)")


def _refuse_modality(modality: str, allowed_modalities: frozenset[str]) -> None:
    if not modality:
        raise RefusedError(Reason.MODALITY_MISSING, "(0008,0060)")
    if modality not in allowed_modalities:
        raise RefusedError(Reason.MODALITY_NOT_ALLOWED, "(0008,0060)")
