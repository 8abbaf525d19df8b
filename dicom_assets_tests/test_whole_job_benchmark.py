"""The benchmark of the whole job, between real Orthancs, on a handful of instances: counts, never times."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pydicom
import pytest
from click.testing import CliRunner

from benchmarks.job.floor import Floor
from benchmarks.job.instances import CT, SMALL_MR, Image, instance_files, ultrasound
from benchmarks.job.orthanc import TUNED, orthanc_binary
from benchmarks.job.processes import Memory, Processes, RunFailedError
from benchmarks.job.rounds import Rounds, Run
from benchmarks.job.scene import Facts, Scene, new_nodes
from benchmarks.job.tables import conditions, whole_job
from benchmarks.job.workloads import Workload
from benchmarks.whole_job import README, main
from dicom_assets.demo.people import FAMILY_NAMES

needs_orthanc = pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed")
SMALLEST = ("--studies", "1", "--slices", "3", "--workload", "ct", "--tuning", "tuned", "--rounds", "1")
TINY = Image("MR", SMALL_MR.sop_class_uid, 8, 8)


class TestOfInstances:
    @pytest.mark.parametrize("image", [CT, SMALL_MR, ultrasound(1)], ids=["ct", "small", "multi-frame"])
    def test_study_is_the_one_that_the_databases_know(self, image: Image) -> None:
        [study] = Workload("some", image, 1, 2).studies
        read = [pydicom.dcmread(io.BytesIO(content)) for _, content in instance_files(study, 2, image)]
        for number, ds in enumerate(read):
            assert ds.StudyInstanceUID == study.study_uid
            assert ds.AccessionNumber == study.accession_number
            assert ds.PatientID == study.patient.mrn
            assert ds.SOPClassUID == ds.file_meta.MediaStorageSOPClassUID == image.sop_class_uid
            assert ds.Modality == image.modality
            assert len(ds.PixelData) == image.pixel_bytes
            assert ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID == read[0].SOPInstanceUID
            assert ds.SourceImageSequence[0].ReferencedSOPInstanceUID == read[1 - number].SOPInstanceUID

    def test_nobody_of_the_template_is_left(self) -> None:
        [study] = Workload("some", TINY, 1, 1).studies
        [(_, content)] = instance_files(study, 1, TINY)
        assert b"Wiesengrund" not in content
        assert content.count(FAMILY_NAMES[1].encode()) > 2

    def test_same_files_every_time(self, tmp_path: Path) -> None:
        for name in ("once", "again"):
            Workload("some", TINY, 2, 3).write(tmp_path / name)
        once, again = ({file.name: file.read_bytes() for file in (tmp_path / n).iterdir()} for n in ("once", "again"))
        assert once == again
        assert len(once) == 6


class TestOfProcesses:
    def test_nothing_outlives_the_block_not_even_what_a_process_started(self, tmp_path: Path) -> None:
        with Processes(tmp_path / "log", os.environ) as processes:
            leader = processes.start(["sh", "-c", "sleep 600 & echo $! ; wait"])
            while not (tmp_path / "log").read_text().strip():
                time.sleep(0.01)
            child = int((tmp_path / "log").read_text())
            assert leader.poll() is None
        assert leader.returncode == -signal.SIGTERM
        assert not _lives(child)

    def test_failure_says_what_the_program_said(self, tmp_path: Path) -> None:
        with (
            Processes(tmp_path / "log", os.environ) as processes,
            pytest.raises(RunFailedError, match="sh ended with 3: went wrong"),
        ):
            processes.call(["sh", "-c", "echo went wrong; exit 3"])

    def test_memory_of_all_processes_is_added_up(self, tmp_path: Path) -> None:
        hold = "import time; block = bytes(range(256)) * 262144; time.sleep(1)"
        with Processes(tmp_path / "log", os.environ) as processes:
            process = processes.start(
                ["sh", "-c", f"{sys.executable} -c '{hold}' & {sys.executable} -c '{hold}'; wait"]
            )
            memory = Memory()
            with memory.watching(process.pid):
                processes.finish(process, "holders")
        assert memory.peak_processes == 3
        assert memory.peak_bytes > 2 * 64 * 2**20


def test_floor_copies_every_byte(tmp_path: Path) -> None:
    workload = Workload("some", TINY, 1, 5)
    workload.write(tmp_path / "corpus")
    (tmp_path / "run").mkdir()
    scene = Scene(tmp_path / "run", tmp_path / "corpus", workload, TUNED, new_nodes(1))
    with Floor().prepared(scene) as work:
        assert work().instances == 5
    copied, original = (sorted(file.read_bytes() for file in (tmp_path / n).rglob("*.dcm")) for n in ("run", "corpus"))
    assert copied == original


def test_ratio_is_taken_round_by_round_and_failures_are_named() -> None:
    times = {"dicom_assets, c-get": [10.0, 40.0, 20.0], "other": [30.0, 40.0, 50.0]}
    runs = [
        Run("tuned", "ct", name, number, instances=100, size_bytes=10**8, seconds=seconds)
        for name, all_seconds in times.items()
        for number, seconds in enumerate(all_seconds, start=1)
    ]
    lost = Run("tuned", "ct", "loser", 1, 100, 10**8, seconds=1.0, problem="99 of 100 instances arrived")
    table = whole_job([*runs, lost], [Workload("ct", TINY, 1, 100)], conditions(3, "1.0"), ["absent: not installed"])
    assert "| other | 2.50 | 2.50 | 40.0 | 2.50 |" in table
    assert "| loser | failed |" in table
    assert "- ct, tuned, round 1, loser: 99 of 100 instances arrived" in table
    assert "- absent: not installed" in table


class Idle:
    """Says that it did everything and did nothing."""

    name = "idle"

    def problem(self) -> str:
        return ""

    @contextmanager
    def prepared(self, scene: Scene) -> Iterator[Callable[[], Facts]]:
        yield Facts


@needs_orthanc
def test_run_that_lost_instances_is_a_failed_one(tmp_path: Path) -> None:
    said: list[str] = []
    rounds = Rounds(tmp_path, new_nodes(1), 1, dicomweb=False, keep=False, say=said.append)
    [run] = rounds.measure(Workload("some", TINY, 1, 2), [Idle()], [TUNED])
    assert run.problem == "0 of 2 instances arrived"
    assert "failed: 0 of 2 instances arrived" in said[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The table and the JSON of the smallest benchmark: three instances, everybody once, and a job that fails."""
    home = tmp_path_factory.mktemp("whole-job")
    only = [
        part
        for name in ("dicom_assets", "movescu, dcmodify, storescu", "Orthanc", "floor")
        for part in ("--only", name)
    ]
    protocols = ["--protocol", "c-get", "--protocol", "c-pigeon"]
    result = CliRunner().invoke(
        main, [*SMALLEST, *only, *protocols, "--scratch", str(home), "--json", str(home / "result.json")]
    )
    assert result.exit_code == 0, result.output
    assert [file.name for file in home.iterdir()] == ["result.json"]
    return result.output, json.loads((home / "result.json").read_text())


