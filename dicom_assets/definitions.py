"""The composition root: which settings there are, what they default to, and what they are joined to.

The defaults are those of the demo, so that `make demo` and `make ui` need no setting at all.
"""

import gc
import os
from typing import Any

import dagster as dg

from dicom_assets.defs.build import build_definitions
from dicom_assets.defs.config import DEFAULT_MODALITIES
from dicom_assets.defs.settings import build_resources

SETTINGS = {
    "STAGING_PACS_AE_TITLE": "STAGING",
    "STAGING_PACS_HOST": "127.0.0.1",
    "STAGING_PACS_PORT": "11140",
    "STAGING_PACS_PROTOCOL": "c-get",
    "STAGING_PACS_MAX_ASSOCIATIONS": "4",
    "STAGING_PACS_TIMEOUT_SECONDS": "300",
    "STAGING_PACS_WINDOW": "",
    "STAGING_PACS_MAX_MEGABYTES_PER_SECOND": "0",
    "STAGING_PACS_TLS": "no",
    "STAGING_PACS_TLS_CA_FILE": "",
    "STAGING_PACS_TLS_CERT_FILE": "",
    "STAGING_PACS_TLS_KEY_FILE": "",
    "STAGING_PACS_DICOMWEB_URL": "",
    "STAGING_PACS_DICOMWEB_USER": "",
    "STAGING_PACS_DICOMWEB_PASSWORD_FILE": "",
    "STAGING_PACS_DICOMWEB_TOKEN_FILE": "",
    "STAGING_PACS_SENDERS": "",
    "STAGING_PACS_CANARY_UID": "",
    "STAGING_PACS_MOVE_WITHOUT_CANARY": "",
    "RESEARCH_PACS_AE_TITLE": "RESEARCH",
    "RESEARCH_PACS_HOST": "127.0.0.1",
    "RESEARCH_PACS_PORT": "11141",
    "RESEARCH_PACS_PROTOCOL": "c-store",
    "RESEARCH_PACS_MAX_ASSOCIATIONS": "4",
    "RESEARCH_PACS_TIMEOUT_SECONDS": "300",
    "RESEARCH_PACS_WINDOW": "",
    "RESEARCH_PACS_MAX_MEGABYTES_PER_SECOND": "0",
    "RESEARCH_PACS_TLS": "no",
    "RESEARCH_PACS_TLS_CA_FILE": "",
    "RESEARCH_PACS_TLS_CERT_FILE": "",
    "RESEARCH_PACS_TLS_KEY_FILE": "",
    "RESEARCH_PACS_DICOMWEB_URL": "",
    "RESEARCH_PACS_DICOMWEB_USER": "",
    "RESEARCH_PACS_DICOMWEB_PASSWORD_FILE": "",
    "RESEARCH_PACS_DICOMWEB_TOKEN_FILE": "",
    "RESEARCH_PACS_STORAGE_COMMITMENT": "auto",
    "RESEARCH_PACS_TRANSCODE": "no",
    "RESEARCH_PACS_REST_URL": "",
    "RESEARCH_PACS_REST_USER": "",
    "RESEARCH_PACS_REST_PASSWORD_FILE": "",
    "LOCAL_AE_TITLE": "DICOM_ASSETS",
    "LOCAL_HOST": "127.0.0.1",
    "LOCAL_PORT": "11142",
    "LOCAL_TLS": "no",
    "LOCAL_TLS_CA_FILE": "",
    "LOCAL_TLS_CERT_FILE": "",
    "LOCAL_TLS_KEY_FILE": "",
    "PACS_RETRY_SECONDS": "120",
    "ONE_PACS_AT_BOTH_ENDS": "no",
    "MIN_FREE_DISK_MEGABYTES": "1024",
    "REVIEW_DB_URL": "sqlite:///.demo/review.db",
    "IDENTITY_DB_URL": "sqlite:///.demo/identity.db",
    "RESEARCH_DB_URL": "sqlite:///.demo/research.db",
    "REGISTRATION_HOOK": "research_database",
    "REGISTRATION_ENCOUNTER_QUERY_FILE": "",
    "REGISTRATION_TIMEOUT_SECONDS": "60",
    "DEIDENTIFICATION_PROFILE": "basic",
    "MODALITIES": DEFAULT_MODALITIES,
    "UID_ROOT": "2.25",
    "CONTACT_SHEETS": "yes",
    "CONTACT_SHEET_KILOBYTES": "100",
    "DATA_DIR": ".demo/data",
    "IDENTITY_SECRET_FILE": ".demo/secret",
    "IDENTITY_KEY_FILE": "",
    "NOTIFY_URLS_FILE": "",
    "DAGSTER_UI_URL": "",
}
"""Every environment variable that is read, and its default."""

for _name, _default in SETTINGS.items():
    os.environ.setdefault(_name, _default)


def _env_var(name: str, kind: type) -> Any:
    """EnvVar keeps values out of Dagster's storage and UI: URLs may hold passwords."""
    if name not in SETTINGS:
        raise KeyError(f"no such setting: {name}")
    return dg.EnvVar.int(name) if kind is int else dg.EnvVar(name)


defs = build_definitions(build_resources(_env_var))

# What is imported by now stays to the end. The garbage collector would go through all of it again and again, and when
# the process ends: that alone takes most of a second.
gc.freeze()
