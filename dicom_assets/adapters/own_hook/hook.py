"""A registration hook of one's own as the steps see it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from dicom_assets.adapters.own_hook.answers import alias_in, counts_in, nothing_in
from dicom_assets.adapters.own_hook.process import HookProcess
from dicom_assets.study import PatientIdentity, RegisteredStudy


class OwnHook:
    """Implements the port `Registration` by a hook in a process of its own."""

    def __init__(self, process: HookProcess) -> None:
        """Speak for the hook that lives there."""
        self._process = process

    @property
    def name(self) -> str:
        """What the hook calls itself."""
        return self._process.name

    def alias_for(self, patient: PatientIdentity) -> str | None:
        """The patient's research alias, if the hook has one.

        Raises:
            RegistrationAwayError: it does not answer for now.
            RegistrationFailedError: it broke, or returned what can't be used.
        """
        return alias_in(self._process.ask("alias_for", patient=asdict(patient)), patient)

    def check(self, study: RegisteredStudy) -> None:
        """Whether the study could be linked.

        Raises:
            RegistrationRefusedError: it could not.
            RegistrationAwayError: the hook does not answer for now.
            RegistrationFailedError: it broke, or returned what can't be used.
        """
        nothing_in(self._process.ask("check", study=asdict(study)))

    def register(self, study: RegisteredStudy) -> Mapping[str, int]:
        """Link the study; returns counts of rows.

        Raises:
            RegistrationRefusedError: it can't be linked.
            RegistrationAwayError: the hook does not answer for now.
            RegistrationFailedError: it broke, or returned what can't be used.
        """
        return counts_in(self._process.ask("register", study=asdict(study)), "register")

    def close(self) -> None:
        """Let the hook close what it has open, and end its process."""
        self._process.close()


class UnlinkingOwnHook(OwnHook):
    """A hook that also takes back what it wrote of a study."""

    def unlink(self, original_study_uid: str, study_uids: Collection[str]) -> Mapping[str, int]:
        """Take a study's link with its images back; returns counts of rows.

        Raises:
            RegistrationAwayError: the hook does not answer for now.
            RegistrationFailedError: it broke, or returned what can't be used.
        """
        return counts_in(self._process.ask("unlink", arguments=[original_study_uid, sorted(study_uids)]), "unlink")


def open_own_hook(spec: str, offers: Mapping[str, Any], timeout_seconds: float) -> OwnHook:
    """The hook that `spec` names as `module:object`, loaded and ready; `offers` are what its making may ask for.

    Raises:
        ConfigurationError: it can't be imported or made in time, or is no hook.
    """
    process = HookProcess(spec, offers, timeout_seconds)
    return UnlinkingOwnHook(process) if process.can_unlink else OwnHook(process)
