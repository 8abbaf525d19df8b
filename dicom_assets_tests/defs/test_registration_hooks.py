"""The job with registration hooks of somebody's own: linked, refused, broken, hanging."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from pydicom import dcmread

from dicom_assets.cli import main
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.study import Stage
from dicom_assets_tests.adapters.own_hooks import MODULE, hook_code, write_module
from dicom_assets_tests.conftest import Site, running_site
from dicom_assets_tests.deployment import REPOSITORY
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.small_studies import INSTANCES, clear_errors, manifest, small_study

STUDIES = [small_study(number, f"number {number}") for number in (31, 32)]
PAGE = (REPOSITORY / "docs" / "registration.md").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that modules are imported from."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def with_folder(folder: Path) -> str:
    """PYTHONPATH for another process that finds the modules, too."""
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


def names_of(site: Site) -> set[tuple[str, str]]:
    """Patient ID and Patient's Name of all that was published."""
    files = [dcmread(BytesIO(content)) for content in site.research_files().values()]
    return {(ds.PatientID, str(ds.PatientName)) for ds in files}


def row(site: Site, study: DemoStudy) -> tuple[bool, str | None]:
    """Whether the study is marked with an error, and which."""
    found = site.deployment.study_row(study.study_uid)
    return bool(found["processing_error"]), found["processing_error_msg"]


def observed(site: Site, study: DemoStudy) -> list[dict[str, Any]]:
    """What Dagster was told of the study's partition of `registered` besides its being done."""
    key = site.deployment.study_key(study.study_uid)
    records = dg.AssetRecordsFilter(dg.AssetKey("registered"), asset_partitions=[key])
    with site.deployment.instance() as instance:
        found = [one.asset_observation for one in instance.fetch_observations(records, limit=9).records]
    return [{name: value.value for name, value in one.metadata.items()} for one in found if one is not None]


def shown(site: Site, study: DemoStudy) -> str:
    """What `dicom-assets show` tells of the study."""
    key = site.deployment.study_key(study.study_uid)
    return CliRunner().invoke(main, ["show", key], env=site.deployment.process_environment()).output


