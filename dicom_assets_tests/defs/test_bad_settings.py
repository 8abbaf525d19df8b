"""A wrong setting, database or profile: the run stops, says what to do, and touches nothing."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets_tests.conftest import Site, of_the_demo, running_site
from dicom_assets_tests.deployment import Deployment
from dicom_assets_tests.leaks import leaks

Settings = dict[str, object]


@dataclass(frozen=True)
class Case:
    """What is wrong, and what the message must say; `prepare` makes the settings in a folder."""

    name: str
    prepare: Callable[[Site, Path], Settings]
    said: tuple[str, ...]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all cases: none of them may change anything."""
    with running_site(tmp_path_factory.mktemp("settings"), of_the_demo(5)) as site:
        yield site


def setting(**settings: object) -> Callable[[Site, Path], Settings]:
    return lambda _site, _folder: settings


def missing_file(name: str, url: str = "{}") -> Callable[[Site, Path], Settings]:
    return lambda _site, folder: {name: url.format(folder / "not-there.db")}


def changed_database(name: str, setting_name: str, *statements: str) -> Callable[[Site, Path], Settings]:
    def prepare(site: Site, folder: Path) -> Settings:
        copy = shutil.copy(site.deployment.folder / f"{name}.db", folder / f"{name}.db")
        with closing(sqlite3.connect(copy)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return {setting_name: f"sqlite:///{copy}"}

    return prepare


def file_with(name: str, content: str, file: str) -> Callable[[Site, Path], Settings]:
    def prepare(_site: Site, folder: Path) -> Settings:
        (folder / file).write_text(content)
        return {name: folder / file}

    return prepare


def identities_under_another_secret(_site: Site, folder: Path) -> Settings:
    url = f"sqlite:///{folder / 'identity.db'}"
    IdentityDatabase.open(url, b"another secret of at least sixteen bytes").close()
    return {"IDENTITY_DB_URL": url}


def one_pacs_at_both_ends(site: Site, _folder: Path) -> Settings:
    return {"RESEARCH_PACS_PORT": site.staging.port}


def one_pacs_under_two_names(site: Site, _folder: Path) -> Settings:
    return {"RESEARCH_PACS_PORT": site.staging.port, "RESEARCH_PACS_HOST": "localhost"}


REVIEWS = "staging_radiologystudyreview"
CASES = [
    Case("review database missing", missing_file("REVIEW_DB_URL", "sqlite:///{}"), ("REVIEW_DB_URL", "no file")),
    Case(
        "review database without a table",
        changed_database("review", "REVIEW_DB_URL", f"DROP TABLE {REVIEWS}"),
        ("REVIEW_DB_URL", f"no table {REVIEWS}"),
    ),
    Case(
        "review database without a column",
        changed_database("review", "REVIEW_DB_URL", f"ALTER TABLE {REVIEWS} RENAME COLUMN relevant TO pertinent"),
        ("REVIEW_DB_URL", REVIEWS, "lacks column relevant", "migrate it"),
    ),
    Case(
        "review database that is none",
        file_with("REVIEW_DB_FILE", "This is a text file.\n" * 100, "review.db"),
        ("REVIEW_DB_URL", "does not open"),
    ),
    Case("research database missing", missing_file("RESEARCH_DB_URL", "sqlite:///{}"), ("RESEARCH_DB_URL", "no file")),
    Case(
        "research database without a table",
        changed_database("research", "RESEARCH_DB_URL", "DROP TABLE staging_patientphi"),
        ("RESEARCH_DB_URL", "no table staging_patientphi"),
    ),
    Case("not a database URL", setting(REVIEW_DB_URL="review.db"), ("REVIEW_DB_URL", "not a SQLAlchemy URL")),
    Case(
        "identity database of another secret",
        identities_under_another_secret,
        ("IDENTITY_DB_URL", "IDENTITY_SECRET_FILE", "another secret", "Put the former secret back"),
    ),
    Case(
        "secret file missing",
        missing_file("IDENTITY_SECRET_FILE"),
        ("IDENTITY_SECRET_FILE", "can't be read", "openssl rand"),
    ),
    Case(
        "secret too short",
        file_with("IDENTITY_SECRET_FILE", "short\n", "secret"),
        ("IDENTITY_SECRET_FILE", "less than 16 bytes"),
    ),
    Case(
        "profile that is no YAML",
        file_with("DEIDENTIFICATION_PROFILE", "name: mine\nversion: [1\n", "mine.yaml"),
        ("mine.yaml, line 3", "not valid YAML"),
    ),
    Case(
        "profile with an unknown field",
        file_with("DEIDENTIFICATION_PROFILE", "name: mine\nversion: 1\nquarantined: {}\n", "mine.yaml"),
        ("mine.yaml, line 3", "quarantined is not a field"),
    ),
    Case(
        "profile with a wrong value",
        file_with(
            "DEIDENTIFICATION_PROFILE", "name: mine\nversion: 1\nquarantine:\n  screen_save: perhaps\n", "mine.yaml"
        ),
        ("mine.yaml, line 4", "quarantine.screen_save must be true or false"),
    ),
    Case(
        "profile that is not there",
        setting(DEIDENTIFICATION_PROFILE="nothing.yaml"),
        ("nothing.yaml", "can't be read"),
    ),
    Case(
        "unknown protocol of the staging PACS",
        setting(STAGING_PACS_PROTOCOL="c-fetch"),
        ("STAGING_PACS_PROTOCOL must be one of auto, dicomweb, c-get, c-move",),
    ),
    Case(
        "window that is no time of day",
        setting(STAGING_PACS_WINDOW="8pm-6am"),
        ("STAGING_PACS_WINDOW must be a time of day such as 20:00-06:00",),
    ),
    Case(
        "speed below nothing",
        setting(RESEARCH_PACS_MAX_MEGABYTES_PER_SECOND=-1),
        ("RESEARCH_PACS_MAX_MEGABYTES_PER_SECOND must be 0",),
    ),
    Case("no association allowed", setting(STAGING_PACS_MAX_ASSOCIATIONS=0), ("STAGING_PACS_MAX_ASSOCIATIONS must",)),
    Case("neither yes nor no", setting(RESEARCH_PACS_TLS="maybe"), ("RESEARCH_PACS_TLS must be yes or no",)),
    *(
        Case(
            f"senders without {what}",
            setting(STAGING_PACS_PROTOCOL="c-move", STAGING_PACS_SENDERS=senders),
            ("STAGING_PACS_SENDERS must be AE titles with hosts",),
        )
        for what, senders in (("hosts", "GATEWAY"), ("titles", "ONE@127.0.0.1,@127.0.0.1"))
    ),
    Case("disk below nothing", setting(MIN_FREE_DISK_MEGABYTES=-1), ("MIN_FREE_DISK_MEGABYTES must be 0",)),
    Case("patience below nothing", setting(PACS_RETRY_SECONDS=-1), ("PACS_RETRY_SECONDS must be 0",)),
    Case(
        "authorities of TLS that are not there",
        setting(STAGING_PACS_TLS="yes", STAGING_PACS_TLS_CA_FILE="nowhere.pem"),
        ("STAGING_PACS_TLS_CA_FILE can't be used (no such file)",),
    ),
    Case(
        "unknown protocol of the research PACS",
        setting(RESEARCH_PACS_PROTOCOL="ftp"),
        ("RESEARCH_PACS_PROTOCOL must be one of",),
    ),
    Case(
        "no such way with storage commitment",
        setting(RESEARCH_PACS_STORAGE_COMMITMENT="perhaps"),
        ("RESEARCH_PACS_STORAGE_COMMITMENT must be one of auto, required, no",),
    ),
    Case(
        "lossy transcoding",
        setting(RESEARCH_PACS_TRANSCODE="lossy"),
        ("RESEARCH_PACS_TRANSCODE must be one of no, lossless",),
    ),
    Case(
        "one PACS at both ends",
        one_pacs_at_both_ends,
        ("STAGING_PACS", "RESEARCH_PACS", "same host and port", "correct"),
    ),
    Case(
        "one PACS under two names",
        one_pacs_under_two_names,
        ("STAGING_PACS", "RESEARCH_PACS", "same host and port", "correct"),
    ),
    Case(
        "DICOMweb without a URL",
        setting(STAGING_PACS_PROTOCOL="dicomweb"),
        ("STAGING_PACS_DICOMWEB_URL must be set",),
    ),
    Case(
        "DICOMweb with a token that is not there",
        setting(
            RESEARCH_PACS_PROTOCOL="dicomweb",
            RESEARCH_PACS_DICOMWEB_URL="https://pacs.example.org/dicom-web",
            RESEARCH_PACS_DICOMWEB_TOKEN_FILE="nowhere",
        ),
        ("RESEARCH_PACS_DICOMWEB_TOKEN_FILE can't be used (FileNotFoundError)",),
    ),
    Case(
        "one DICOMweb at both ends",
        setting(
            STAGING_PACS_DICOMWEB_URL="http://localhost:8042/dicom-web",
            RESEARCH_PACS_DICOMWEB_URL="http://127.0.0.1:8042/dicom-web/",
        ),
        ("STAGING_PACS_DICOMWEB_URL and RESEARCH_PACS_DICOMWEB_URL are the same",),
    ),
    Case("AE title too long", setting(LOCAL_AE_TITLE="A_TITLE_OF_SEVENTEEN"), ("LOCAL_AE_TITLE", "1 to 16")),
    Case("AE title with an umlaut", setting(STAGING_PACS_AE_TITLE="\u00dcBERSEE"), ("STAGING_PACS_AE_TITLE", "ASCII")),
    Case("AE title with a backslash", setting(RESEARCH_PACS_AE_TITLE="A\\B"), ("RESEARCH_PACS_AE_TITLE", "backslash")),
    Case("no host", setting(STAGING_PACS_HOST=" "), ("STAGING_PACS_HOST", "must not be empty")),
    Case("port out of range", setting(STAGING_PACS_PORT=70000), ("STAGING_PACS_PORT", "between 1 and 65535")),
    Case("unknown registration hook", setting(REGISTRATION_HOOK="nothing:here"), ("REGISTRATION_HOOK", "no module")),
]


def message_of(result: dg.ExecuteInProcessResult) -> str:
    """What the failed run says, as Dagster shows and stores it."""
    [failure] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    data: Any = failure.step_failure_data
    return str(data.user_failure_data.description if data.user_failure_data else data.error.message)


def unchanged(site: Site) -> dict[str, Any]:
    row = site.deployment.study_row(site.study().study_uid)
    return {"row": tuple(row), "research": site.research_files(), "offered": list(site.research.offered)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_run_stops_with_a_clear_message_and_touches_nothing(site: Site, tmp_path: Path, case: Case) -> None:
    before = unchanged(site)
    settings = case.prepare(site, tmp_path)
    if "REVIEW_DB_FILE" in settings:
        settings = {"REVIEW_DB_URL": f"sqlite:///{settings['REVIEW_DB_FILE']}"}
    wrong = Deployment(site.deployment.folder, dict(site.deployment.environment))
    wrong.set(**settings)

    result = wrong.execute()

    assert not result.success
    message = message_of(result)
    for part in case.said:
        assert part in message
    assert unchanged(site) == before
    assert leaks(site) == []


def test_port_of_ours_that_is_taken_fails_the_study_and_leaves_its_review_alone(site: Site) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        wrong = Deployment(site.deployment.folder, dict(site.deployment.environment))
        wrong.set(STAGING_PACS_PROTOCOL="c-move", LOCAL_PORT=port)

        result = wrong.execute()

    message = message_of(result)
    assert f"can't listen on 127.0.0.1 port {port}" in message
    assert "LOCAL_PORT" in message
    assert not site.deployment.study_row(site.study().study_uid)["processing_error"]
    assert leaks(site) == []


def test_corrected_settings_let_the_study_through_after_all_that(site: Site) -> None:
    result = site.deployment.execute()

    assert result.success
    assert site.deployment.study_row(site.study().study_uid)["image_published"]
    assert site.research.count() == site.study().publishable
    assert leaks(site) == []
