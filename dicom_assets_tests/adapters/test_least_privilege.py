"""A login with the rights that the documentation names, and no others, does the whole job."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from dicom_assets.adapters.databases import (
    BUSY_TIMEOUT_SECONDS,
    CONNECT_TIMEOUT_SECONDS,
    KEEPALIVE_SECONDS,
    open_database,
)
from dicom_assets.adapters.production import ProductionDatabase
from dicom_assets.adapters.registration import ResearchDatabaseRegistration
from dicom_assets.adapters.review_db import ReviewDatabase
from dicom_assets.cli import main
from dicom_assets.demo.databases import create_research_db, create_review_db, published_and_failed
from dicom_assets.errors import ConfigurationError, DicomAssetsError
from dicom_assets.study import PatientIdentity
from dicom_assets_tests.adapters.builders import a_registered_study, engine_for
from dicom_assets_tests.conftest import SmallSite, of_the_demo
from dicom_assets_tests.database_servers import MariaDbServer, PostgresqlServer, execute
from dicom_assets_tests.deployment import REPOSITORY

PAGE = (REPOSITORY / "docs" / "databases.md").read_text()
LOGIN, PASSWORD = "dicom_assets", "change-me"
NUMBERS = (5, 7, 10)
STUDIES = of_the_demo(*NUMBERS)
STUDY = "staging_radiologystudy"
OPTIONAL = ("patient_id", "accession_no")

_numbers = count(1)


def rights(server: str, database: str) -> list[str]:
    """The statements of one block of the page."""
    block = PAGE.partition(f"<!-- rights: {server} {database} -->\n```sql\n")[2].partition("```")[0]
    return [statement.strip() for statement in block.split(";") if statement.strip()]


@dataclass(frozen=True)
class Place:
    """Review and research database on one server, as an administrator and as the login of the page sees them."""

    kind: str
    admin: Callable[[str], str]
    clerk: Callable[[str], str]
    engines: dict[str, Engine]

    def change(self, database: str, statement: str) -> None:
        """As the administrator, over one connection: there are many."""
        if database not in self.engines:
            self.engines[database] = create_engine(self.admin(database), isolation_level="AUTOCOMMIT")
        with self.engines[database].connect() as connection:
            connection.execute(text(statement))

    def single_rights(self, database: str) -> list[tuple[str, str, str]]:
        """The page's rights one by one: privilege, column, table."""
        single = []
        for statement in rights(self.kind, database):
            if found := re.search(r"\bON ((?!SCHEMA|SEQUENCE)[\w.]+) TO", statement):
                for privilege, columns in re.findall(r"(SELECT|UPDATE|INSERT) \(([^)]*)\)", statement):
                    single += [(privilege, column.strip(), found.group(1)) for column in columns.split(",")]
        return single

    def give(self, database: str, right: tuple[str, str, str], *, back: bool) -> None:
        privilege, column, table = right
        verb, direction = ("GRANT", "TO") if back else ("REVOKE", "FROM")
        login = f"'{LOGIN}'@'%'" if self.kind == "mariadb" else LOGIN
        self.change(database, f"{verb} {privilege} ({column}) ON {table} {direction} {login}")


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The demo's databases on a server, and the login that the page's statements make."""
    server: PostgresqlServer | MariaDbServer = request.getfixturevalue(f"{request.param}_server")
    home = server.url("postgres" if request.param == "postgresql" else "mysql")
    place = Place(request.param, server.url, lambda database: server.url(database, LOGIN, PASSWORD), {})
    execute(home, ["CREATE DATABASE dicom_review", "CREATE DATABASE research"])
    create_review_db(place.admin("dicom_review"), STUDIES)
    create_research_db(place.admin("research"), STUDIES)
    execute(place.admin("dicom_review"), rights(request.param, "review"))
    execute(place.admin("research"), rights(request.param, "research"))
    execute(place.admin("research"), rights(request.param, "production"))
    yield place
    for engine in place.engines.values():
        engine.dispose()
    forced = " WITH (FORCE)" if request.param == "postgresql" else ""  # whoever is still connected there
    execute(home, [f"DROP DATABASE dicom_review{forced}", f"DROP DATABASE research{forced}"])
    execute(home, [f"DROP USER {LOGIN}"])


def test_the_page_has_rights_for_every_server() -> None:
    for server in ("postgresql", "mariadb"):
        assert len(rights(server, "review")) >= 3
        assert len(rights(server, "research")) >= 7


def test_the_page_tells_how_long_we_wait() -> None:
    assert (
        f"after {CONNECT_TIMEOUT_SECONDS} seconds for a connection, after {BUSY_TIMEOUT_SECONDS:.0f} for a row" in PAGE
    )
    assert f"after {BUSY_TIMEOUT_SECONDS + CONNECT_TIMEOUT_SECONDS:.0f} for any" in PAGE
    assert KEEPALIVE_SECONDS * 2 <= 60, "within a minute"


def test_the_whole_job_runs_with_the_rights_of_the_page(place: Place, make_site: SmallSite) -> None:
    urls = {"REVIEW_DB_URL": place.clerk("dicom_review"), "RESEARCH_DB_URL": place.clerk("research")}
    site = make_site(NUMBERS, **urls)
    doctor = CliRunner().invoke(main, ["doctor", "--json"], env=site.deployment.process_environment())
    states = {check["check"]: (check["state"], check["finding"]) for check in json.loads(doctor.output)["checks"]}
    assert states["review database"] == ("green", "opens, with the tables, columns and rights that are needed")
    assert states["research database"][0] == "green"
    assert states["clock"] == ("green", "agrees with that of REVIEW_DB_URL")

    result = site.deployment.execute()

    assert not result.success
    published, failed = published_and_failed(place.admin("dicom_review"))
    assert published == {study.study_uid for study in site.published()}
    assert (len(published), len(failed)) == (1, 1)
    assert site.research.count() == sum(study.publishable for study in site.published())
    registered = "SELECT count(*) FROM staging_radiologystudy WHERE study_uid IS NOT NULL AND pub_date IS NOT NULL"
    with engine_for(place.admin("research")).connect() as connection:
        assert connection.execute(text(registered)).scalar() == 1
    assert "Unable to find encounter in EHR" in site.deployment.overview()


def test_every_right_on_the_review_database_is_needed_and_its_lack_is_told_at_start(place: Place) -> None:
    url = place.clerk("dicom_review")
    for right in place.single_rights("review"):
        place.give("dicom_review", right, back=False)
        try:
            if place.kind == "mariadb" and right[1] in OPTIONAL:
                ReviewDatabase.open(url).close()  # nobody sees there what he has no right on
                continue
            with pytest.raises(
                ConfigurationError, match=r"REVIEW_DB_URL.*grant the rights that docs/databases\.md"
            ) as e:
                ReviewDatabase.open(url)
            assert not [word for word in (LOGIN, PASSWORD) if word in str(e.value)], right
        finally:
            place.give("dicom_review", right, back=True)
    ReviewDatabase.open(url).close()


def test_every_right_on_the_research_database_is_needed(place: Place) -> None:
    url = place.clerk("research")
    demo = STUDIES[0]

    def register() -> None:
        hook = ResearchDatabaseRegistration.open(url)
        try:
            patient = PatientIdentity(demo.patient.mrn)
            study = a_registered_study(
                patient=patient,
                alias=hook.alias_for(patient) or "",
                accession_numbers=(demo.accession_number,),
                original_study_uid=f"1.2.9.{next(_numbers)}",
            )
            assert hook.register(study) == {"rows_inserted": 1}
            place.change("research", f"UPDATE {STUDY} SET pub_date = NULL")
            assert hook.register(study) == {"rows_updated": 1}
        finally:
            hook.close()

    unneeded, told = [], ""
    for right in place.single_rights("research"):
        place.give("research", right, back=False)
        try:
            register()
        except DicomAssetsError as error:
            told += str(error)
        else:
            unneeded.append(right)
        finally:
            place.give("research", right, back=True)
    register()
    assert unneeded == []
    assert not [word for word in (LOGIN, PASSWORD, demo.patient.mrn, demo.accession_number) if word in told]


def test_published_studies_are_copied_and_withdrawn_with_the_rights_of_the_page(place: Place) -> None:
    demo, uid, new = STUDIES[0], f"1.2.9.{next(_numbers)}", "2.25.77"
    url = place.clerk("research")
    with (
        closing(ResearchDatabaseRegistration.open(url)) as hook,
        closing(ProductionDatabase.open(url)) as production,
    ):
        patient = PatientIdentity(demo.patient.mrn)
        study = a_registered_study(
            patient=patient,
            alias=hook.alias_for(patient) or "",
            accession_numbers=(demo.accession_number,),
            original_study_uid=uid,
            study_uid=new,
        )
        hook.register(study)
        first = production.copy(uid, new)
        for table in ("patient", "encounter", "radiologystudy"):
            place.change("research", f"UPDATE staging_{table} SET modified = '2024-05-05 05:05:05'")
        second = production.copy(uid, new)
        taken_back = hook.unlink(uid, [new])
    assert first == {f"{table}_inserted": 1 for table in ("patient", "encounter", "radiologystudy", "dataavailability")}
    assert {what for what in second if what.endswith("updated")} == {
        f"{table}_updated" for table in ("patient", "encounter", "radiologystudy")
    }
    assert taken_back["production_radiologystudy_deleted"] == 1
    assert taken_back["production_dataavailability_updated"] == 1


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT impression FROM {STUDY}",
        f"UPDATE {STUDY} SET exclude = NULL",
        f"UPDATE {STUDY} SET accession_no = ''",
        f"DELETE FROM {STUDY}",
        f"INSERT INTO {STUDY} (id) VALUES (9999)",
        "UPDATE staging_radiologystudyreview SET has_phi = NULL",
        "SELECT user_id FROM staging_radiologystudyreview",
        "SELECT mrn FROM staging_patientphi",
        "DROP TABLE staging_radiologystudyreview",
    ],
)
def test_the_login_can_do_nothing_else(place: Place, statement: str) -> None:
    database = open_database(place.clerk("dicom_review"), "REVIEW_DB_URL")
    with (
        pytest.raises(ConfigurationError, match=r"does not allow that to this login"),
        database.writing() as connection,
    ):
        connection.execute(text(statement))
    database.close()


def test_login_without_rights_on_columns_for_errors_is_shown_by_the_doctor(
    mariadb_server: MariaDbServer, make_site: SmallSite
) -> None:
    url = mariadb_server.new_url()
    create_review_db(url, STUDIES)
    name = url.rpartition("/")[2]
    statements = [
        re.sub(r",\s*processing_error\w*", "", statement)
        .replace("dicom_review.", f"{name}.")
        .replace(LOGIN, "sentinel_c2")
        for statement in rights("mariadb", "review")
    ]
    execute(url, statements)
    site = make_site((5,), REVIEW_DB_URL=mariadb_server.url(name, "sentinel_c2", PASSWORD))

    doctor = CliRunner().invoke(main, ["doctor", "--json"], env=site.deployment.process_environment())

    (found,) = (check for check in json.loads(doctor.output)["checks"] if check["check"] == "review database")
    assert found["state"] == "yellow"
    assert "without columns for errors" in found["finding"]
    assert "docs/databases.md" in found["remedy"]
    with pytest.raises(DBAPIError):
        execute(mariadb_server.url(name, "sentinel_c2", PASSWORD), [f"UPDATE {STUDY} SET processing_error = 1"])
