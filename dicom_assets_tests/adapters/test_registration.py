"""Registration links a study, or refuses it without naming anybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from dicom_assets.adapters.registration import (
    EncounterQuery,
    NoRegistration,
    RegistrationHook,
    ResearchDatabaseRegistration,
    load_registration,
)
from dicom_assets.adapters.registration.study_row import sop_class_text
from dicom_assets.errors import ConfigurationError, RegistrationRefusedError, StudyError, TransientError
from dicom_assets.steps.ports import Registration
from dicom_assets.study import PatientIdentity, RegisteredStudy
from dicom_assets_tests.adapters.builders import (
    ACCESSION,
    MRN,
    NOON,
    STUDY_UID,
    ResearchTables,
    a_registered_study,
    minutes,
    names_nothing_identified,
    sqlite_file,
)

STUDY = "staging_radiologystudy"


@pytest.fixture
def tables(any_database_url: str) -> ResearchTables:
    """A research database of the newest version."""
    return ResearchTables(any_database_url)


def opened(tables: ResearchTables, **options: Any) -> ResearchDatabaseRegistration:
    return ResearchDatabaseRegistration.open(tables.url, clock=lambda: minutes(30), **options)


def a_stored_study(tables: ResearchTables, **values: Any) -> int:
    other = tables.patient("RESEARCH-9", "MRN-9")
    defaults = {
        "original_study_uid": STUDY_UID,
        "patient_id": other,
        "encounter_id": tables.encounter(other),
        "requested": True,
        "exclude": False,
        "image_published": False,
        "accession_no": ACCESSION,
        "high_risk_flag": True,
        "impression": "stays",
    }
    return tables.add(STUDY, **defaults | values)


def utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def test_adapters_fulfil_the_port(tables: ResearchTables) -> None:
    hooks: list[Registration] = [NoRegistration(), opened(tables)]
    checking: list[RegistrationHook] = [NoRegistration(), opened(tables)]
    assert [hook.name for hook in hooks] == [hook.name for hook in checking]
    assert [hook.name.split()[0] for hook in hooks] == ["none", "research_database"]


def test_hook_none_has_no_alias_and_links_nothing() -> None:
    hook = NoRegistration()
    assert hook.alias_for(PatientIdentity(MRN)) is None
    hook.check(a_registered_study())
    assert hook.register(a_registered_study()) == {}


@pytest.mark.parametrize("patient_id", [MRN, f" {MRN} ", "RESEARCH-1"])
def test_alias_is_found_by_mrn_and_by_alias(tables: ResearchTables, patient_id: str) -> None:
    assert opened(tables).alias_for(PatientIdentity(patient_id)) == "RESEARCH-1"


def test_mrn_goes_before_alias(tables: ResearchTables) -> None:
    tables.patient("RESEARCH-2", "RESEARCH-1")
    assert opened(tables).alias_for(PatientIdentity("RESEARCH-1")) == "RESEARCH-2"


@pytest.mark.parametrize("patient_id", ["SENTINEL-UNKNOWN", "", " "])
def test_unknown_patient_has_no_alias(tables: ResearchTables, patient_id: str) -> None:
    assert opened(tables).alias_for(PatientIdentity(patient_id)) is None


def test_existing_row_gets_the_link_and_keeps_the_rest(tables: ResearchTables) -> None:
    a_stored_study(tables)
    before = tables.row(STUDY)
    assert opened(tables).register(a_registered_study()) == {"rows_updated": 1}
    after = tables.row(STUDY)
    changed = {name: value for name, value in after.items() if value != before[name]}
    times = {name: utc(changed.pop(name)) for name in ("created", "modified", "pub_date")}
    assert times == dict.fromkeys(times, minutes(30))
    assert changed == {
        "patient_id": tables.patient_id,
        "encounter_id": tables.encounter_id,
        "study_uid": "2.25.42",
        "number_of_series": 2,
        "total_images": 40,
        "modality": "CT",
        "sop_class": "1.2.840.10008.5.1.4.1.1.2",
    }


def test_publication_date_that_is_set_stays(tables: ResearchTables) -> None:
    a_stored_study(tables, pub_date=NOON)
    opened(tables).register(a_registered_study())
    assert utc(tables.row(STUDY)["pub_date"]) == NOON


def test_registering_again_changes_nothing(tables: ResearchTables) -> None:
    opened(tables).register(a_registered_study())
    before = tables.rows(STUDY)
    later = ResearchDatabaseRegistration.open(tables.url, clock=lambda: minutes(99))
    assert later.register(a_registered_study()) == {"rows_unchanged": 1}
    assert tables.rows(STUDY) == before


def test_all_rows_of_the_study_are_linked(tables: ResearchTables) -> None:
    a_stored_study(tables)
    tables.add(STUDY, **{k: v for k, v in tables.row(STUDY).items() if k != "id"})
    assert opened(tables).register(a_registered_study()) == {"rows_updated": 2}


def test_study_without_a_row_gets_one_with_every_needed_column(tables: ResearchTables) -> None:
    assert opened(tables).register(a_registered_study()) == {"rows_inserted": 1}
    row = tables.row(STUDY)
    assert row["original_study_uid"] == STUDY_UID
    assert row["accession_no"] == ACCESSION
    assert row["patient_id"] == tables.patient_id
    assert utc(row["pub_date"]) == minutes(30)
    assert not any(row[flag] for flag in ("requested", "exclude", "image_published", "high_risk_flag"))


def test_needed_columns_of_the_site_are_filled(tables: ResearchTables) -> None:
    with tables.engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {STUDY}"))
        stamp = "TIMESTAMP" if tables.engine.dialect.name == "postgresql" else "DATETIME"
        connection.execute(
            text(
                f"CREATE TABLE {STUDY} (id INTEGER PRIMARY KEY DEFAULT 7, original_study_uid TEXT, study_uid TEXT, "
                f"cohort VARCHAR(9) NOT NULL, score FLOAT NOT NULL, day DATE NOT NULL, seen {stamp} NOT NULL, "
                "kept INTEGER NOT NULL DEFAULT 3)"
            )
        )
    opened(tables).register(a_registered_study())
    with tables.engine.connect() as connection:
        row = connection.execute(text(f"SELECT cohort, score, kept FROM {STUDY}")).one()
    assert tuple(row) == ("", 0, 3)


def test_tables_without_links_serve(any_database_url: str) -> None:
    tables = ResearchTables(any_database_url, links=False)
    assert opened(tables).register(a_registered_study()) == {"rows_inserted": 1}


def test_newest_data_source_of_a_contact_counts(tables: ResearchTables) -> None:
    newest = tables.encounter(tables.patient_id)
    tables.source(newest)
    tables.source(tables.encounter(tables.patient_id), target="elsewhere")
    tables.source(tables.encounter(tables.patient_id), field_1="other.pat_enc_csn_id")
    opened(tables).register(a_registered_study())
    assert tables.row(STUDY)["encounter_id"] == newest


def test_highest_of_several_encounters_counts(tables: ResearchTables) -> None:
    highest = tables.encounter(tables.patient_id)
    tables.lead_to(highest, ACCESSION, contact=501, order=51)
    tables.lead_to(tables.encounter_id, ACCESSION, contact=502, order=52)
    opened(tables).register(a_registered_study())
    assert tables.row(STUDY)["encounter_id"] == highest


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (a_registered_study(accession_numbers=("SENTINEL-OTHER",)), "$"),
        (a_registered_study(accession_numbers=("  ",)), "$"),
        (a_registered_study(accession_numbers=()), "$"),
        (a_registered_study(accession_numbers=("SENTINEL-1", "SENTINEL-2")), ": the study has several accession"),
        (
            a_registered_study(patient=PatientIdentity("SENTINEL-2")),
            ": the research database does not know the patient",
        ),
        (a_registered_study(alias="P123"), ": the patient's alias is not the one in the instances"),
    ],
)
def test_study_that_cannot_be_linked_is_refused_by_check_and_register_alike(
    tables: ResearchTables, study: RegisteredStudy, message: str
) -> None:
    hook = opened(tables)
    for act in (hook.check, hook.register):
        with pytest.raises(RegistrationRefusedError, match=f"^Unable to find encounter in EHR{message}") as caught:
            act(study)
        assert names_nothing_identified(str(caught.value))
    assert tables.rows(STUDY) == []


def test_encounter_of_another_patient_is_refused(tables: ResearchTables) -> None:
    tables.source(tables.encounter(tables.patient("RESEARCH-2", "MRN-2")))
    with pytest.raises(RegistrationRefusedError, match="another patient"):
        opened(tables).register(a_registered_study())


def test_encounter_that_is_gone_is_refused(tables: ResearchTables) -> None:
    tables.source(999)
    with pytest.raises(RegistrationRefusedError, match="Unable to find encounter in EHR"):
        opened(tables).register(a_registered_study())


def whole_database(tables: ResearchTables) -> dict[str, Any]:
    with tables.engine.connect() as connection:
        return {
            name: sorted(map(repr, connection.execute(select(table)))) for name, table in tables.metadata.tables.items()
        }


def test_dry_run_leaves_the_whole_database_as_it_is(tables: ResearchTables) -> None:
    a_stored_study(tables)
    before = whole_database(tables)
    hook = opened(tables, read_only=True)
    hook.alias_for(PatientIdentity(MRN))
    hook.check(a_registered_study())
    with pytest.raises(ConfigurationError, match="reading only"):
        hook.register(a_registered_study())
    assert whole_database(tables) == before


def test_registering_touches_the_one_row_alone(tables: ResearchTables) -> None:
    a_stored_study(tables)
    another = {**tables.row(STUDY), "original_study_uid": f"{STUDY_UID}.1"}
    tables.add(STUDY, **{name: value for name, value in another.items() if name != "id"})
    before = whole_database(tables)
    opened(tables).register(a_registered_study())
    after = whole_database(tables)
    [changed] = [name for name in after if after[name] != before[name]]
    assert changed == STUDY
    assert len(set(after[STUDY]) - set(before[STUDY])) == 1


def test_id_that_differs_in_case_is_another_patients(tables: ResearchTables) -> None:
    assert opened(tables).alias_for(PatientIdentity(MRN.lower())) is None


def test_statement_that_takes_too_long_fails_the_study_for_now(new_postgresql_url: Callable[[], str]) -> None:
    tables = ResearchTables(new_postgresql_url())
    slow = EncounterQuery("SELECT id FROM staging_encounter WHERE pg_sleep(length(:accession_no)) IS NOT NULL")
    hook = opened(tables, encounter_query=slow, timeout_seconds=0.1)
    with pytest.raises(TransientError, match="RESEARCH_DB_URL"):
        hook.check(a_registered_study())


def test_check_keeps_the_bytes_of_the_file(tmp_path: Path) -> None:
    tables = ResearchTables(f"sqlite:///{tmp_path / 'research.db'}")
    tables.engine.dispose()
    before = sqlite_file(tables.url).read_bytes()
    opened(tables, read_only=True).check(a_registered_study())
    assert sqlite_file(tables.url).read_bytes() == before


def test_row_that_the_database_refuses_is_told_without_values(tables: ResearchTables) -> None:
    with tables.engine.begin() as connection:
        connection.execute(text(f"CREATE UNIQUE INDEX once ON {STUDY} (study_uid)"))
    opened(tables).register(a_registered_study())
    with pytest.raises(StudyError, match="RESEARCH_DB_URL") as caught:
        opened(tables).register(a_registered_study(original_study_uid=STUDY_UID + ".2"))
    assert names_nothing_identified(str(caught.value))


@pytest.mark.parametrize("table", ["core_datasource", STUDY, "staging_patientphi"])
def test_missing_table_names_the_setting(tables: ResearchTables, table: str) -> None:
    with tables.engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {table}"))
    with pytest.raises(ConfigurationError, match="RESEARCH_DB_URL"):
        opened(tables)


def test_missing_database_names_the_setting_and_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="RESEARCH_DB_URL"):
        load_registration("research_database", f"sqlite:///{tmp_path / 'absent.db'}")
    assert not list(tmp_path.iterdir())


def test_shipped_hooks_are_loaded_by_name(tables: ResearchTables) -> None:
    assert load_registration("none", "").name == "none"
    assert load_registration(" ", "").name == "none"
    assert isinstance(load_registration("research_database", tables.url), ResearchDatabaseRegistration)


@pytest.mark.parametrize(
    ("uid", "text_"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2"),
        ("1.2.840.10008.5.1.4.1.1.77.1.5.1", "Ophthalmic Photography 8 Bit I"),
        ("", ""),
    ],
)
def test_sop_class_that_is_too_long_becomes_its_name(uid: str, text_: str) -> None:
    assert sop_class_text(uid, 30) == text_
