"""What the identity database says when it refuses; the real one and the dry run's alike."""

from __future__ import annotations

from dicom_assets.errors import ConfigurationError, StudyError

SETTING = "IDENTITY_DB_URL"
SECRET_SETTING = "IDENTITY_SECRET_FILE"  # noqa: S105 - the name of a setting
KEY_SETTING = "IDENTITY_KEY_FILE"

ATTEMPTS = 16
"""Derivations to try when a derived key or pseudonym is another's; a second one is already next to impossible."""

LONGEST_UID = 64
"""Characters (PS3.5 9.1); what is longer is no UID, and would not fit its column either."""


def unknown_key(study_key: str) -> ConfigurationError:
    """No such key was issued. The key is shown in a form that gives nothing away should it be something else."""
    shown = study_key if study_key.isalnum() and study_key.startswith("S") and len(study_key) == 13 else "of this form"
    return ConfigurationError(f"No study key {shown} was issued; `dicom-assets studies` lists the keys that were.")


def no_free_derivation(what: str) -> ConfigurationError:
    """Every derivation is another's."""
    return ConfigurationError(
        f"No free {what} in {ATTEMPTS} derivations: the identity database is damaged; restore it."
    )


def no_study_uid() -> StudyError:
    """Studies without a UID are not one study."""
    return StudyError("A study has no Study Instance UID (0020,000D): it can't be given a key.")


def replacement_in_use(study_key: str, count: int) -> StudyError:
    """Two UIDs may never become one."""
    return StudyError(f"Study {study_key}: {count} replacement UIDs are in use for other UIDs; nothing was recorded.")


def require_uid(uid: str) -> str:
    """The UID itself.

    Raises:
        StudyError: it is empty, or longer than a UID may be.
    """
    if not uid.strip() or len(uid) > LONGEST_UID:
        raise StudyError(f"A UID is empty or longer than {LONGEST_UID} characters (PS3.5 9.1); nothing was recorded.")
    return uid


def wrong_secret(needed: str, given: str) -> ConfigurationError:
    """A secret that the database never went by."""
    return ConfigurationError(
        f"The identity database ({SETTING}) goes by another secret than the one in {SECRET_SETTING} (fingerprint "
        f"{needed}, not {given}); with this one, patients would get second pseudonyms. Put the former secret back, or "
        "name another database. A new secret is put in force by `dicom-assets identity rotate-secret`, which needs the "
        "former one."
    )


def retired_secret(when: str, needed: str) -> ConfigurationError:
    """A secret that the database went by before."""
    return ConfigurationError(
        f"{SECRET_SETTING} holds a secret that `dicom-assets identity rotate-secret` retired on {when}: name the file "
        f"of the one that is in force now (fingerprint {needed})."
    )


def secret_known_already() -> ConfigurationError:
    """A secret is used once: what was known of it may be known again."""
    return ConfigurationError("The new secret was in force before, or is: make another one; nothing was changed.")


def nothing_in_force() -> ConfigurationError:
    """A row that every identity database has is not there."""
    return ConfigurationError(
        f"{SETTING}: the database does not say which secret it goes by; restore it from a backup."
    )


def key_missing() -> ConfigurationError:
    """Encrypted, and no key."""
    return ConfigurationError(
        f"The identity database ({SETTING}) is encrypted: name the file of its key in {KEY_SETTING}."
    )


def wrong_key(needed: str, given: str) -> ConfigurationError:
    """Encrypted with another key."""
    return ConfigurationError(
        f"The identity database ({SETTING}) is encrypted with another key than the one in {KEY_SETTING} (fingerprint "
        f"{needed}, not {given}): name the file of the right one. Without it nothing in the database can be read."
    )


def not_encrypted() -> ConfigurationError:
    """A key, and nothing to open with it."""
    return ConfigurationError(
        f"{KEY_SETTING} is set, but the identity database ({SETTING}) is not encrypted: do so with "
        f"`dicom-assets identity encrypt`, or leave {KEY_SETTING} empty."
    )


def encryption_unsupported() -> ConfigurationError:
    """A server keeps its files itself."""
    return ConfigurationError(
        f"{KEY_SETTING} is for SQLite: leave it empty, and have the disk of the PostgreSQL server encrypted."
    )


def changed_meanwhile() -> ConfigurationError:
    """Secret, key or default issuer were changed since this process opened the database."""
    return ConfigurationError(
        f"Since this began, the identity database ({SETTING}) was given another secret, key or default issuer; nothing "
        f"was recorded. Make {SECRET_SETTING} and {KEY_SETTING} name the right files, then start again."
    )
