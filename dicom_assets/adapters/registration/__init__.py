"""How a study is linked with a research database: the hooks that are shipped, and how to name one's own."""

from dicom_assets.adapters.registration.encounter_query import DEFAULT_ENCOUNTER_QUERY, EncounterQuery
from dicom_assets.adapters.registration.hooks import SHIPPED, RegistrationHook, load_registration, require_seconds
from dicom_assets.adapters.registration.none import NoRegistration
from dicom_assets.adapters.registration.research_database import ResearchDatabaseRegistration

__all__ = [
    "DEFAULT_ENCOUNTER_QUERY",
    "SHIPPED",
    "EncounterQuery",
    "NoRegistration",
    "RegistrationHook",
    "ResearchDatabaseRegistration",
    "load_registration",
    "require_seconds",
]
