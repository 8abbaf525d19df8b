"""Finds the object that `REGISTRATION_HOOK` names as `module:object`, and sees whether it is a hook."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dicom_assets.errors import ConfigurationError, DicomAssetsError

HOOK_SETTING = "REGISTRATION_HOOK"
METHODS = ("alias_for", "check", "register")
MOST_CHARACTERS = 200
"""Of a hook's name, and of each of its refusals."""


def load_hook(spec: str, offers: Mapping[str, Any]) -> Any:
    """The hook. An instance is taken as it is; a class or function is called with those of `offers` that it names.

    Raises:
        ConfigurationError: no such hook, it can't be imported or made, or it lacks something.
    """
    hook = _imported(spec)
    if inspect.isclass(hook) or inspect.isroutine(hook):
        hook = _made(hook, offers)
    if missing := [name for name in METHODS if not callable(getattr(hook, name, None))]:
        raise ConfigurationError(f"{HOOK_SETTING}: the object has no method {', '.join(missing)}.")
    return hook


def name_of(hook: Any) -> str:
    """What the hook calls itself.

    Raises:
        ConfigurationError: it has no name that can be written down.
    """
    name = _read(hook, "name")
    if not _is_line(name):
        raise ConfigurationError(f"{HOOK_SETTING}: the object needs a `name` of 1 to {MOST_CHARACTERS} characters.")
    return str(name)


def refusals_of(hook: Any) -> list[str]:
    """The reasons for a refusal that the hook has declared, which hold no values as they were there before any study.

    Raises:
        ConfigurationError: they are no texts.
    """
    refusals = _read(hook, "refusals", ())
    if not isinstance(refusals, list | tuple | set | frozenset) or not all(map(_is_line, refusals)):
        raise ConfigurationError(
            f"{HOOK_SETTING}: `refusals` must be texts of 1 to {MOST_CHARACTERS} characters, in a tuple."
        )
    return list(refusals)


def named(error: BaseException) -> str:
    """The class of an error that is not ours, in a form that holds no values."""
    name = type(error).__name__
    return name if name.isidentifier() and len(name) <= 60 else "Exception"


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= len(value) <= MOST_CHARACTERS


def _imported(spec: str) -> Any:
    module_name, _, object_name = spec.partition(":")
    hook: Any = _guarded(f"importing {module_name}", lambda: _module(module_name))
    try:
        for part in object_name.split("."):
            hook = getattr(hook, part)
    except AttributeError:
        raise ConfigurationError(f"{HOOK_SETTING}: module {module_name} has no {object_name}.") from None
    return hook


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{HOOK_SETTING}: there is no module {error.name}; is it installed here?") from None


def _made(factory: Any, offers: Mapping[str, Any]) -> Any:
    def make() -> Any:
        parameters = inspect.signature(factory).parameters
        return factory(**{name: value for name, value in offers.items() if name in parameters})

    return _guarded("making the hook", make)


def _read(hook: Any, attribute: str, default: object = None) -> Any:
    return _guarded(f"reading its `{attribute}`", lambda: getattr(hook, attribute, default))


def _guarded(what: str, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except DicomAssetsError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the outer edge to other people's code
        raise ConfigurationError(f"{HOOK_SETTING}: {what} fails: {named(error)}.") from None
