"""The demo's home, its servers and its runner, with a stand-in for the job."""

from __future__ import annotations

import io
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pynetdicom import AE, build_context
from rich.console import Console

from dicom_assets.demo import servers
from dicom_assets.demo.__main__ import main
from dicom_assets.demo.databases import reviewed
from dicom_assets.demo.home import DemoHome, Ports, demo_environment, furnish, instances_to_prepare, prepare
from dicom_assets.demo.progress import BarProgress, EventFollower, PlainProgress, line
from dicom_assets.demo.run import Expectation, run_demo
from dicom_assets.demo.studies import demo_studies
from dicom_assets.errors import ConfigurationError
from dicom_assets_tests.demo.conftest import study_number

Starter = Callable[[], subprocess.Popen[bytes]]
TWO_STUDIES = (study_number(2), study_number(7))
JOB = (sys.executable, "-m", "dicom_assets_tests.demo.fake_job")


@pytest.fixture
def home(tmp_path: Path) -> DemoHome:
    return DemoHome(tmp_path / "home")


@pytest.fixture
def ports() -> Ports:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    numbers = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return Ports(*numbers)


@pytest.fixture
def start(home: DemoHome, ports: Ports) -> Iterator[Starter]:
    """Starts the process of the PACSs; what was started is ended after the test."""
    processes = []

    def started() -> subprocess.Popen[bytes]:
        processes.append(servers.start(home, ports))
        return processes[-1]

    furnish(home, ())
    yield started
    for process in processes:
        process.terminate()
        process.wait()


def outcome_of_run(
    home: DemoHome, ports: Ports, job: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> tuple[bool, str]:
    # The tests are not installed, and the job's working directory is the demo's home.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    text = io.StringIO()
    done = run_demo(home, ports, TWO_STUDIES, Console(file=text, width=200), command=job)
    return done, text.getvalue()


def call(home: DemoHome, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home.folder), *arguments])


def echo(port: int, called: str) -> bool:
    assoc = AE().associate("127.0.0.1", port, contexts=[build_context("1.2.840.10008.1.1")], ae_title=called)
    established: bool = assoc.is_established
    if established:
        assoc.release()
    return established


def test_everything_is_prepared_once(home: DemoHome) -> None:
    steps: list[int] = []
    prepare(home, TWO_STUDIES, steps.append)
    files = {path.name: path.stat().st_mtime_ns for path in home.staging.iterdir()}
    secret = home.secret.read_text()

    prepare(home, TWO_STUDIES)

    assert sum(steps) == instances_to_prepare(TWO_STUDIES) == len(files)
    assert {path.name: path.stat().st_mtime_ns for path in home.staging.iterdir()} == files
    assert home.secret.read_text() == secret


def test_the_secret_is_for_its_owner_alone(home: DemoHome) -> None:
    furnish(home, ())
    assert stat.S_IMODE(home.secret.stat().st_mode) == 0o600
    assert len(bytes.fromhex(home.secret.read_text().strip())) == 32


def test_a_study_that_the_staging_pacs_lacks_is_not_written(home: DemoHome) -> None:
    prepare(home, (study_number(6),))
    assert list(home.staging.iterdir()) == []


def test_the_environment_names_absolute_places_in_the_home(home: DemoHome, ports: Ports) -> None:
    variables = demo_environment(home.folder, ports)
    assert variables["STAGING_PACS_PORT"] == str(ports.staging)
    assert variables["REVIEW_DB_URL"] == f"sqlite:///{home.folder}/review.db"
    assert Path(variables["DATA_DIR"]).is_absolute()
    assert {"STAGING_PACS_PROTOCOL", "IDENTITY_SECRET_FILE", "REGISTRATION_HOOK", "DAGSTER_HOME"} <= set(variables)


