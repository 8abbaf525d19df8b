"""The hook of those who have no research database."""

from __future__ import annotations

from collections.abc import Mapping

from dicom_assets.study import PatientIdentity, RegisteredStudy


class NoRegistration:
    """Lets every study pass and links none."""

    name = "none"

    def alias_for(self, patient: PatientIdentity) -> str | None:  # noqa: ARG002 - the port's
        """No alias: the pseudonym serves."""
        return None

    def check(self, study: RegisteredStudy) -> None:
        """Every study may pass."""

    def register(self, study: RegisteredStudy) -> Mapping[str, int]:  # noqa: ARG002 - the port's
        """Nothing is written anywhere."""
        return {}
