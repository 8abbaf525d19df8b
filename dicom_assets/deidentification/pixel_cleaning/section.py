"""Reads the profile's section `pixels`."""

from __future__ import annotations

import re

import yaml

from dicom_assets.deidentification.pixel_cleaning.ctp_script import ScriptError, read_ctp_script
from dicom_assets.deidentification.pixel_cleaning.rules import (
    DEFAULT_MARGIN,
    DetectorRules,
    Effort,
    Found,
    PixelRule,
    PixelRules,
    Rectangle,
    UltrasoundRegions,
)
from dicom_assets.deidentification.profile_fields import RULE_NAME, Fields
from dicom_assets.deidentification.profile_quarantine import condition_of
from dicom_assets.deidentification.sop_classes import sop_class_of

_MARGIN = re.compile(r"\d{1,3}")


def pixel_rules(fields: Fields) -> PixelRules:
    """The section's rules; none where the profile has no such section.

    Raises:
        ProfileError: names file, line and field.
    """
    inner = fields.section("pixels")
    if inner is None:
        return PixelRules()
    rules = PixelRules(
        rules=(*(_rule(one) for one in inner.sections("rules")), *_script(inner)),
        ultrasound_regions=UltrasoundRegions(
            inner.choice("ultrasound_regions", tuple(UltrasoundRegions), UltrasoundRegions.IGNORE)
        ),
        detector=_detector(inner),
        release_declared=inner.flag("release_declared", default=False),
    )
    inner.refuse_others()
    names = [rule.name for rule in rules.rules]
    if len(set(names)) < len(names):
        raise inner.error("rules", "gives two rules one name")
    if not (rules.rules or rules.detector or rules.ultrasound_regions is not UltrasoundRegions.IGNORE):
        raise fields.error("pixels", "asks for nothing: it needs rules, ultrasound_regions or a detector")
    return rules


def _rule(fields: Fields) -> PixelRule:
    name = fields.text("name", RULE_NAME, "1 to 64 letters, digits, dots, dashes or underscores")
    when = condition_of(fields)
    rule = PixelRule(
        name,
        when,
        tuple(_rectangle(fields, numbers, node) for numbers, node in fields.rows_of_numbers("blank")),
        fields.flag("outside_ultrasound_regions", default=False),
        fields.flag("quarantine", default=False),
    )
    if rule.quarantine and (rule.rectangles or rule.outside_ultrasound_regions):
        raise fields.error("quarantine", "leaves nothing to blank")
    fields.refuse_others()
    return rule


def _rectangle(fields: Fields, numbers: tuple[int, ...], node: yaml.Node) -> Rectangle:
    if len(numbers) != 4 or min(numbers[2:]) < 1:
        raise fields.error("blank", "must hold lists [left, top, width, height] of pixels", node)
    return Rectangle(*numbers)


def _script(fields: Fields) -> tuple[PixelRule, ...]:
    script = fields.optional_text("ctp_script")
    try:
        return read_ctp_script(script)
    except ScriptError as error:
        raise fields.error("ctp_script", f"{error.problem} (line {error.line} of the script)") from None


def _detector(fields: Fields) -> DetectorRules | None:
    inner = fields.section("detector")
    if inner is None:
        return None
    named = inner.texts("sop_classes")
    classes = tuple("*" if text == "*" else sop_class_of(inner, "sop_classes", text, node) for text, node in named)
    if not classes:
        raise inner.error("sop_classes", "must name at least one SOP Class, or * for all")
    rules = DetectorRules(
        classes,
        Found(inner.choice("found", tuple(Found), Found.QUARANTINE)),
        Effort(inner.choice("effort", tuple(Effort), Effort.THOROUGH)),
        int(inner.text("margin", _MARGIN, "a number of pixels")) if "margin" in inner.names() else DEFAULT_MARGIN,
    )
    inner.refuse_others()
    return rules
