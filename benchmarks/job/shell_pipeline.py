"""What a careful user puts together from programs of DCMTK and GDCM, study by study.

`movescu` to a `storescp`, then `dcmodify` or `gdcmanon` over the folder, then `storescu`. Nothing is recorded, compared
or flushed to disk, and of the standard's table `dcmodify` is told the main attributes alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from pydicom.datadict import tag_for_keyword

from benchmarks.job.orthanc import Node, listens
from benchmarks.job.processes import Command, Processes, wait_until
from benchmarks.job.scene import Facts, Scene

FILES_PER_CALL = 500
EMPTIED = (
    "AccessionNumber", "PatientBirthDate", "ReferringPhysicianName", "StudyID", "StudyDate", "StudyTime",
    "ContentDate", "ContentTime",
)  # fmt: skip
ERASED = (
    "InstanceCreationDate", "InstanceCreationTime", "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime",
    "AcquisitionDateTime", "InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName",
    "StudyDescription", "SeriesDescription", "PhysiciansOfRecord", "PerformingPhysicianName",
    "NameOfPhysiciansReadingStudy", "OperatorsName", "AdmittingDiagnosesDescription", "IssuerOfPatientID",
    "OtherPatientIDs", "PatientBirthName", "PatientAge", "PatientSize", "PatientWeight", "PatientAddress",
    "PatientTelephoneNumbers", "MedicalAlerts", "AdditionalPatientHistory", "PatientComments", "DeviceSerialNumber",
    "DateOfLastCalibration", "TimeOfLastCalibration", "ProtocolName", "ImageComments", "RequestingPhysician",
    "RequestedProcedureDescription", "RequestAttributesSequence", "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime", "PerformedProcedureStepID", "PerformedProcedureStepDescription",
    "ReferencedImageSequence", "SourceImageSequence", "ReferencedPerformedProcedureStepSequence",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lane:
    """A Storage SCP and the folder that it writes to: studies on the way at once don't mix."""

    node: Node
    received: Path
    changed: Path


class ShellPipeline:
    """The pipeline with `dcmodify` or `gdcmanon`, so many studies at once."""

    def __init__(self, tool: str, at_once: int) -> None:
        self._tool = tool
        self._at_once = at_once
        self.name = f"movescu, {tool}, storescu" + (f", {at_once} studies at once" if at_once > 1 else "")

    def problem(self) -> str:
        """Which program is not there."""
        lacking = [name for name in ("movescu", "storescp", "storescu", self._tool) if program(name) is None]
        if self._tool == "gdcmanon" and shutil.which("openssl") is None:
            lacking.append("openssl")
        return f"not installed: {', '.join(lacking)}" if lacking else ""

    @contextmanager
    def prepared(self, scene: Scene) -> Iterator[Callable[[], Facts]]:
        """The Storage SCPs are up before the time begins."""
        with Processes(scene.folder / "pipeline.log", scene.tuning.environment()) as processes:
            if self._tool == "gdcmanon":
                processes.call(_certificate_command(scene.folder))
            lanes = [_open_lane(scene, processes, node) for node in scene.nodes.lanes[: self._at_once]]
            yield lambda: self._all_studies(scene, processes, lanes)

    def _all_studies(self, scene: Scene, processes: Processes, lanes: Sequence[Lane]) -> Facts:
        free: SimpleQueue[Lane] = SimpleQueue()
        for lane in lanes:
            free.put(lane)

        def move(study_uid: str) -> None:
            lane = free.get()
            self._one_study(scene, processes, lane, study_uid)
            free.put(lane)

        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(len(lanes)))
            waiting = [pool.submit(move, study.study_uid) for study in scene.workload.studies]
            try:
                for study in waiting:
                    study.result()
            except BaseException:
                processes.stop()
                pool.shutdown(cancel_futures=True)
                raise
        return Facts()

    def _one_study(self, scene: Scene, processes: Processes, lane: Lane, study_uid: str) -> None:
        staging, research = scene.nodes.staging.node, scene.nodes.research.node
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_uid}"]
        places = ["-aet", "LOADER", "-aec", staging.ae_title, "-aem", lane.node.ae_title]
        processes.call(["movescu", "-S", *places, *keys, "127.0.0.1", str(staging.port)])
        if self._tool == "dcmodify":
            for command in _dcmodify_commands(sorted(lane.received.iterdir()), study_uid):
                processes.call(command)
            ready = lane.received
        else:
            certificate = scene.folder / "certificate.pem"
            gdcmanon = program("gdcmanon") or "gdcmanon"
            processes.call([gdcmanon, "-e", "-c", certificate, "-r", "-i", lane.received, "-o", lane.changed])
            ready = lane.changed
        places = ["-aet", "LOADER", "-aec", research.ae_title, "127.0.0.1", str(research.port)]
        processes.call(["storescu", "-R", "+sd", "+r", *places, ready])
        for folder in (lane.received, lane.changed):
            for file in folder.iterdir():
                file.unlink()


def program(name: str) -> str | None:
    """Where it is; of `gdcmanon` the program itself rather than the script that the wheel python-gdcm starts it by."""
    wheel = importlib.util.find_spec("_gdcm") if name.startswith("gdcm") else None
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        if (found := Path(place) / name).exists():
            return str(found)
    found_on_path = shutil.which(name)
    if found_on_path and subprocess.run([found_on_path, "--version"], capture_output=True, check=False).returncode:
        return None
    return found_on_path


def _open_lane(scene: Scene, processes: Processes, node: Node) -> Lane:
    lane = Lane(node, scene.folder / node.ae_title / "received", scene.folder / node.ae_title / "changed")
    lane.received.mkdir(parents=True)
    lane.changed.mkdir()
    process = processes.start(
        ["storescp", "-aet", node.ae_title, "-pdu", "131072", "+xa", "-od", lane.received, str(node.port)]
    )
    wait_until(lambda: listens(node.port), 10, process, "storescp")
    return lane


def _dcmodify_commands(files: Sequence[Path], study_uid: str) -> Iterator[Command]:
    digest = hashlib.sha256(study_uid.encode()).digest()
    new = {"PatientName": "ANONYMOUS", "PatientID": digest.hex()[:12]}
    new["StudyInstanceUID"] = f"2.25.{int.from_bytes(digest[:15])}"
    changes = [part for keyword, value in new.items() for part in ("-ma", f"{_tag(keyword)}={value}")]
    changes += [part for keyword in EMPTIED for part in ("-ma", f"{_tag(keyword)}=")]
    changes += [part for keyword in ERASED for part in ("-ea", _tag(keyword))]
    for first in range(0, len(files), FILES_PER_CALL):
        some = files[first : first + FILES_PER_CALL]
        yield ["dcmodify", "-nb", "-imt", "-ep", *changes, "-gin", *map(str, some)]


def _tag(keyword: str) -> str:
    number = tag_for_keyword(keyword)
    if number is None:
        raise KeyError(keyword)
    return f"({number >> 16:04x},{number & 0xFFFF:04x})"


def _certificate_command(folder: Path) -> Command:
    """For the originals that `gdcmanon` leaves encrypted in each instance."""
    places = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    return ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *places, "-subj", "/CN=benchmark"]
