"""Checks of the three databases: they open, and have the schema that is expected. Nothing is written."""

from __future__ import annotations

from dicom_assets.adapters.databases import parse_url, sqlite_path
from dicom_assets.adapters.identity_db.schema import SETTING, open_existing
from dicom_assets.defs.diagnosis.here import ENCOUNTER_QUERY, HOOK
from dicom_assets.defs.diagnosis.verdict import Check, Verdict, doubtful, fine, wrong
from dicom_assets.defs.surroundings import Resources

FAILING = "does not open, or is not as expected"


def checks_of_databases(resources: Resources) -> list[Check]:
    """All of them, in order."""
    return [
        Check("review database", lambda: _review(resources), FAILING),
        Check("identity database", lambda: _identity(resources), FAILING, ("identity secret",)),
        Check("research database", lambda: _research(resources), FAILING, (HOOK, ENCOUNTER_QUERY)),
    ]


def _review(resources: Resources) -> Verdict:
    with resources.review_db.open(read_only=True):
        return fine("opens, with the tables and columns of django-dicom-review")


def _identity(resources: Resources) -> Verdict:
    database = open_existing(resources.identity_db.url, resources.identity_db.secret())
    if database is None:
        url = parse_url(resources.identity_db.url, SETTING)
        if url.get_backend_name() == "sqlite" and not sqlite_path(url, SETTING).parent.is_dir():
            folder = sqlite_path(url, SETTING).parent
            return wrong("not there, and can't be made", f"{SETTING}: make the folder {folder}, for its owner alone.")
        return fine("not there yet; the first run makes it")
    database.close()
    return fine("opens, with this version's schema and this secret's mark")


def _research(resources: Resources) -> Verdict:
    if resources.registration.hook.strip() != "research_database":
        return doubtful("not checked: REGISTRATION_HOOK is not research_database")
    with resources.registration.open(read_only=True):
        return fine("opens, with the tables and columns of the old pipeline, and takes the encounter query")
