"""How a study is linked with a research database: the hooks that are shipped, and how to name one's own."""

from dicom_assets.adapters.registration.encounter_query import DEFAULT_ENCOUNTER_QUERY, EncounterQuery
from dicom_assets.adapters.registration.hooks import RegistrationHook, is_own_hook, load_registration
from dicom_assets.adapters.registration.none import NoRegistration
from dicom_assets.adapters.registration.research_database import ResearchDatabaseRegistration

__all__ = [
    "DEFAULT_ENCOUNTER_QUERY",
    "EncounterQuery",
    "NoRegistration",
    "RegistrationHook",
    "ResearchDatabaseRegistration",
    "is_own_hook",
    "load_registration",
]
