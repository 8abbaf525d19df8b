"""A profile file's mappings, read strictly: every mistake is named by file, line and field."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from dicom_assets.errors import ProfileError

ANY_TEXT = re.compile(r"(?s).*\S.*")
RULE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9]\d{0,8})")


class Fields:
    """One mapping of the file, its fields taken one by one; what is left over at the end is refused."""

    def __init__(self, file: str, prefix: str, node: yaml.Node) -> None:
        """Read the mapping at `node`; `prefix` goes before its fields' names in messages.

        Raises:
            ProfileError: not a mapping, or a field is given twice.
        """
        self._file = file
        self._prefix = prefix
        if not isinstance(node, yaml.MappingNode):
            raise self._error_at(node, prefix.rstrip(".") or "the profile", "must hold fields")
        self._node = node
        self._left: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if name in self._left:
                raise self._error_at(key, prefix + name, "is given twice")
            self._left[name] = value
        self._keys = {str(key.value): key for key, _ in node.value}

    @classmethod
    def parse(cls, content: str, file: str) -> Fields:
        """Read a file's text.

        Raises:
            ProfileError: not YAML, empty, or not a mapping.
        """
        try:
            node = yaml.compose(content, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            raise ProfileError(f"{file}, line {mark.line + 1 if mark else 1}: not valid YAML") from None
        if node is None:
            raise ProfileError(f"{file}, line 1: the profile is empty")
        return cls(file, "", node)

    def names(self) -> list[str]:
        """The fields that were not taken yet."""
        return list(self._left)

    def text(self, name: str, pattern: re.Pattern[str], form: str) -> str:
        """A text or number that must be there and match; `form` says what is expected."""
        if name not in self._left:
            raise self._error_at(self._node, self._prefix + name, "is missing")
        value = self._scalar(name, self._left.pop(name), {"str", "int", "float", "timestamp"})
        if not pattern.fullmatch(value):
            raise self.error(name, f"must be {form}")
        return value

    def optional_text(self, name: str) -> str:
        """A text, empty where the field is absent."""
        node = self._left.pop(name, None)
        return "" if node is None else self._scalar(name, node, {"str", "int", "float", "timestamp"})

    def flag(self, name: str, *, default: bool = True) -> bool:
        """True or false."""
        node = self._left.pop(name, None)
        return default if node is None else self._scalar(name, node, {"bool"}).lower() in {"true", "yes", "on"}

    def choice(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """One of some words; must be there unless there is a default."""
        if default is not None and name not in self._left:
            return default
        if name not in self._left:
            raise self._error_at(self._node, self._prefix + name, "is missing")
        node = self._left.pop(name)
        value = self._scalar(name, node, {"str"})
        if value not in allowed:
            raise self.error(name, f"must be one of {', '.join(allowed)}")
        return value

    def texts(self, name: str) -> list[tuple[str, yaml.Node]]:
        """A list of texts, each with its place in the file."""
        node = self._left.pop(name, None)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(name, "must be a list")
        return [(self._scalar(name, item, {"str", "int", "float"}), item) for item in node.value]

    def rows_of_numbers(self, name: str) -> list[tuple[tuple[int, ...], yaml.Node]]:
        """A list of lists of whole numbers, each with its place in the file."""
        node = self._left.pop(name, None)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(name, "must be a list")
        found: list[tuple[tuple[int, ...], yaml.Node]] = []
        for row in node.value:
            if not isinstance(row, yaml.SequenceNode):
                raise self.error(name, "must hold lists of numbers", row)
            texts = [self._scalar(name, number, {"int"}) for number in row.value]
            if not all(_WHOLE_NUMBER.fullmatch(text) for text in texts):
                raise self.error(name, "must hold lists of numbers", row)
            found.append((tuple(int(text) for text in texts), row))
        return found

    def section(self, name: str) -> Fields | None:
        """The mapping below a field, None where it is absent."""
        node = self._left.pop(name, None)
        return None if node is None else Fields(self._file, f"{self._prefix}{name}.", node)

    def sections(self, name: str) -> Iterator[Fields]:
        """The mappings of a list."""
        node = self._left.pop(name, None)
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(name, "must be a list")
        for number, item in enumerate(node.value, start=1):
            yield Fields(self._file, f"{self._prefix}{name}[{number}].", item)

    def refuse_others(self) -> None:
        """Let nothing stand that nobody asked for."""
        for name in self._left:
            raise self.error(name, "is not a field of a profile")

    def error(self, name: str, problem: str, node: yaml.Node | None = None) -> ProfileError:
        """What to raise about a field, or about the node within it."""
        return self._error_at(node or self._keys.get(name, self._node), self._prefix + name, problem)

    def _scalar(self, name: str, node: yaml.Node, kinds: set[str]) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag.rpartition(":")[2] not in kinds:
            wanted = {"bool": "true or false", "int": "a number"}.get(min(kinds), "a text")
            raise self._error_at(node, self._prefix + name, f"must be {wanted}")
        return str(node.value)

    def _error_at(self, node: yaml.Node, name: str, problem: str) -> ProfileError:
        return ProfileError(f"{self._file}, line {node.start_mark.line + 1}: {name} {problem}")
