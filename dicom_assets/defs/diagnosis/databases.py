"""Checks of the three databases: they open, and have the schema that is expected. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence

from dicom_assets.adapters.databases import parse_url, sqlite_path
from dicom_assets.adapters.identity_db.refusals import SETTING
from dicom_assets.adapters.identity_db.schema import open_existing
from dicom_assets.defs.diagnosis.here import ENCOUNTER_QUERY, HOOK
from dicom_assets.defs.diagnosis.verdict import Check, Verdict, doubtful, fine, wrong
from dicom_assets.defs.surroundings import Resources

FAILING = "does not open, or is not as expected"
MOST_IDS = 10


def checks_of_databases(resources: Resources) -> list[Check]:
    """All of them, in order."""
    return [
        Check("review database", lambda: _review(resources), FAILING),
        Check("identity database", lambda: _identity(resources), FAILING, ("identity secret",)),
        Check("research database", lambda: _research(resources), FAILING, (HOOK, ENCOUNTER_QUERY)),
    ]


def _review(resources: Resources) -> Verdict:
    with resources.review_db.open(read_only=False) as review_db:
        rows = review_db.unusable_rows()
        if rows:
            found = "; ".join(f"{reason}: {_ids(ids)}" for reason, ids in rows.items())
            return doubtful(
                f"approved rows that no run can use: {found}",
                "Mend these rows of staging_radiologystudy and their reviews.",
            )
        if not review_db.can_mark_errors:
            return doubtful(
                "opens, but without columns for errors: a study that fails is taken again by every run",
                "Grant the rights that docs/databases.md names, unless the tables are older than these columns.",
            )
        return fine("opens, with the tables, columns and rights that are needed")


def _ids(ids: Sequence[int]) -> str:
    shown = ", ".join(map(str, ids[:MOST_IDS]))
    return f"{shown} and {len(ids) - MOST_IDS} more" if len(ids) > MOST_IDS else shown


def _identity(resources: Resources) -> Verdict:
    database = open_existing(resources.identity_db.url, resources.identity_db.secret(), resources.identity_db.key())
    if database is None:
        url = parse_url(resources.identity_db.url, SETTING)
        if url.get_backend_name() == "sqlite" and not sqlite_path(url, SETTING).parent.is_dir():
            folder = sqlite_path(url, SETTING).parent
            return wrong("not there, and can't be made", f"{SETTING}: make the folder {folder}, for its owner alone.")
        return fine("not there yet; the first run makes it")
    database.close()
    encrypted = ", encrypted" if resources.identity_db.key_file else ""
    return fine(f"opens, with this version's schema and this secret's mark{encrypted}")


def _research(resources: Resources) -> Verdict:
    if resources.registration.hook.strip() != "research_database":
        return doubtful("not checked: REGISTRATION_HOOK is not research_database")
    with resources.registration.open(read_only=True):
        return fine("opens, with the tables and columns of the old pipeline, and takes the encounter query")
