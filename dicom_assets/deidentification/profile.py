"""De-identification profiles: YAML files that a privacy officer writes and this module reads strictly."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path

import yaml

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.options import SUPPORTED, Option
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets.errors import ProfileError

ENGINE_VERSION = "1"
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


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile that was read and can be carried out."""

    name: str
    version: str
    options: frozenset[Option] = frozenset()
    unlisted: Action = Action.KEEP
    quarantine: QuarantineRules = field(default_factory=QuarantineRules)

    @property
    def fingerprint(self) -> str:
        """SHA-256, hex, over everything that decides what is written: profile, engine and table."""
        table = confidentiality_table()
        parts = {
            **asdict(self),
            "options": sorted(self.options),
            "engine": ENGINE_VERSION,
            "edition": table.edition,
            "table": table.digest,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()


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
    try:
        node = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ProfileError(f"{file}, line {mark.line + 1 if mark else 1}: not valid YAML") from None
    if node is None:
        raise ProfileError(f"{file}, line 1: the profile is empty")
    fields = _Fields(file, "", node)
    profile = Profile(
        name=fields.text("name"),
        version=fields.text("version"),
        options=fields.options("options"),
        unlisted=fields.unlisted("unlisted"),
        quarantine=_quarantine(fields),
    )
    fields.refuse_others()
    return profile


def _quarantine(fields: _Fields) -> QuarantineRules:
    inner = fields.section("quarantine")
    if inner is None:
        return QuarantineRules()
    rules = QuarantineRules(
        patient_protocol=inner.flag("patient_protocol"),
        screen_save=inner.flag("screen_save"),
        burned_in_annotation=inner.flag("burned_in_annotation"),
        encapsulated_documents=inner.flag("encapsulated_documents"),
        suspect_manufacturers=inner.texts("suspect_manufacturers"),
        suspect_models=inner.texts("suspect_models"),
    )
    inner.refuse_others()
    return rules


class _Fields:
    """One mapping of the file, its fields taken one by one; what is left over at the end is refused."""

    def __init__(self, file: str, prefix: str, node: yaml.Node) -> None:
        self._file = file
        self._prefix = prefix
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, prefix.rstrip(".") or "the profile", "must hold fields")
        self._node = node
        self._left: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if name in self._left:
                raise self._error(key, prefix + name, "is given twice")
            self._left[name] = value
        self._keys = {str(key.value): key for key, _ in node.value}

    def text(self, name: str) -> str:
        value = self._scalar(name, self._required(name), {"str", "int", "float"})
        if not _NAME.fullmatch(value):
            raise self._error(
                self._keys[name], self._prefix + name, "must be 1 to 16 letters, digits, dots, dashes or underscores"
            )
        return value

    def flag(self, name: str) -> bool:
        node = self._left.pop(name, None)
        return True if node is None else self._scalar(name, node, {"bool"}).lower() in {"true", "yes", "on"}

    def texts(self, name: str) -> tuple[str, ...]:
        found = tuple(" ".join(text.casefold().split()) for text, _ in self._list(name))
        if "" in found:
            raise self._error(self._keys[name], self._prefix + name, "holds an empty text, which every name contains")
        return found

    def options(self, name: str) -> frozenset[Option]:
        known = {option.value.casefold(): option for option in Option}
        found = set()
        for text, node in self._list(name):
            option = known.get(text.casefold())
            if option is None:
                raise self._error(node, name, "names an option that PS3.15 E.3 does not have")
            if option not in SUPPORTED:
                raise self._error(node, name, f'"{option}" is not supported yet')
            found.add(option)
        return frozenset(found)

    def unlisted(self, name: str) -> Action:
        node = self._left.pop(name, None)
        if node is None:
            return Action.KEEP
        value = self._scalar(name, node, {"str"})
        if value not in UNLISTED_ACTIONS:
            raise self._error(node, name, f"must be one of {', '.join(UNLISTED_ACTIONS)}")
        return Action(value)

    def section(self, name: str) -> _Fields | None:
        node = self._left.pop(name, None)
        return None if node is None else _Fields(self._file, f"{self._prefix}{name}.", node)

    def refuse_others(self) -> None:
        for name in self._left:
            raise self._error(self._keys[name], self._prefix + name, "is not a field of a profile")

    def _required(self, name: str) -> yaml.Node:
        if name not in self._left:
            raise self._error(self._node, self._prefix + name, "is missing")
        return self._left.pop(name)

    def _list(self, name: str) -> list[tuple[str, yaml.Node]]:
        node = self._left.pop(name, None)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node, self._prefix + name, "must be a list")
        return [(self._scalar(name, item, {"str"}), item) for item in node.value]

    def _scalar(self, name: str, node: yaml.Node, kinds: set[str]) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag.rpartition(":")[2] not in kinds:
            wanted = {"bool": "true or false"}.get(min(kinds), "a text")
            raise self._error(node, self._prefix + name, f"must be {wanted}")
        return str(node.value)

    def _error(self, node: yaml.Node, name: str, problem: str) -> ProfileError:
        return ProfileError(f"{self._file}, line {node.start_mark.line + 1}: {name} {problem}")