class TestTheDocumentedExample:
    @pytest.fixture
    def site(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """A site with the page's module; the first study's patient is in the table, the second's is not."""
        monkeypatch.setenv("RECORDS_CSV", str(folder / "records.csv"))
        monkeypatch.setenv("LINKS_DB", str(folder / "links.db"))
        code = PAGE.partition("```python\n")[2].partition("```")[0]
        (folder / "record_links.py").write_text(code)
        with (folder / "records.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["record_id", "mrn", "accession_no"])
            table.writerow(["1007", "0", "0"])
            table.writerow(["1008", STUDIES[0].patient.mrn, STUDIES[0].accession_number])
        settings = {name: value for name, _, value in (line.strip().partition("=") for line in PAGE.splitlines())}
        assert {"RECORDS_CSV", "LINKS_DB"} <= settings.keys()
        with running_site(folder, STUDIES, REGISTRATION_HOOK=settings["REGISTRATION_HOOK"]) as site:
            site.deployment.set(PYTHONPATH=with_folder(folder))
            yield site

    def links(self, folder: Path) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(folder / "links.db")) as connection:
            return list(connection.execute("SELECT * FROM links"))

    @pytest.mark.long
    def test_links_studies_in_a_real_run_and_changes_nothing_when_run_again(self, site: Site, folder: Path) -> None:
        linked, unknown = STUDIES

        first = site.deployment.run(site.deployment.job_command())

        key = site.deployment.study_key(linked.study_uid)
        facts = manifest(site, linked, Stage.REGISTERED)["facts"]
        assert first.returncode != 0
        assert names_of(site) == {("REC-1008", "REC-1008")}
        assert self.links(folder)[0][:6] == (key, "1008", facts["study_instance_uid"], "CT", 2, INSTANCES)
        assert facts["rows"] == {"rows_inserted": 1}
        assert row(site, unknown) == (True, "No record has this patient and accession number")

        before = self.links(folder)
        assert site.deployment.execute({"refresh": True}, partition=key).success
        assert self.links(folder) == before
        assert manifest(site, linked, Stage.REGISTERED)["facts"]["rows"] == {"rows_unchanged": 1}
        assert leaks(site) == []

    def test_writes_nothing_in_a_dry_run(self, site: Site, folder: Path) -> None:
        site.deployment.execute({"dry_run": True})

        assert "no_encounter: No record has this patient and accession number" in site.deployment.overview()
        assert not (folder / "links.db").exists() or not (folder / "links.db").read_bytes()

    def test_doctor_loads_it(self, site: Site) -> None:
        environment = site.deployment.process_environment()
        result = CliRunner().invoke(main, ["doctor", "--json"], env=environment)
        checks = {check["check"]: check for check in json.loads(result.output)["checks"]}
        assert checks["registration hook"]["state"] == "green", checks["registration hook"]


def test_study_that_cannot_be_linked_stays_unpublished_under_no_encounter_and_is_shown_so(folder: Path) -> None:
    linked, unlinked = STUDIES[0], small_study(33, "never ordered", has_encounter=False)
    with running_site(folder, [linked, unlinked]) as site:
        result = site.deployment.execute()

        assert not result.success
        said = "no_encounter: Unable to find encounter in EHR"
        key = site.deployment.study_key(unlinked.study_uid)
        assert f"{key} at registered: {said}" in site.deployment.overview()
        [failure] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
        assert f"{key} at registered: {said}" in failure.step_failure_data.user_failure_data.description
        assert observed(site, unlinked) == [{"kept_under": "no_encounter", "reason": "Unable to find encounter in EHR"}]
        assert said in shown(site, unlinked)
        assert row(site, unlinked) == (True, "Unable to find encounter in EHR")
        assert observed(site, linked) == []
        assert names_of(site) == {(linked.patient.alias, linked.patient.alias)}
        assert len(site.research_files()) == INSTANCES


def test_registering_again_leaves_the_whole_research_database_as_it_is(folder: Path) -> None:
    with running_site(folder, STUDIES) as site:
        assert site.deployment.execute().success
        database = site.deployment.folder / "research.db"
        with closing(sqlite3.connect(database)) as connection:
            before = list(connection.iterdump())
        keys = [site.deployment.study_key(study.study_uid) for study in STUDIES]

        results = [site.deployment.execute({"refresh": True}, partition=key) for key in keys]

        assert all(result.success for result in results)
        with closing(sqlite3.connect(database)) as connection:
            assert list(connection.iterdump()) == before


RAISES = "raise ValueError(f'{study.patient} {study.patient.patient_id} {study.accession_numbers[0]}')"


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that modules are imported from."""
    folder = tmp_path_factory.mktemp("hooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture(scope="module")
def shared_site(shared_folder: Path) -> Iterator[Site]:
    """A site whose hook is a module that a test writes."""
    with running_site(shared_folder, STUDIES[:1], REGISTRATION_HOOK=f"{MODULE}:Hook") as site:
        yield site


@pytest.fixture
def broken_site(shared_site: Site) -> Site:
    """The same with nothing published and no error marked, for hooks that let nothing pass."""
    clear_errors(shared_site)
    assert shared_site.research_files() == {}
    return shared_site


@pytest.mark.parametrize(
    ("code", "said", "is_marked"),
    [
        (hook_code(register=RAISES), "hook's register failed (ValueError at hook_of_my_own.py:", True),
        (hook_code(alias_for="raise OSError(patient.patient_id)"), "could not do it now (OSError at", False),
        (hook_code(alias_for="return patient.patient_id"), "the original Patient ID as alias", True),
        (hook_code(alias_for="return 'R\\\\1'"), "alias can't be used: it has one of the characters", True),
        (hook_code(alias_for="return 'x' * 65"), "alias can't be used: it has more than 64", True),
        (hook_code(register="return {study.patient.patient_id: 1}"), "register returned what can't be used", True),
        (hook_code(register="os._exit(1)"), "hook's process died in register", True),
    ],
)
def test_hook_that_breaks_fails_the_study_and_names_nobody(
    broken_site: Site, shared_folder: Path, code: str, said: str, is_marked: bool
) -> None:
    write_module(shared_folder, code)
    result = broken_site.deployment.execute()

    assert not result.success
    assert said in broken_site.deployment.overview()
    assert row(broken_site, STUDIES[0])[0] is is_marked
    assert broken_site.research_files() == {}
    assert leaks(broken_site) == []
    traces = broken_site.deployment.run_folder() / "identified" / "traces.txt"
    trace = traces.read_text() if traces.exists() else ""
    assert (STUDIES[0].patient.mrn in trace) is ("raise" in code)


@pytest.mark.long
def test_nothing_of_what_a_hook_raises_and_prints_is_on_the_console(broken_site: Site, shared_folder: Path) -> None:
    prints = f"print(study.patient.patient_id); os.system('echo ' + study.patient.patient_id); {RAISES}"
    write_module(shared_folder, hook_code(register=prints))
    broken_site.deployment.set(PYTHONPATH=with_folder(shared_folder))

    done = broken_site.deployment.run(broken_site.deployment.job_command())

    assert "hook's register failed (ValueError at hook_of_my_own.py:" in done.stderr
    assert [one for one in STUDIES[0].identifiers if one in done.stdout + done.stderr] == []
    assert leaks(broken_site) == []


def test_run_whose_hook_is_not_there_does_not_begin(broken_site: Site, shared_folder: Path) -> None:
    (shared_folder / f"{MODULE}.py").unlink(missing_ok=True)
    handed_out = len(broken_site.staging.handed_out)

    result = broken_site.deployment.execute()

    [failure] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    assert f"REGISTRATION_HOOK: there is no module {MODULE}" in failure.step_failure_data.user_failure_data.description
    assert len(broken_site.staging.handed_out) == handed_out


def test_hook_that_hangs_or_breaks_does_not_keep_the_study_from_being_published_later(folder: Path) -> None:
    study = STUDIES[0]
    with running_site(folder, [study], REGISTRATION_HOOK=f"{MODULE}:Hook", REGISTRATION_TIMEOUT_SECONDS=1) as site:
        write_module(folder, hook_code(register="time.sleep(1000)"))
        assert not site.deployment.execute().success
        assert "register did not answer within 1 s (REGISTRATION_TIMEOUT_SECONDS)" in site.deployment.overview()
        assert row(site, study) == (False, None)

        write_module(folder, hook_code(register=RAISES))
        assert not site.deployment.execute().success
        assert row(site, study)[0]
        clear_errors(site)

        write_module(folder, hook_code(alias_for="return 'R-7'", register="return {'rows_inserted': 1}"))
        assert site.deployment.execute().success
        assert names_of(site) == {("R-7", "R-7")}
        assert len(site.research_files()) == INSTANCES
