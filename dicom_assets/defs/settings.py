"""Which setting is which field of which resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dicom_assets.defs.resources import (
    ContactSheetsResource,
    DataDirResource,
    DeidentificationResource,
    IdentityDbResource,
    LocalNodeResource,
    NotificationsResource,
    RegistrationResource,
    ResearchPacsResource,
    ReviewDbResource,
    Settings,
    StagingPacsResource,
    TransfersResource,
)

_RESOURCES: dict[str, tuple[type[Settings], str]] = {
    "local": (LocalNodeResource, "LOCAL"),
    "staging_pacs": (StagingPacsResource, "STAGING_PACS"),
    "research_pacs": (ResearchPacsResource, "RESEARCH_PACS"),
    "transfers": (TransfersResource, ""),
    "review_db": (ReviewDbResource, "REVIEW_DB"),
    "identity_db": (IdentityDbResource, "IDENTITY_DB"),
    "registration": (RegistrationResource, "REGISTRATION"),
    "deidentification": (DeidentificationResource, "DEIDENTIFICATION"),
    "contact_sheets": (ContactSheetsResource, "CONTACT_SHEET"),
    "data_dir": (DataDirResource, "DATA_DIR"),
    "notifications": (NotificationsResource, ""),
}
_ODD_NAMES = {
    ("transfers", "retry_seconds"): "PACS_RETRY_SECONDS",
    ("identity_db", "secret_file"): "IDENTITY_SECRET_FILE",
    ("identity_db", "key_file"): "IDENTITY_KEY_FILE",
    ("registration", "research_db_url"): "RESEARCH_DB_URL",
    ("deidentification", "uid_root"): "UID_ROOT",
    ("contact_sheets", "wanted"): "CONTACT_SHEETS",
    ("data_dir", "path"): "DATA_DIR",
    ("notifications", "urls_file"): "NOTIFY_URLS_FILE",
}


def setting_of(resource: str, field: str) -> str:
    """The setting (environment variable) behind a field: its name in upper case after the resource's prefix."""
    prefix = _RESOURCES[resource][1]
    return _ODD_NAMES.get((resource, field)) or f"{prefix}_{field}".strip("_").upper()


def build_resources(value: Callable[[str, type], Any]) -> dict[str, Settings]:
    """Every resource, each field given what `value` says for its setting and type (str or int)."""
    return {
        name: resource(
            **{
                field: value(setting_of(name, field), int if info.annotation is int else str)
                for field, info in resource.model_fields.items()
            }
        )
        for name, (resource, _) in _RESOURCES.items()
    }
