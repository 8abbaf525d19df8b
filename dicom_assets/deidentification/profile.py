"""De-identification profiles: YAML files that a privacy officer writes and this module reads strictly."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.iod import iod_types
from dicom_assets.deidentification.options import SUPPORTED, Option
from dicom_assets.deidentification.overrides import Override
from dicom_assets.deidentification.profile_fields import Fields
from dicom_assets.deidentification.profile_overrides import parse_override
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets.errors import ProfileError

ENGINE_VERSION = "3"
"""Goes up with every change of what is written for the same input and profile."""

UNLISTED_ACTIONS = (Action.KEEP, Action.EMPTY, Action.REMOVE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,15}")


@dataclass(frozen=True, slots=True)
class QuarantineRules:
    """Which instances are kept back. `suspect_*` are lower case parts of Manufacturer and of model names."""

    patient_protocol: bool = True
    screen_save: bool = True
    burned_in_annotation: bool = True
    encapsulated_documents: bool = True
    suspect_manufacturers: tuple[str, ...] = ()
    suspect_models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A profile that was read and can be carried out.

    `fingerprint` is the SHA-256, hex, over everything that decides what is written: profile, engine, table and
    the Types of attributes.
    Profiles of one fingerprint are equal.
    """

    name: str
    version: str
    options: frozenset[Option] = frozenset()
    unlisted: Action = Action.KEEP
    overrides: tuple[Override, ...] = ()
    quarantine: QuarantineRules = field(default_factory=QuarantineRules)
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
        return {str(override): override.accepted_risk for override in self.overrides if override.accepted_risk}


def _fingerprint(profile: Profile) -> str:
    table = confidentiality_table()
    parts = {
        **asdict(profile),
        "options": sorted(profile.options),
        "engine": ENGINE_VERSION,
        "edition": table.edition,
        "table": table.digest,
        "types": iod_types().digest,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()


def find_profile(name: str) -> Profile:
    """A YAML file's profile where `name` ends in .yaml or .yml, else the one of that name that comes with the package.

    Raises:
        ProfileError: names file, line and field.
    """
    return load_profile(Path(name)) if name.endswith((".yaml", ".yml")) else shipped_profile(name)


def load_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ProfileError: names file, line and field.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path.name}: can't be read: {type(error).__name__}") from None
    return parse_profile(content, path.name)


def shipped_profile(name: str) -> Profile:
    """A profile that comes with the package, `basic` for one.

    Raises:
        ProfileError: there is none of that name.
    """
    source = files("dicom_assets.deidentification").joinpath(f"profiles/{name}.yaml")
    if not _NAME.fullmatch(name) or not source.is_file():
        raise ProfileError("there is no shipped profile of that name")
    return parse_profile(source.read_text(encoding="utf-8"), f"{name}.yaml")


def parse_profile(content: str, file: str) -> Profile:
    """Read a profile's text; `file` is how messages call it.

    Raises:
        ProfileError: names file, line and field.
    """
    fields = Fields.parse(content, file)
    name_form = "1 to 16 letters, digits, dots, dashes or underscores"
    profile = Profile(
        name=fields.text("name", _NAME, name_form),
        version=fields.text("version", _NAME, name_form),
        options=_options(fields),
        unlisted=Action(fields.choice("unlisted", UNLISTED_ACTIONS, Action.KEEP)),
        quarantine=_quarantine(fields),
    )
    overrides = tuple(parse_override(inner, profile) for inner in fields.sections("overrides"))
    fields.refuse_others()
    return replace(profile, overrides=overrides)


def _options(fields: Fields) -> frozenset[Option]:
    known = {option.value.casefold(): option for option in Option}
    found = set()
    for text, node in fields.texts("options"):
        option = known.get(text.casefold())
        if option is None:
            raise fields.error("options", "names an option that PS3.15 E.3 does not have", node)
        if option not in SUPPORTED:
            raise fields.error("options", f'"{option}" is not supported yet', node)
        found.add(option)
    return frozenset(found)


def _quarantine(fields: Fields) -> QuarantineRules:
    inner = fields.section("quarantine")
    if inner is None:
        return QuarantineRules()
    rules = QuarantineRules(
        patient_protocol=inner.flag("patient_protocol"),
        screen_save=inner.flag("screen_save"),
        burned_in_annotation=inner.flag("burned_in_annotation"),
        encapsulated_documents=inner.flag("encapsulated_documents"),
        suspect_manufacturers=_name_parts(inner, "suspect_manufacturers"),
        suspect_models=_name_parts(inner, "suspect_models"),
    )
    inner.refuse_others()
    return rules


def _name_parts(fields: Fields, name: str) -> tuple[str, ...]:
    found = tuple(" ".join(text.casefold().split()) for text, _ in fields.texts(name))
    if "" in found:
        raise fields.error(name, "holds an empty text, which every name contains")
    return found
