"""`dicom-assets doctor`: one thing is wrong, one line is red and says how to mend it."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dicom_assets.adapters.identity_db import IdentityDatabase
from dicom_assets.adapters.pacs.canary import ACCEPTANCE
from dicom_assets.adapters.pacs.commitment import ReportTimes
from dicom_assets.adapters.pacs.tls import TlsFiles
from dicom_assets.cli import main
from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets.demo.pacs_index import STUDY_UID
from dicom_assets_tests.adapters.test_handshake import Papers, tls_door
from dicom_assets_tests.certificates import Certificates
from dicom_assets_tests.committing_pacs import committing
from dicom_assets_tests.conftest import Site, running_site
from dicom_assets_tests.deployment import Deployment, free_port
from dicom_assets_tests.orthanc import running_orthanc
from dicom_assets_tests.scripted_pacs import CANARY
from dicom_assets_tests.small_studies import small_study
from dicom_assets_tests.test_certificates import needs_dicomweb, needs_orthanc

STUDY = small_study(21, "somebody's study")
Settings = dict[str, object]
Report = dict[str, dict[str, str]]


@dataclass(frozen=True)
class World:
    """The site, a folder, certificates, and what ends with the test."""

    site: Site
    folder: Path
    papers: Papers
    life: ExitStack


@dataclass(frozen=True)
class Case:
    """What is wrong, which check says so, and what its remedy names."""

    name: str
    prepare: Callable[[World], Settings]
    red: str
    remedy: tuple[str, ...]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("doctor"), [STUDY], STAGING_PACS_PROTOCOL="c-move") as running:
        yield in_order(running)


def in_order(site: Site) -> Site:
    """Nothing for the doctor to find; and no PACS that waits long for an association that never comes."""
    (site.deployment.folder / "secret").chmod(0o600)
    for pacs in (site.staging, site.research):
        ae: Any = pacs._ae
        ae.acse_timeout = 1
    return site


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def world(site: Site, papers: Papers, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as life:
        yield World(site, tmp_path, papers, life)


def examine(site: Site, *options: str, **settings: object) -> Result:
    patient = Deployment(site.deployment.folder, dict(site.deployment.environment))
    patient.set(**settings)
    return CliRunner().invoke(main, ["doctor", *options], env=patient.process_environment())


def report_of(result: Result) -> Report:
    return {check["check"]: check for check in json.loads(result.output)["checks"]}


def red(report: Report) -> list[str]:
    return [name for name, check in report.items() if check["state"] == "red"]


def setting(**settings: object) -> Callable[[World], Settings]:
    return lambda _world: settings


def a_port_that_is_taken(world: World) -> Settings:
    listener = world.life.enter_context(socket.create_server(("127.0.0.1", 0)))
    return {"LOCAL_PORT": listener.getsockname()[1]}


def a_destination_elsewhere(world: World) -> Settings:
    (world.folder / "stranger").mkdir()
    port = int(world.site.deployment.environment["LOCAL_PORT"])
    world.life.enter_context(EmbeddedPacs("DICOM_ASSETS", port, world.folder / "stranger", {}))
    return {"LOCAL_PORT": free_port()}


def an_unknown_calling_ae_title(world: World) -> Settings:
    ae: Any = world.site.staging._ae
    ae.require_calling_aet = ["SOMEONE"]
    world.life.callback(setattr, ae, "require_calling_aet", [])
    return {}


def with_tls(**issue: datetime) -> Callable[[World], Settings]:
    """A PACS that shows a certificate of this kind."""

    def prepare(world: World) -> Settings:
        files = world.papers.issue("hospital", "expired" if issue else "pacs", **issue)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate_file)
        node = world.life.enter_context(tls_door(context))
        return {"STAGING_PACS_PORT": node.port, "STAGING_PACS_TLS": "yes", "STAGING_PACS_TLS_CA_FILE": files.ca_file}

    return prepare


def tls_where_plain_is_wanted(world: World) -> Settings:
    return with_tls()(world) | {"STAGING_PACS_TLS": "no"}


def trusting_a_stranger(world: World) -> Settings:
    world.papers.issue("stranger", "somebody")
    return with_tls()(world) | {"STAGING_PACS_TLS_CA_FILE": world.papers.folder / "stranger.pem"}


def plain_where_tls_is_wanted(world: World) -> Settings:
    files: TlsFiles = world.papers.issue("hospital", "pacs")
    return {"STAGING_PACS_TLS": "yes", "STAGING_PACS_TLS_CA_FILE": files.ca_file}


def a_secret_that_all_can_read(world: World) -> Settings:
    secret = Path(shutil.copy(world.site.deployment.folder / "secret", world.folder / "secret"))
    secret.chmod(0o644)
    return {"IDENTITY_SECRET_FILE": secret}


def a_file_where_data_dir_should_be(world: World) -> Settings:
    (world.folder / "data").write_text("in the way")
    return {"DATA_DIR": world.folder / "data"}


def without_a_column(world: World) -> Settings:
    copy = shutil.copy(world.site.deployment.folder / "review.db", world.folder / "review.db")
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("ALTER TABLE staging_radiologystudyreview RENAME COLUMN relevant TO pertinent")
        connection.commit()
    return {"REVIEW_DB_URL": f"sqlite:///{copy}"}


def identities_of_another_secret(world: World) -> Settings:
    url = f"sqlite:///{world.folder / 'identity.db'}"
    IdentityDatabase.open(url, b"another secret of at least sixteen bytes").close()
    return {"IDENTITY_DB_URL": url}


def a_profile_with_a_mistake(world: World) -> Settings:
    (world.folder / "mine.yaml").write_text("name: mine\nversion: 1\nquarantined: {}\n")
    return {"DEIDENTIFICATION_PROFILE": world.folder / "mine.yaml"}


def an_encounter_query(world: World, sql: str) -> Settings:
    (world.folder / "encounters.sql").write_text(sql)
    return {"REGISTRATION_ENCOUNTER_QUERY_FILE": world.folder / "encounters.sql"}


def one_pacs_at_both_ends(world: World) -> Settings:
    return {"RESEARCH_PACS_PORT": world.site.staging.port, "RESEARCH_PACS_AE_TITLE": "STAGING"}


def one_pacs_under_two_names(world: World) -> Settings:
    return one_pacs_at_both_ends(world) | {"RESEARCH_PACS_HOST": "localhost"}


def a_web_server(world: World, *, ahead: timedelta, body: bytes = b"[]") -> str:
    """The URL of one whose clock is ahead, and that answers every query with this."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815  http.server's names

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((datetime.now(UTC) + ahead).timestamp())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    world.life.callback(server.server_close)
    world.life.callback(thread.join)
    world.life.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_address[1]}/dicom-web"


