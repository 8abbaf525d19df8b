"""What the identity database says when it refuses; the real one and the dry run's alike."""

from __future__ import annotations

from dicom_assets.errors import ConfigurationError, StudyError

ATTEMPTS = 16
"""Derivations to try when a derived key or pseudonym is another's; a second one is already next to impossible."""


def unknown_key(study_key: str) -> ConfigurationError:
    """No such key was issued. The key is shown in a form that gives nothing away should it be something else."""
    shown = study_key if study_key.isalnum() and study_key.startswith("S") and len(study_key) == 13 else "of this form"
    return ConfigurationError(f"No study key {shown} was issued; `dicom-assets studies` lists the keys that were.")


def no_free_derivation(what: str) -> ConfigurationError:
    """Every derivation is another's."""
    return ConfigurationError(
        f"No free {what} in {ATTEMPTS} derivations: the identity database is damaged; restore it."
    )


def replacement_in_use(study_key: str, count: int) -> StudyError:
    """Two UIDs may never become one."""
    return StudyError(f"Study {study_key}: {count} replacement UIDs are in use for other UIDs; nothing was recorded.")
