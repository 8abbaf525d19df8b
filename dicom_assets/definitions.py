"""The composition root: which settings there are, what they default to, and what they are joined to.

The defaults are those of the demo, so that `make demo` and `make ui` need no setting at all.
"""

import os

import dagster as dg

from dicom_assets.defs.build import build_definitions
from dicom_assets.defs.config import DEFAULT_MODALITIES
from dicom_assets.defs.resources import (
    DataDirResource,
    DeidentificationResource,
    IdentityDbResource,
    LocalNodeResource,
    RegistrationResource,
    ResearchPacsResource,
    ReviewDbResource,
    StagingPacsResource,
)

SETTINGS = {
    "STAGING_PACS_AE_TITLE": "STAGING",
    "STAGING_PACS_HOST": "127.0.0.1",
    "STAGING_PACS_PORT": "11140",
    "STAGING_PACS_PROTOCOL": "c-get",
    "RESEARCH_PACS_AE_TITLE": "RESEARCH",
    "RESEARCH_PACS_HOST": "127.0.0.1",
    "RESEARCH_PACS_PORT": "11141",
    "RESEARCH_PACS_PROTOCOL": "c-store",
    "LOCAL_AE_TITLE": "DICOM_ASSETS",
    "LOCAL_HOST": "127.0.0.1",
    "LOCAL_PORT": "11142",
    "REVIEW_DB_URL": "sqlite:///.demo/review.db",
    "IDENTITY_DB_URL": "sqlite:///.demo/identity.db",
    "RESEARCH_DB_URL": "sqlite:///.demo/research.db",
    "REGISTRATION_HOOK": "research_database",
    "DEIDENTIFICATION_PROFILE": "basic",
    "MODALITIES": DEFAULT_MODALITIES,
    "UID_ROOT": "2.25",
    "DATA_DIR": ".demo/data",
    "IDENTITY_SECRET_FILE": ".demo/secret",
}
"""Every environment variable that is read, and its default."""

for _name, _default in SETTINGS.items():
    os.environ.setdefault(_name, _default)

# EnvVar keeps values out of Dagster's storage and UI: URLs may hold passwords.
defs = build_definitions(
    {
        "local": LocalNodeResource(
            ae_title=dg.EnvVar("LOCAL_AE_TITLE"), host=dg.EnvVar("LOCAL_HOST"), port=dg.EnvVar.int("LOCAL_PORT")
        ),
        "staging_pacs": StagingPacsResource(
            ae_title=dg.EnvVar("STAGING_PACS_AE_TITLE"),
            host=dg.EnvVar("STAGING_PACS_HOST"),
            port=dg.EnvVar.int("STAGING_PACS_PORT"),
            protocol=dg.EnvVar("STAGING_PACS_PROTOCOL"),
        ),
        "research_pacs": ResearchPacsResource(
            ae_title=dg.EnvVar("RESEARCH_PACS_AE_TITLE"),
            host=dg.EnvVar("RESEARCH_PACS_HOST"),
            port=dg.EnvVar.int("RESEARCH_PACS_PORT"),
            protocol=dg.EnvVar("RESEARCH_PACS_PROTOCOL"),
        ),
        "review_db": ReviewDbResource(url=dg.EnvVar("REVIEW_DB_URL")),
        "identity_db": IdentityDbResource(
            url=dg.EnvVar("IDENTITY_DB_URL"), secret_file=dg.EnvVar("IDENTITY_SECRET_FILE")
        ),
        "registration": RegistrationResource(
            hook=dg.EnvVar("REGISTRATION_HOOK"), research_db_url=dg.EnvVar("RESEARCH_DB_URL")
        ),
        "deidentification": DeidentificationResource(
            profile=dg.EnvVar("DEIDENTIFICATION_PROFILE"), uid_root=dg.EnvVar("UID_ROOT")
        ),
        "data_dir": DataDirResource(path=dg.EnvVar("DATA_DIR")),
    }
)
