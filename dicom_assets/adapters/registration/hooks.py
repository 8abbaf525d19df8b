"""Finds the hook that `REGISTRATION_HOOK` names."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, Protocol, cast

from dicom_assets.adapters.registration.none import NoRegistration
from dicom_assets.adapters.registration.research_database import ResearchDatabaseRegistration
from dicom_assets.errors import ConfigurationError, DicomAssetsError
from dicom_assets.study import PatientIdentity, RegisteredStudy

HOOK_SETTING = "REGISTRATION_HOOK"
_METHODS = ("alias_for", "check", "register")


class RegistrationHook(Protocol):
    """What a hook offers; see the port `Registration` for what its methods mean."""

    @property
    def name(self) -> str:
        """What the hook is called, and which database it writes to if any."""

    def alias_for(self, patient: PatientIdentity) -> str | None:
        """The patient's research alias, if there is one."""

    def check(self, study: RegisteredStudy) -> None:
        """Raise what `register` would raise; write nothing."""

    def register(self, study: RegisteredStudy) -> Mapping[str, int]:
        """Link the study."""


def load_registration(spec: str, research_db_url: str, *, read_only: bool = False) -> RegistrationHook:
    """The hook that a setting names: `none`, `research_database`, or one's own as `module:object`.

    Of one's own, an instance is taken as it is; a class or function is called, with `research_db_url=` and
    `read_only=` where it has parameters of these names. `read_only` is for dry runs, which never call `register`.

    Raises:
        ConfigurationError: no such hook, it can't be imported or made, or it lacks a method.
    """
    spec = spec.strip()
    if spec in ("", "none"):
        return NoRegistration()
    if spec == "research_database":
        return ResearchDatabaseRegistration.open(research_db_url, read_only=read_only)
    hook = _imported(spec)
    if inspect.isclass(hook) or inspect.isroutine(hook):
        hook = _made(hook, {"research_db_url": research_db_url, "read_only": read_only})
    if missing := [name for name in _METHODS if not callable(getattr(hook, name, None))]:
        raise ConfigurationError(f"{HOOK_SETTING}: the object has no method {', '.join(missing)}.")
    if not isinstance(getattr(hook, "name", None), str):
        raise ConfigurationError(f"{HOOK_SETTING}: the object has no text `name`.")
    return cast(RegistrationHook, hook)


def _imported(spec: str) -> Any:
    module_name, colon, object_name = spec.partition(":")
    if not (module_name and colon and object_name):
        raise ConfigurationError(f"{HOOK_SETTING}: write none, research_database, or module:object.")
    try:
        hook: Any = importlib.import_module(module_name)
        for part in object_name.split("."):
            hook = getattr(hook, part)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{HOOK_SETTING}: there is no module {error.name}; is it installed here?") from None
    except AttributeError:
        raise ConfigurationError(f"{HOOK_SETTING}: module {module_name} has no {object_name}.") from None
    except Exception as error:  # noqa: BLE001 - the outer edge to other people's code
        raise ConfigurationError(f"{HOOK_SETTING}: importing {module_name} fails: {type(error).__name__}.") from None
    return hook


def _made(factory: Any, offers: Mapping[str, Any]) -> Any:
    try:
        parameters = inspect.signature(factory).parameters
        return factory(**{name: value for name, value in offers.items() if name in parameters})
    except DicomAssetsError:
        raise
    except Exception as error:  # noqa: BLE001 - the outer edge to other people's code
        raise ConfigurationError(f"{HOOK_SETTING}: making the hook fails: {type(error).__name__}.") from None
