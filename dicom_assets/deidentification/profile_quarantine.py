"""The field `quarantine` of a profile."""

from __future__ import annotations

from dicom_assets.deidentification.conditions import ConditionError, parse_condition
from dicom_assets.deidentification.profile_fields import ANY_TEXT, RULE_NAME, Fields
from dicom_assets.deidentification.quarantine import QuarantineRule, QuarantineRules
from dicom_assets.deidentification.sop_classes import sop_class_of


def parse_quarantine(fields: Fields) -> QuarantineRules:
    """Read which instances are kept back; the defaults where the profile says nothing.

    Raises:
        ProfileError: names file, line and field.
    """
    inner = fields.section("quarantine")
    if inner is None:
        return QuarantineRules()
    rules = QuarantineRules(
        patient_protocol=inner.flag("patient_protocol"),
        screen_save=inner.flag("screen_save"),
        burned_in_annotation=inner.flag("burned_in_annotation"),
        encapsulated_documents=inner.flag("encapsulated_documents"),
        secondary_capture=inner.flag("secondary_capture"),
        suspect_manufacturers=_name_parts(inner, "suspect_manufacturers"),
        suspect_models=_name_parts(inner, "suspect_models"),
        allowed_sop_classes=_sop_classes(inner, "allowed_sop_classes"),
        refused_sop_classes=_sop_classes(inner, "refused_sop_classes"),
        rules=tuple(_rule(one) for one in inner.sections("rules")),
    )
    inner.refuse_others()
    return rules


def _name_parts(fields: Fields, name: str) -> tuple[str, ...]:
    found = tuple(" ".join(text.casefold().split()) for text, _ in fields.texts(name))
    if "" in found:
        raise fields.error(name, "holds an empty text, which every name contains")
    return found


def _sop_classes(fields: Fields, name: str) -> tuple[str, ...]:
    return tuple(sop_class_of(fields, name, text, node) for text, node in fields.texts(name))


def _rule(fields: Fields) -> QuarantineRule:
    name = fields.text("name", RULE_NAME, "1 to 64 letters, digits, dots, dashes or underscores")
    rule = QuarantineRule(name, condition_of(fields))
    fields.refuse_others()
    return rule


def condition_of(fields: Fields) -> str:
    """The field `when`, a condition that can be read.

    Raises:
        ProfileError: names file, line and field.
    """
    when = fields.text("when", ANY_TEXT, "a condition").strip()
    try:
        parse_condition(when)
    except ConditionError as error:
        raise fields.error("when", f"{error.problem} (line {error.line} of the condition)") from None
    return when
