"""Finds the hook that `REGISTRATION_HOOK` names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dicom_assets.adapters.own_hook.hook import open_own_hook
from dicom_assets.adapters.own_hook.loading import HOOK_SETTING
from dicom_assets.adapters.own_hook.process import TIMEOUT_SETTING
from dicom_assets.adapters.registration.encounter_query import EncounterQuery
from dicom_assets.adapters.registration.none import NoRegistration
from dicom_assets.adapters.registration.research_database import ResearchDatabaseRegistration
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import PatientIdentity, RegisteredStudy

DEFAULT_TIMEOUT_SECONDS = 60
SHIPPED = ("none", "research_database")


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


def load_registration(
    spec: str,
    research_db_url: str,
    *,
    encounter_query_file: str = "",
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS,
    read_only: bool = False,
) -> RegistrationHook:
    """The hook that a setting names: `none`, `research_database`, or one's own as `module:object`.

    One's own lives in a process of its own. An instance is taken as it is; a class or function is called, with
    `research_db_url=` and `read_only=` where it has parameters of these names. `read_only` is for dry runs, which
    never call `register`. What does not answer within `timeout_seconds` fails the study for now.

    Raises:
        ConfigurationError: no such hook, it can't be imported, made or opened, or it lacks a method.
    """
    require_seconds(timeout_seconds)
    spec = spec.strip() or "none"
    if spec == "none":
        return NoRegistration()
    if spec == "research_database":
        return ResearchDatabaseRegistration.open(
            research_db_url,
            encounter_query=EncounterQuery.of(encounter_query_file),
            timeout_seconds=timeout_seconds,
            read_only=read_only,
        )
    if not _is_own_hook(spec):
        raise ConfigurationError(f"{HOOK_SETTING}: write {', '.join(SHIPPED)}, or module:object.")
    offers = {"research_db_url": research_db_url, "read_only": read_only}
    return open_own_hook(spec, offers, timeout_seconds)


def _is_own_hook(spec: str) -> bool:
    """Whether a setting names a hook that does not come with this package."""
    module_name, colon, object_name = spec.strip().partition(":")
    return bool(module_name and colon and object_name)


def require_seconds(timeout_seconds: int) -> None:
    """See whether a time limit is one.

    Raises:
        ConfigurationError: it is shorter than a second.
    """
    if timeout_seconds < 1:
        raise ConfigurationError(f"{TIMEOUT_SETTING} must be 1 or more.")
