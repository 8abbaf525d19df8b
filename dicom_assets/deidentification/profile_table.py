"""The shipped profiles side by side, as a table in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

from pydicom.datadict import keyword_for_tag

from dicom_assets.deidentification.dictionary import tag_text
from dicom_assets.deidentification.options import Option
from dicom_assets.deidentification.overrides import ANYWHERE, Override
from dicom_assets.deidentification.profile import Profile, shipped_profile, shipped_profile_names
from dicom_assets.deidentification.quarantine import QuarantineRule, QuarantineRules

NONE = "-"


def profile_table(profiles: Sequence[Profile] | None = None) -> str:
    """One column for each profile, the shipped ones by default; ends with a line feed.

    Raises:
        ProfileError: a shipped profile can't be read.
    """
    shown = [shipped_profile(name) for name in shipped_profile_names()] if profiles is None else profiles
    lines = [
        _line("", [f"`{profile.name}`" for profile in shown]),
        "|" + "---|" * (len(shown) + 1),
        *(_line(name, [tell(profile) for profile in shown]) for name, tell in _rows()),
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, cells: list[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def _rows() -> list[tuple[str, Callable[[Profile], str]]]:
    return [
        *((str(option), _option(option)) for option in Option),
        ("dates and times", _dates),
        ("text and other values that Table E.1-1 does not name", lambda profile: str(profile.unlisted)),
        ("white lists", _white_lists),
        ("private attributes safe beyond the table", _safe_private),
        ("exceptions for single attributes", _overrides),
        *((f"kept back: {field.name.replace('_', ' ')}", _quarantine(field.name)) for field in fields(QuarantineRules)),
    ]


def _option(option: Option) -> Callable[[Profile], str]:
    return lambda profile: "yes" if option in profile.options else NONE


def _dates(profile: Profile) -> str:
    if Option.RETAIN_MODIFIED_DATES in profile.options:
        return "moved"
    return "kept" if Option.RETAIN_FULL_DATES in profile.options else "removed"


def _white_lists(profile: Profile) -> str:
    values = sum(len(listed.values) for listed in profile.white_lists)
    patterns = sum(len(listed.patterns) for listed in profile.white_lists)
    return f"{values} texts, {patterns} patterns" if profile.white_lists else NONE


def _safe_private(profile: Profile) -> str:
    return ", ".join(f"{addition.creator} ({addition.group:04X})" for addition in profile.safe_private) or NONE


def _overrides(profile: Profile) -> str:
    return ", ".join(_override(override) for override in profile.overrides) or NONE


def _override(override: Override) -> str:
    around = () if override.path == ANYWHERE else override.path
    names = ".".join(keyword_for_tag(tag) or tag_text(tag) for tag in (*around, override.tag))
    return f"{names}: {override.action}" + (" (risk accepted)" if override.accepted_risk else "")


def _quarantine(name: str) -> Callable[[Profile], str]:
    def tell(profile: Profile) -> str:
        value = getattr(profile.quarantine, name)
        if isinstance(value, bool):
            return "yes" if value else NONE
        return "; ".join(part.name if isinstance(part, QuarantineRule) else str(part) for part in value) or NONE

    return tell
