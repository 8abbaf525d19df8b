"""Which instances are kept back, whatever their attributes' rules (first rule that applies wins)."""

from __future__ import annotations

from dicom_assets.deidentification.encoded import DataSet
from dicom_assets.deidentification.outcome import RefusedError
from dicom_assets.deidentification.profile import QuarantineRules
from dicom_assets.deidentification.text import text_of
from dicom_assets.study import QuarantineReason as Reason

MODALITY = 0x00080060
PATIENT_PROTOCOL = "patient protocol"

ENCAPSULATED_DOCUMENT_CLASSES = frozenset(f"1.2.840.10008.5.1.4.1.1.104.{number}" for number in range(1, 6))
"""PDF, CDA, STL, OBJ, MTL (PS3.4 B.5): documents whose inside no rule of the table reaches."""


def normal_text(data_set: DataSet, tag: int) -> str:
    """Text in lower case, runs of spaces made one."""
    return " ".join(text_of(data_set, tag).casefold().split())


def is_patient_protocol(data_set: DataSet) -> bool:
    """Whether Series Description speaks of a patient protocol: a page of text about the patient."""
    return PATIENT_PROTOCOL in normal_text(data_set, 0x0008103E)


def refuse_by_rules(data_set: DataSet, rules: QuarantineRules, allowed_modalities: frozenset[str]) -> None:
    """Let the instance pass.

    Raises:
        RefusedError: a rule keeps it back.
    """
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
    if rules.encapsulated_documents:
        _refuse_documents(data_set)
    _refuse_modality(text_of(data_set, MODALITY).upper(), allowed_modalities)


def _refuse_suspects(data_set: DataSet, tag: int, name: str, suspects: tuple[str, ...]) -> None:
    value = normal_text(data_set, tag)
    for number, suspect in enumerate(suspects, start=1):
        if suspect in value:
            raise RefusedError(Reason.SUSPECT_DEVICE, f"{name}, entry {number} of the profile's list")


def _refuse_documents(data_set: DataSet) -> None:
    if text_of(data_set, 0x00080016) in ENCAPSULATED_DOCUMENT_CLASSES:
        raise RefusedError(Reason.ENCAPSULATED_DOCUMENT, "(0008,0016)")
    if 0x00420011 in data_set.elements:
        raise RefusedError(Reason.ENCAPSULATED_DOCUMENT, "(0042,0011)")


def _refuse_modality(modality: str, allowed_modalities: frozenset[str]) -> None:
    if not modality:
        raise RefusedError(Reason.MODALITY_MISSING, "(0008,0060)")
    if modality not in allowed_modalities:
        raise RefusedError(Reason.MODALITY_NOT_ALLOWED, "(0008,0060)")
