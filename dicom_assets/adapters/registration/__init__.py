"""How a study is linked with a research database: the hooks that are shipped, and how to name one's own."""

from dicom_assets.adapters.registration.accession_query import DEFAULT_ACCESSION_QUERY
from dicom_assets.adapters.registration.hooks import RegistrationHook, load_registration
from dicom_assets.adapters.registration.none import NoRegistration
from dicom_assets.adapters.registration.research_database import ResearchDatabaseRegistration

__all__ = [
    "DEFAULT_ACCESSION_QUERY",
    "NoRegistration",
    "RegistrationHook",
    "ResearchDatabaseRegistration",
    "load_registration",
]