LAST_YEAR = datetime.now(UTC) - timedelta(days=365)

CASES = [
    Case(
        "wrong port",
        lambda _world: {"STAGING_PACS_PORT": free_port()},
        "staging PACS: port",
        ("STAGING_PACS_HOST", "STAGING_PACS_PORT"),
    ),
    Case(
        "wrong host",
        setting(RESEARCH_PACS_HOST="no-such.invalid"),
        "research PACS: host",
        ("RESEARCH_PACS_HOST", "DNS"),
    ),
    Case(
        "wrong called AE title",
        setting(RESEARCH_PACS_AE_TITLE="SOMEONE"),
        "research PACS: C-ECHO",
        ("correct RESEARCH_PACS_AE_TITLE",),
    ),
    Case(
        "unknown calling AE title",
        an_unknown_calling_ae_title,
        "staging PACS: C-ECHO",
        ("does not know our AE title DICOM_ASSETS", "LOCAL_AE_TITLE"),
    ),
    Case(
        "expired certificate",
        with_tls(not_before=LAST_YEAR, not_after=LAST_YEAR + timedelta(days=9)),
        "staging PACS: TLS",
        ("has expired", "renewed"),
    ),
    Case("unknown authority", trusting_a_stranger, "staging PACS: TLS", ("STAGING_PACS_TLS_CA_FILE",)),
    Case("plain DICOM there", plain_where_tls_is_wanted, "staging PACS: TLS", ("STAGING_PACS_TLS=no",)),
    Case("TLS there", tls_where_plain_is_wanted, "staging PACS: C-ECHO", ("STAGING_PACS_TLS=yes",)),
    Case(
        "TLS file missing",
        setting(STAGING_PACS_TLS="yes", STAGING_PACS_TLS_CA_FILE="/none.pem"),
        "settings",
        ("STAGING_PACS_TLS_CA_FILE",),
    ),
    Case("port of ours taken", a_port_that_is_taken, "our Storage SCP", ("LOCAL_HOST and LOCAL_PORT",)),
    Case(
        "move destination elsewhere",
        a_destination_elsewhere,
        "staging PACS: C-MOVE to us",
        ("registered there as 127.0.0.1 port", "LOCAL_PORT"),
    ),
    Case(
        "canary gone",
        setting(STAGING_PACS_CANARY_UID="2.25.4711"),
        "staging PACS: C-MOVE to us",
        ("dicom-assets canary send", "STAGING_PACS_CANARY_UID"),
    ),
    Case("no canary", setting(STAGING_PACS_CANARY_UID=""), "settings", ("dicom-assets canary send", ACCEPTANCE)),
    Case("one PACS at both ends", one_pacs_at_both_ends, "two different PACSs", ("ONE_PACS_AT_BOTH_ENDS",)),
    Case("one PACS under two names", one_pacs_under_two_names, "two different PACSs", ("ONE_PACS_AT_BOTH_ENDS",)),
    Case(
        "secret missing",
        lambda world: {"IDENTITY_SECRET_FILE": world.folder / "none"},
        "identity secret",
        ("IDENTITY_SECRET_FILE", "openssl rand"),
    ),
    Case("secret that all can read", a_secret_that_all_can_read, "identity secret", ("chmod 600",)),
    Case("file in place of DATA_DIR", a_file_where_data_dir_should_be, "DATA_DIR", ("DATA_DIR", "may write")),
    Case(
        "disk full",
        setting(MIN_FREE_DISK_MEGABYTES=2**40),
        "free disk",
        ("MIN_FREE_DISK_MEGABYTES", "dicom-assets purge"),
    ),
    Case(
        "review database missing",
        lambda world: {"REVIEW_DB_URL": f"sqlite:///{world.folder / 'none.db'}"},
        "review database",
        ("REVIEW_DB_URL", "no file"),
    ),
    Case(
        "review database of another schema", without_a_column, "review database", ("lacks column relevant", "migrate")
    ),
    Case(
        "research database missing",
        lambda world: {"RESEARCH_DB_URL": f"sqlite:///{world.folder / 'none.db'}"},
        "research database",
        ("RESEARCH_DB_URL", "no file"),
    ),
    Case(
        "identity database of another secret",
        identities_of_another_secret,
        "identity database",
        ("IDENTITY_DB_URL", "Put the former secret back"),
    ),
    Case("profile with a mistake", a_profile_with_a_mistake, "profile", ("mine.yaml, line 3",)),
    Case("hook that is not there", setting(REGISTRATION_HOOK="nothing:here"), "registration hook", ("no module",)),
    Case(
        "no time for the hook", setting(REGISTRATION_TIMEOUT_SECONDS=0), "registration hook", ("TIMEOUT_SECONDS must",)
    ),
    Case(
        "encounter query of two statements",
        lambda world: an_encounter_query(world, "SELECT 1; SELECT :accession_no"),
        "encounter query",
        ("REGISTRATION_ENCOUNTER_QUERY_FILE", "one statement, not 2"),
    ),
    Case(
        "encounter query of another hospital",
        lambda world: an_encounter_query(world, "SELECT id FROM orders WHERE accession = :accession_no"),
        "research database",
        ("RESEARCH_DB_URL does not take the query of REGISTRATION_ENCOUNTER_QUERY_FILE",),
    ),
    Case(
        "encounter query of two columns",
        lambda world: an_encounter_query(world, "SELECT id, age FROM staging_encounter WHERE :accession_no <> ''"),
        "research database",
        ("REGISTRATION_ENCOUNTER_QUERY_FILE", "returns 2 columns"),
    ),
    Case(
        "port that is no number", setting(STAGING_PACS_PORT="104a"), "settings", ("STAGING_PACS_PORT", "whole number")
    ),
    Case("unknown protocol", setting(STAGING_PACS_PROTOCOL="ftp"), "settings", ("STAGING_PACS_PROTOCOL",)),
    Case(
        "clock",
        lambda world: {"RESEARCH_PACS_DICOMWEB_URL": a_web_server(world, ahead=timedelta(minutes=5))},
        "clock",
        ("NTP",),
    ),
    Case(
        "DICOMweb that is something else",
        lambda world: {"STAGING_PACS_DICOMWEB_URL": a_web_server(world, ahead=timedelta(), body=b"<html>")},
        "staging PACS: DICOMweb",
        ("dicom-web",),
    ),
    Case(
        "storage commitment required and not offered",
        setting(RESEARCH_PACS_STORAGE_COMMITMENT="required"),
        "research PACS: storage commitment",
        ("RESEARCH_PACS_STORAGE_COMMITMENT=auto",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_wrong_is_the_one_red_line_and_says_how_to_mend_it(world: World, case: Case) -> None:
    moved = list(world.site.staging.handed_out)

    result = examine(world.site, "--json", **case.prepare(world))
    report = report_of(result)

    assert red(report) == [case.red]
    for words in case.remedy:
        assert words in report[case.red]["remedy"]
    assert result.exit_code == 1
    assert json.loads(result.output)["in_order"] is False
    assert world.site.staging.handed_out == moved == [], "nothing identified is moved"
    assert world.site.research.offered == []


def test_a_site_in_order_has_no_red_line_and_is_left_as_it_was(site: Site) -> None:
    before = sorted(path.name for path in site.deployment.folder.rglob("*"))

    result = examine(site, "--json")
    report = report_of(result)

    assert result.exit_code == 0
    states = Counter(check["state"] for check in report.values())
    assert states["red"] == 0
    assert report["staging PACS: C-MOVE to us"]["finding"] == "the canary arrived"
    yellow = {name for name, check in report.items() if check["state"] == "yellow"}
    assert yellow == {
        "clock",
        "notifications",
        "research PACS: removal",
        "staging PACS: TLS",
        "staging PACS: DICOMweb",
        "staging PACS: WADO-RS",
        "research PACS: TLS",
        "research PACS: DICOMweb",
        "research PACS: storage commitment",
        "research PACS: write test",
    }
    assert sorted(path.name for path in site.deployment.folder.rglob("*")) == before
    assert site.research.offered == []


def test_lines_for_people_say_the_same_and_no_identifier(site: Site) -> None:
    result = examine(site, REVIEW_DB_URL="sqlite:////nowhere/review.db")

    assert "red     review database" in result.output
    assert "green   profile" in result.output
    assert result.output.rstrip().endswith("red.")
    assert not [number for number, value in enumerate(sorted(STUDY.identifiers)) if value in result.output]


def test_the_write_test_leaves_one_object_and_says_what_to_delete(tmp_path: Path) -> None:
    with running_site(tmp_path, [STUDY]) as site:
        report = report_of(examine(in_order(site), "--json", "--write-test"))
        [kept] = site.research.entries()

    assert red(report) == []
    assert kept.text(STUDY_UID) in report["research PACS: write test"]["remedy"]
    assert "Delete the study" in report["research PACS: write test"]["remedy"]


def test_a_research_pacs_that_refuses_the_test_object_is_red(tmp_path: Path) -> None:
    with running_site(tmp_path, [STUDY]) as site:
        site.research.judge = lambda _uid, _keep: 0x0124

        report = report_of(examine(in_order(site), "--json", "--write-test"))

    assert red(report) == ["research PACS: write test"]
    assert "0x0124" in report["research PACS: write test"]["finding"]


def test_a_certificate_that_ends_soon_is_yellow(world: World) -> None:
    until = datetime.now(UTC) + timedelta(days=9)
    files = world.papers.issue("hospital", "ends-soon", not_before=LAST_YEAR, not_after=until)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate_file)
    node = world.life.enter_context(tls_door(context))

    report = report_of(
        examine(
            world.site,
            "--json",
            STAGING_PACS_PORT=node.port,
            STAGING_PACS_TLS="yes",
            STAGING_PACS_TLS_CA_FILE=files.ca_file,
        )
    )

    assert report["staging PACS: TLS"]["state"] == "yellow"
    assert f"{until:%Y-%m-%d}" in report["staging PACS: TLS"]["finding"]


def test_the_risk_of_going_without_a_canary_is_yellow_when_accepted(site: Site) -> None:
    report = report_of(examine(site, "--json", STAGING_PACS_CANARY_UID="", STAGING_PACS_MOVE_WITHOUT_CANARY=ACCEPTANCE))

    assert red(report) == []
    assert "risk is accepted" in report["staging PACS: C-MOVE to us"]["finding"]


def test_settings_that_nobody_made_are_named(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    report = report_of(examine(site, "--json", DATA_DIR=".demo/data"))

    assert report["settings"]["state"] == "yellow"
    assert "DATA_DIR" in report["settings"]["remedy"]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no folder is here that the superuser can't write to")
def test_data_dir_without_the_right_to_write_is_red(site: Site) -> None:
    assert red(report_of(examine(site, "--json", DATA_DIR="/proc/self/task"))) == ["DATA_DIR"]


@needs_orthanc
def test_orthancs_at_both_ends_are_in_order(site: Site, tmp_path: Path) -> None:
    ours = {"DICOM_ASSETS": ("127.0.0.1", int(site.deployment.environment["LOCAL_PORT"]))}
    with (
        running_orthanc("STAGING", tmp_path / "staging", ours) as staging,
        running_orthanc("RESEARCH", tmp_path / "research", ours) as research,
    ):
        ports = {"STAGING_PACS_PORT": staging.dicom_port, "RESEARCH_PACS_PORT": research.dicom_port}
        sent = CliRunner().invoke(
            main, ["canary", "send", "--yes"], env=_environment(site, STAGING_PACS_CANARY_UID="", **ports)
        )
        uid = sent.output.strip().rpartition("=")[2]
        report = report_of(examine(site, "--json", "--write-test", STAGING_PACS_CANARY_UID=uid, **ports))

    assert red(report) == []
    assert report["staging PACS: C-MOVE to us"]["state"] == "green"
    assert report["research PACS: storage commitment"]["state"] == "green"
    assert "arrived here" in report["research PACS: storage commitment"]["finding"]
    assert report["research PACS: write test"]["state"] == "green"


BRIEF = ReportTimes(same_association=0.1, in_all=1.0)


@needs_orthanc
def test_research_pacs_that_can_not_report_to_us_is_red(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_assets.defs.diagnosis.pacs.REPORT_TIMES", BRIEF)
    elsewhere = {"DICOM_ASSETS": ("127.0.0.1", free_port())}
    with running_orthanc("RESEARCH", tmp_path / "research", elsewhere) as research:
        report = report_of(examine(site, "--json", RESEARCH_PACS_PORT=research.dicom_port))

    assert red(report) == ["research PACS: storage commitment"]
    remedy = report["research PACS: storage commitment"]["remedy"]
    assert f"register DICOM_ASSETS there as 127.0.0.1 port {site.deployment.environment['LOCAL_PORT']}" in remedy


def test_research_pacs_that_does_not_report_is_red(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_assets.defs.diagnosis.pacs.REPORT_TIMES", BRIEF)
    with committing(site.research) as committer:
        report = report_of(examine(site, "--json"))

    assert len(committer.requests) == 1
    assert red(report) == ["research PACS: storage commitment"]
    assert report["research PACS: storage commitment"]["finding"] == "offered, but no report of it arrives here"


def test_research_pacs_that_commits_itself_to_what_it_does_not_have_is_red(site: Site) -> None:
    with committing(site.research) as committer:
        committer.report = lambda request: request.report_here(request.outcome())
        report = report_of(examine(site, "--json"))

    assert red(report) == ["research PACS: storage commitment"]
    assert "RESEARCH_PACS_STORAGE_COMMITMENT=no" in report["research PACS: storage commitment"]["remedy"]


def test_research_pacs_that_reports_that_it_has_no_such_object_is_in_order(site: Site) -> None:
    with committing(site.research) as committer:
        committer.report = lambda request: request.report_here(request.outcome(failing=1))
        report = report_of(examine(site, "--json"))

    assert red(report) == []
    assert report["research PACS: storage commitment"]["state"] == "green"


@needs_orthanc
@needs_dicomweb
@pytest.mark.parametrize(
    ("is_loaded", "settings", "said"),
    [
        (True, {}, "the canary arrived"),
        (True, {"STAGING_PACS_CANARY_UID": ""}, "not tried: no canary"),
        (False, {}, "the canary is not handed over"),
    ],
    ids=["canary", "no canary", "canary gone"],
)
def test_what_a_pacs_hands_over_shows_in_the_canary(
    site: Site, tmp_path: Path, is_loaded: bool, settings: Settings, said: str
) -> None:
    with running_orthanc("STAGING", tmp_path / "staging", {}, dicomweb=True) as staging:
        if is_loaded:
            staging.load(CANARY.content)
        where = {"STAGING_PACS_PORT": staging.dicom_port, "STAGING_PACS_DICOMWEB_URL": staging.dicomweb_url}
        report = report_of(examine(site, "--json", STAGING_PACS_PROTOCOL="auto", **where, **settings))

    assert report["staging PACS: DICOMweb"]["state"] == "green"
    assert report["staging PACS: WADO-RS"]["finding"] == said
    assert (report["staging PACS: WADO-RS"]["state"] == "red") is not is_loaded
    assert (report["staging PACS: C-GET"]["state"] == "red") is not is_loaded


@needs_orthanc
@needs_dicomweb
def test_a_site_that_speaks_dicomweb_alone_needs_no_dimse(site: Site, tmp_path: Path) -> None:
    with running_orthanc("STAGING", tmp_path / "one", {}, dicomweb=True) as one:
        report = report_of(
            examine(
                site,
                "--json",
                "--write-test",
                STAGING_PACS_PROTOCOL="dicomweb",
                STAGING_PACS_DICOMWEB_URL=one.dicomweb_url,
                STAGING_PACS_CANARY_UID="",
                RESEARCH_PACS_PROTOCOL="dicomweb",
                RESEARCH_PACS_DICOMWEB_URL=one.dicomweb_url,
                ONE_PACS_AT_BOTH_ENDS="yes",
            )
        )

    assert red(report) == []
    assert "dicomweb" in report["staging PACS: C-ECHO"]["finding"]
    assert report["staging PACS: DICOMweb"]["state"] == "green"
    assert report["research PACS: write test"]["state"] == "green"


@needs_orthanc
def test_c_move_over_tls_both_ways_with_certificates_is_in_order(
    site: Site, certificates: Certificates, tmp_path: Path
) -> None:
    ours = ("127.0.0.1", int(site.deployment.environment["LOCAL_PORT"]))
    tls = {
        f"{node}_{name}": value
        for node, identity in (("STAGING_PACS", certificates.client), ("LOCAL", certificates.server))
        for name, value in {
            "TLS": "yes",
            "TLS_CA_FILE": certificates.ca,
            "TLS_CERT_FILE": identity.certificate,
            "TLS_KEY_FILE": identity.key,
        }.items()
    }
    with running_orthanc(
        "STAGING", tmp_path / "staging", {"DICOM_ASSETS": ours}, **certificates.dicom_tls()
    ) as staging:
        environment = _environment(
            site, STAGING_PACS_PORT=staging.dicom_port, STAGING_PACS_CANARY_UID="", RESEARCH_PACS_TLS="no", **tls
        )
        sent = CliRunner().invoke(main, ["canary", "send", "--yes"], env=environment)
        environment["STAGING_PACS_CANARY_UID"] = sent.output.strip().rpartition("=")[2]
        report = report_of(CliRunner().invoke(main, ["doctor", "--json"], env=environment))

    assert red(report) == []
    assert report["staging PACS: TLS"]["finding"].startswith("TLSv1.")
    assert report["staging PACS: C-MOVE to us"]["state"] == "green"


def _environment(site: Site, **settings: object) -> dict[str, str]:
    return site.deployment.process_environment() | {name: str(value) for name, value in settings.items()}


def test_a_clock_that_agrees_with_the_web_server_is_green(world: World) -> None:
    url = a_web_server(world, ahead=timedelta(seconds=2))

    report = report_of(examine(world.site, "--json", STAGING_PACS_DICOMWEB_URL=url))

    assert report["clock"]["state"] == "green"
    assert "STAGING_PACS_DICOMWEB_URL" in report["clock"]["finding"]


def test_approved_rows_that_no_run_can_use_are_named_in_yellow(world: World) -> None:
    copy = shutil.copy(world.site.deployment.folder / "review.db", world.folder / "review.db")
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("UPDATE staging_radiologystudy SET original_study_uid = '1.2.*'")
        connection.commit()
    before = Path(copy).read_bytes()

    report = report_of(examine(world.site, "--json", REVIEW_DB_URL=f"sqlite:///{copy}"))

    assert report["review database"]["state"] == "yellow"
    assert f"study UID is not a UID: {STUDY.number}" in report["review database"]["finding"]
    assert red(report) == []
    assert Path(copy).read_bytes() == before