@needs_orthanc
@pytest.mark.long
@pytest.mark.skipif(shutil.which("dcmodify") is None, reason="DCMTK is not installed")
class TestOfTheSmallest:
    def test_everybody_moves_the_study_whole(self, measured: tuple[str, dict[str, Any]]) -> None:
        table, result = measured
        done = [run for run in result["runs"] if not run["problem"]]
        assert len(done) == 7
        assert {run["instances"] for run in done} == {3}
        assert table.count("| movescu, dcmodify, storescu") == 2

    def test_ours_is_looked_into(self, measured: tuple[str, dict[str, Any]]) -> None:
        ours = measured[1]["runs"][0]
        assert ours["contender"] == "dicom_assets, c-get"
        assert ours["seconds"] > ours["facts"]["start_seconds"] > 0
        assert ours["facts"]["peak_bytes"] > 2**26
        assert ours["cpu_seconds"] > 0
        assert set(ours["facts"]["stages"]) >= {"pulled", "deidentified", "registered", "published"}

    def test_job_that_fails_is_reported_with_its_reason(self, measured: tuple[str, dict[str, Any]]) -> None:
        table, result = measured
        assert "STAGING_PACS_PROTOCOL must be one of" in result["runs"][1]["problem"]
        assert "| dicom_assets, c-pigeon | failed |" in table


@needs_orthanc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_interrupted_benchmark_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "benchmarks.whole_job", *SMALLEST, "--scratch", str(tmp_path)]
    with subprocess.Popen(command, cwd=README.parents[1], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None and len(_mentioning(tmp_path)) < 3:
            time.sleep(0.02)
        process.send_signal(number)
        assert b"Aborted!" in process.communicate()[1]
    assert process.returncode == 1
    assert _mentioning(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_readme_has_a_place_for_each_table() -> None:
    for part in ("whole job", "scale"):
        assert f"<!-- {part}: begin -->" in README.read_text()
        assert f"<!-- {part}: end -->" in README.read_text()


def test_help_shows_examples_and_list_names_everybody() -> None:
    runner = CliRunner()
    assert "--scale --rounds 1" in runner.invoke(main, ["--help"]).output
    listed = runner.invoke(main, ["--list", "--protocol", "c-get", "--protocol", "dicomweb"]).output.splitlines()
    assert listed[:2] == ["dicom_assets, c-get", "dicom_assets, dicomweb"]
    assert "Orthanc anonymize, C-STORE" in listed
    assert runner.invoke(main, ["--only", "nobody", "--list"]).exit_code == 2
    assert "NAME=VALUE" in runner.invoke(main, ["--setting", "nothing"]).output


def _status(process: Path) -> str:
    """The letter that says what a process does; empty when it is gone."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _lives(pid: int) -> bool:
    """Whether it runs; a zombie that its new parent has not waited for does not."""
    return _status(Path(f"/proc/{pid}")) not in ("", "Z")


def _mentioning(folder: Path) -> list[int]:
    """Processes in whose arguments the folder is: the benchmark itself, then its Orthancs."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found
