"""What registration wrote of a withdrawn study's images is taken back, and nothing else."""

from __future__ import annotations

import pytest

from dicom_assets.adapters.registration import NoRegistration, ResearchDatabaseRegistration
from dicom_assets.steps.ports import Unlinking
from dicom_assets_tests.adapters.builders import STUDY_UID, ResearchTables, a_registered_study, minutes

STUDY = "staging_radiologystudy"


@pytest.fixture
def tables(database_url: str) -> ResearchTables:
    """A research database of the newest version, with the study registered."""
    tables = ResearchTables(database_url)
    opened(tables).register(a_registered_study())
    return tables


def opened(tables: ResearchTables, minute: int = 30) -> ResearchDatabaseRegistration:
    return ResearchDatabaseRegistration.open(tables.url, clock=lambda: minutes(minute))


def test_only_the_uid_and_the_time_of_change_are_taken_back(tables: ResearchTables) -> None:
    before = tables.row(STUDY)

    counts = opened(tables, 40).unlink(STUDY_UID, ["2.25.42"])

    after = tables.row(STUDY)
    assert counts == {"rows_unlinked": 1}
    assert {name for name in after if after[name] != before[name]} == {"study_uid", "modified"}
    assert after["study_uid"] is None


def test_doing_it_again_changes_nothing(tables: ResearchTables) -> None:
    opened(tables).unlink(STUDY_UID, ["2.25.42"])
    before = tables.row(STUDY)

    assert opened(tables, 50).unlink(STUDY_UID, ["2.25.42"]) == {}
    assert tables.row(STUDY) == before


@pytest.mark.parametrize(("original", "uids"), [(STUDY_UID, ["2.25.43"]), (STUDY_UID, []), ("1.2.3", ["2.25.42"])])
def test_what_is_none_of_ours_stays(tables: ResearchTables, original: str, uids: list[str]) -> None:
    before = tables.row(STUDY)

    assert opened(tables).unlink(original, uids) == {}
    assert tables.row(STUDY) == before


def test_a_study_that_is_registered_again_is_linked_again(tables: ResearchTables) -> None:
    opened(tables).unlink(STUDY_UID, ["2.25.42"])

    assert opened(tables).register(a_registered_study()) == {"rows_updated": 1}
    assert tables.row(STUDY)["study_uid"] == "2.25.42"


def test_hooks_offer_it_or_not(tables: ResearchTables) -> None:
    assert isinstance(opened(tables), Unlinking)
    assert not isinstance(NoRegistration(), Unlinking)
