"""De-identification profiles: YAML files that a privacy officer writes and this module reads strictly."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from importlib.resources import files
from pathlib import Path

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.content_table import content_table
from dicom_assets.deidentification.descriptors import WhiteList
from dicom_assets.deidentification.graphics import Annotations, Curves, GraphicsRules, Overlays
from dicom_assets.deidentification.iod import iod_types
from dicom_assets.deidentification.options import DATE_OPTIONS, SUPPORTED, Option
from dicom_assets.deidentification.overrides import Override
from dicom_assets.deidentification.pixel_cleaning.detector import require_detector
from dicom_assets.deidentification.pixel_cleaning.rules import PixelRules
from dicom_assets.deidentification.pixel_cleaning.section import pixel_rules
from dicom_assets.deidentification.profile_fields import Fields
from dicom_assets.deidentification.profile_overrides import accepted_risk, parse_override
from dicom_assets.deidentification.profile_quarantine import parse_quarantine
from dicom_assets.deidentification.profile_safe_private import parse_safe_private
from dicom_assets.deidentification.profile_white_lists import parse_white_lists
from dicom_assets.deidentification.quarantine import QuarantineRules
from dicom_assets.deidentification.rules import RuleBook
from dicom_assets.deidentification.safe_private import SafeAddition
from dicom_assets.deidentification.safe_private_table import safe_private_table
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets.errors import ProfileError

ENGINE_VERSION = "3"
"""Goes up with every change of what is written for the same input and profile."""

UNLISTED_ACTIONS = (Action.KEEP, Action.EMPTY, Action.REMOVE, Action.CLEAN)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,15}")


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A profile that was read and can be carried out.

    `epoch` is the day that each patient's earliest known date becomes, where modified dates count from one.
    `fingerprint` is the SHA-256, hex, over everything that decides what is written: profile, engine, table and
    the Types of attributes.
    Profiles of one fingerprint are equal.
    """

    name: str
    version: str
    options: frozenset[Option] = frozenset()
    unlisted: Action = Action.KEEP
    epoch: date | None = None
    overrides: tuple[Override, ...] = ()
    graphics: GraphicsRules = field(default_factory=GraphicsRules)
    quarantine: QuarantineRules = field(default_factory=QuarantineRules)
    white_lists: tuple[WhiteList, ...] = ()
    safe_private: tuple[SafeAddition, ...] = ()
    pixels: PixelRules = field(default_factory=PixelRules)
    fingerprint: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Compute the fingerprint once: it is asked for with every instance."""
        object.__setattr__(self, "fingerprint", _fingerprint(self))

    def __eq__(self, other: object) -> bool:
        """Whether it writes the same."""
        return isinstance(other, Profile) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        """By fingerprint."""
        return hash(self.fingerprint)

    @property
    def accepted_risks(self) -> dict[str, str]:
        """What is kept beyond the table and the options, and the reason that a person gave for it."""
        overlays = {f"graphics.overlays {self.graphics.overlays}": self.graphics.accepted_risk}
        risks = {str(override): override.accepted_risk for override in self.overrides} | overlays
        return {what: reason for what, reason in risks.items() if reason}


def _fingerprint(profile: Profile) -> str:
    table = confidentiality_table()
    parts = {
        **asdict(profile),
        "options": sorted(profile.options),
        "epoch": profile.epoch.isoformat() if profile.epoch is not None else "",
        "engine": ENGINE_VERSION,
        "edition": table.edition,
        "table": table.digest,
        "content_table": content_table().digest,
        "safe_private_table": safe_private_table().digest,
        "types": iod_types().digest,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()


def find_profile(name: str) -> Profile:
    """A YAML file's profile where `name` ends in .yaml or .yml, else the one of that name that comes with the package.

    Raises:
        ProfileError: names file, line and field.
        ConfigurationError: the profile asks for what is not installed.
    """
    profile = load_profile(Path(name)) if name.endswith((".yaml", ".yml")) else shipped_profile(name)
    require_detector(profile.pixels)
    return profile


def load_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ProfileError: names file, line and field.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path.name}: can't be read: {type(error).__name__}") from None
    return parse_profile(content, path.name, path.parent)


def shipped_profile_names() -> tuple[str, ...]:
    """The names of the profiles that come with the package."""
    folder = files("dicom_assets.deidentification").joinpath("profiles")
    return tuple(sorted(found.name.removesuffix(".yaml") for found in folder.iterdir() if found.name.endswith(".yaml")))


def shipped_profile(name: str) -> Profile:
    """A profile that comes with the package, `basic` for one.

    Raises:
        ProfileError: there is none of that name.
    """
    source = files("dicom_assets.deidentification").joinpath(f"profiles/{name}.yaml")
    if not _NAME.fullmatch(name) or not source.is_file():
        raise ProfileError(
            f"no profile of that name comes with the package: choose {', '.join(shipped_profile_names())}, "
            "or give a file whose name ends in .yaml"
        )
    return parse_profile(source.read_text(encoding="utf-8"), f"{name}.yaml")


def parse_profile(content: str, file: str, folder: Path | None = None) -> Profile:
    """Read a profile's text; `file` is how messages call it, `folder` where the files lie that it names.

    Raises:
        ProfileError: names file, line and field.
    """
    fields = Fields.parse(content, file)
    name_form = "1 to 16 letters, digits, dots, dashes or underscores"
    options = _options(fields)
    profile = Profile(
        name=fields.text("name", _NAME, name_form),
        version=fields.text("version", _NAME, name_form),
        options=options,
        epoch=_epoch(fields, options),
        graphics=_graphics(fields, options),
        quarantine=parse_quarantine(fields),
        pixels=pixel_rules(fields),
    )
    profile = replace(profile, unlisted=_unlisted(fields, profile.options))
    _check_pixels(fields, profile)
    overrides = tuple(parse_override(inner, profile) for inner in fields.sections("overrides"))
    profile = replace(profile, overrides=overrides, safe_private=_safe_private(fields, profile.options))
    profile = replace(profile, white_lists=_white_lists(fields, profile, folder))
    fields.refuse_others()
    return profile


def _unlisted(fields: Fields, options: frozenset[Option]) -> Action:
    action = Action(fields.choice("unlisted", UNLISTED_ACTIONS, Action.KEEP))
    if action is Action.CLEAN and Option.CLEAN_DESCRIPTORS not in options:
        raise fields.error("unlisted", f'clean needs the option "{Option.CLEAN_DESCRIPTORS}"')
    return action


def _safe_private(fields: Fields, options: frozenset[Option]) -> tuple[SafeAddition, ...]:
    additions = tuple(parse_safe_private(fields))
    if additions and Option.RETAIN_SAFE_PRIVATE not in options:
        raise fields.error("safe_private", f'needs the option "{Option.RETAIN_SAFE_PRIVATE}"')
    return additions


def _white_lists(fields: Fields, profile: Profile, folder: Path | None) -> tuple[WhiteList, ...]:
    entries = list(parse_white_lists(fields, folder))
    found = tuple(white_list for entry in entries for white_list in entry.white_lists)
    rules = RuleBook(replace(profile, white_lists=found), "")
    overridden = {override.tag for override in profile.overrides if override.action is Action.CLEAN}
    for entry in entries:
        entry.refuse_unused(lambda tag, vr: tag in overridden or rules.rule(tag, vr).action is Action.CLEAN)
    return found


def _check_pixels(fields: Fields, profile: Profile) -> None:
    if Option.CLEAN_PIXEL_DATA in profile.options and not profile.pixels:
        raise fields.error("options", f'"{Option.CLEAN_PIXEL_DATA}" needs the section pixels')
    if profile.pixels and Option.CLEAN_PIXEL_DATA not in profile.options:
        raise fields.error("pixels", f'needs "{Option.CLEAN_PIXEL_DATA}" among the options')


def _options(fields: Fields) -> frozenset[Option]:
    known = {option.value.casefold(): option for option in Option}
    found: set[Option] = set()
    for text, node in fields.texts("options"):
        option = known.get(text.casefold())
        if option is None:
            raise fields.error("options", "names an option that PS3.15 E.3 does not have", node)
        if option not in SUPPORTED:
            raise fields.error(
                "options", f'"{option}" is not carried out by this engine, so it can\'t be claimed', node
            )
        if option in DATE_OPTIONS and not DATE_OPTIONS.isdisjoint(found - {option}):
            raise fields.error("options", "has both Full Dates and Modified Dates: choose one", node)
        found.add(option)
    return frozenset(found)


def _epoch(fields: Fields, options: frozenset[Option]) -> date | None:
    inner = fields.section("dates")
    if inner is None:
        return None
    text = inner.text("epoch", re.compile(r"\d{4}-\d\d-\d\d"), "a day, written YYYY-MM-DD")
    inner.refuse_others()
    if Option.RETAIN_MODIFIED_DATES not in options:
        raise inner.error("epoch", f'goes only with the option "{Option.RETAIN_MODIFIED_DATES}"')
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise inner.error("epoch", "is not a day of the calendar") from None


def _graphics(fields: Fields, options: frozenset[Option]) -> GraphicsRules:
    inner = fields.section("graphics")
    if inner is None:
        return GraphicsRules()
    if Option.CLEAN_GRAPHICS not in options:
        raise fields.error("graphics", f'says how "{Option.CLEAN_GRAPHICS}" is done, which options does not name')
    overlays = Overlays(inner.choice("overlays", tuple(Overlays), Overlays.REMOVE))
    risk = accepted_risk(inner) if overlays is Overlays.KEEP_ALL else ""
    if overlays is Overlays.KEEP_ALL and not risk:
        raise inner.error(
            "overlays",
            "keep_all keeps overlays that may hold writing, unseen: "
            "say why in i_accept_the_risk, which goes into the audit trail, or keep_regions",
        )
    rules = GraphicsRules(
        overlays=overlays,
        curves=Curves(inner.choice("curves", tuple(Curves), Curves.REMOVE)),
        annotations=Annotations(inner.choice("annotations", tuple(Annotations), Annotations.REMOVE_TEXT)),
        accepted_risk=risk,
    )
    inner.refuse_others()
    return rules