def test_a_run_that_ends_as_planned_is_good(home: DemoHome, ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    good, text = outcome_of_run(home, ports, (*JOB, ""), monkeypatch)

    assert good, home.job_log.read_text()
    assert "[8/8] SBBBB failed (registered): no encounter" in text
    assert "THE OVERVIEW" in text
    assert "All as expected, the failures too (1)" in text
    assert "make ui" in text
    assert not servers.running(home)


def test_a_run_that_publishes_too_little_is_not_good(
    home: DemoHome, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, text = outcome_of_run(home, ports, (*JOB, "failing"), monkeypatch)
    assert not good
    assert "0 studies are marked as published, 1 should be" in text
    assert str(home.job_log) in text


def test_a_job_that_does_nothing_is_not_good(home: DemoHome, ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    good, text = outcome_of_run(home, ports, (sys.executable, "-c", "import sys; sys.exit('no luck')"), monkeypatch)
    assert not good
    assert "the job wrote no overview" in text
    assert home.job_log.read_text() == "no luck\n"


def test_all_that_is_approved_is_expected_and_later_approvals_too(home: DemoHome) -> None:
    furnish(home, demo_studies())
    first = Expectation.of(home, demo_studies())
    call(home, "approve")
    second = Expectation.of(home, demo_studies())

    assert (first.to_publish, first.to_fail, first.instances) == (5, 2, 157)
    assert (second.to_publish, second.to_fail, second.instances) == (6, 2, 187)


def test_the_pacs_process_starts_answers_and_stops(home: DemoHome, ports: Ports, start: Starter) -> None:
    start()

    assert servers.running(home)
    assert echo(ports.staging, "STAGING")
    assert echo(ports.research, "RESEARCH")
    assert servers.stop(home)
    assert not servers.running(home)
    assert not servers.stop(home)


def test_a_second_pacs_process_is_refused(home: DemoHome, ports: Ports, start: Starter) -> None:
    start()
    with pytest.raises(ConfigurationError, match="run already"):
        servers.serve(home, ports, {}, lambda _: None)


def test_a_pacs_process_on_a_taken_port_says_which(home: DemoHome, ports: Ports) -> None:
    furnish(home, ())
    with (
        socket.create_server(("127.0.0.1", ports.research)),
        pytest.raises(ConfigurationError, match=f"port {ports.research}"),
    ):
        servers.start(home, ports)
    assert not servers.running(home)


def test_a_killed_pacs_process_does_not_stand_in_the_way(home: DemoHome, ports: Ports, start: Starter) -> None:
    process = start()
    process.kill()
    process.wait()
    assert not servers.running(home)

    start()
    assert echo(ports.staging, "STAGING")


def test_the_next_unreviewed_study_is_approved_until_none_is_left(home: DemoHome) -> None:
    first, second, third = call(home, "approve"), call(home, "approve"), call(home, "approve")
    assert "Approved demo study 8" in first.output
    assert "Approved demo study 9" in second.output
    assert third.exit_code == 1
    assert study_number(9).study_uid in reviewed(home.database_url("review"))


def test_the_environment_can_be_printed(home: DemoHome) -> None:
    lines = call(home, "--staging-port", "12345", "environment").output.splitlines()
    assert "STAGING_PACS_PORT=12345" in lines
    assert len(lines) == len(demo_environment(home.folder))


def test_a_destination_is_written_with_host_and_port(home: DemoHome) -> None:
    done = call(home, "start", "--destination", "SINK")
    assert done.exit_code != 0


def test_nothing_is_stopped_where_nothing_runs(home: DemoHome) -> None:
    assert call(home, "stop").output == "They are not running.\n"


def test_only_the_new_runs_events_are_followed_and_half_a_line_waits(tmp_path: Path) -> None:
    old, new = tmp_path / "run_at_1_a", tmp_path / "run_at_2_b"
    old.mkdir()
    (old / "events.jsonl").write_text('{"event": "run_finished"}\n')
    follower = EventFollower(tmp_path)
    assert follower.poll() == []

    new.mkdir()
    (new / "events.jsonl").write_text('{"event": "run_started"}\n{"event": "stud')
    assert [event["event"] for event in follower.poll()] == ["run_started"]
    with (new / "events.jsonl").open("a") as file:
        file.write('ies_selected", "studies": 1}\n')
    assert [event["event"] for event in follower.poll()] == ["studies_selected"]
    assert follower.poll() == []


def test_events_that_are_not_for_people_make_no_line() -> None:
    said: list[str] = []
    with PlainProgress(said.append) as progress:
        progress.show({"event": "studies_selected", "studies": 2, "left_out": 1})
        progress.show({"event": "stage_progress", "study": "SA", "stage": "pulled", "done": 1, "total": 3})
        progress.show({"event": "stage_skipped", "study": "SA", "stage": "pulled"})
    assert said == ["[0/8] 2 studies to do, 1 left out", "[1/8] SA pulled: was up to date"]
    assert line({"event": "something_new"}) == ""


def test_a_terminal_gets_a_bar_and_failures_above_it() -> None:
    screen = io.StringIO()
    with BarProgress(Console(file=screen, force_terminal=True, width=100)) as progress:
        progress.show({"event": "studies_selected", "studies": 1, "left_out": 0})
        progress.show({"event": "stage_progress", "study": "SA", "stage": "pulled", "done": 1, "total": 3})
        progress.show({"event": "study_failed", "study": "SA", "stage": "pulled", "reason": "not there"})
    assert "SA failed (pulled): not there" in screen.getvalue()
    assert "4/4" in screen.getvalue()


def test_nothing_left_to_do_is_said(home: DemoHome, ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome_of_run(home, ports, (*JOB, ""), monkeypatch)
    empty = "import os, pathlib; d = pathlib.Path(os.environ['DATA_DIR'], 'runs', 'run_at_3_c'); d.mkdir(); "
    empty += "(d / 'overview.txt').write_text('EMPTY')"
    good, text = outcome_of_run(home, ports, (sys.executable, "-c", empty), monkeypatch)
    assert good
    assert "Nothing was left to do" in text
