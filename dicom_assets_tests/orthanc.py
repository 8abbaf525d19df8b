"""Orthanc as a PACS for tests, from the machine's own binary."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicom_assets_tests.deployment import free_port

START_SECONDS = 60


def orthanc_binary() -> str | None:
    """Where Orthanc is, if it is installed."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc."""

    ae_title: str
    dicom_port: int
    http_port: int
    folder: Path

    def get(self, path: str) -> Any:
        """JSON from the REST interface."""
        return json.loads(self.read(path))

    def read(self, path: str) -> bytes:
        """Bytes from the REST interface."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=60) as response:
            content: bytes = response.read()
            return content

    def count(self) -> int:
        """How many instances it holds."""
        return int(self.get("/statistics")["CountInstances"])

    def studies(self) -> dict[str, dict[str, int]]:
        """Study Instance UID to Series Instance UID to number of instances."""
        found: dict[str, dict[str, int]] = {}
        for series in self.get("/series?expand"):
            study = self.get(f"/studies/{series['ParentStudy']}")["MainDicomTags"]["StudyInstanceUID"]
            uid = series["MainDicomTags"]["SeriesInstanceUID"]
            found.setdefault(study, {})[uid] = len(series["Instances"])
        return found

    def instances(self) -> Iterator[tuple[str, bytes]]:
        """SOP Instance UID and file of every instance."""
        for instance in self.get("/instances?expand"):
            yield instance["MainDicomTags"]["SOPInstanceUID"], self.read(f"/instances/{instance['ID']}/file")


@contextmanager
def running_orthanc(
    ae_title: str, folder: Path, destinations: Mapping[str, tuple[str, int]], **settings: Any
) -> Iterator[Orthanc]:
    """An Orthanc on loopback ports of its own; ends with the block."""
    binary = orthanc_binary()
    assert binary is not None
    orthanc = Orthanc(ae_title, free_port(), free_port(), folder)
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "orthanc.json"
    configuration.write_text(json.dumps(_configuration(orthanc, destinations) | settings))
    environment = {**os.environ, "TCP_NODELAY": "1"}
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            [binary, str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            _wait_until_up(orthanc, process)
            yield orthanc
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _configuration(orthanc: Orthanc, destinations: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
    return {
        "Name": orthanc.ae_title,
        "StorageDirectory": str(orthanc.folder / "storage"),
        "IndexDirectory": str(orthanc.folder / "storage"),
        "DicomAet": orthanc.ae_title,
        "DicomPort": orthanc.dicom_port,
        "DicomCheckCalledAet": True,
        "HttpPort": orthanc.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {name: [ae, *place] for name, (ae, place) in _named(destinations).items()},
        "UnknownSopClassAccepted": True,
        "TranscodeDicomProtocol": False,
        "SyncStorageArea": False,
        "StorageCompression": False,
        "MaximumPduLength": 131072,
        "Plugins": [],
    }


def _named(destinations: Mapping[str, tuple[str, int]]) -> dict[str, tuple[str, tuple[str, int]]]:
    return {f"destination{number}": (ae, place) for number, (ae, place) in enumerate(destinations.items())}


def _wait_until_up(orthanc: Orthanc, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"Orthanc ended with {process.returncode}; see {orthanc.folder / 'orthanc.log'}")
        try:
            orthanc.get("/system")
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def storescu(orthanc: Orthanc, proposal: str, files: Sequence[Path]) -> None:
    """Send files with DCMTK's storescu; `proposal` is its option for their transfer syntax."""
    address = ["127.0.0.1", str(orthanc.dicom_port)]
    command = ["storescu", "-aec", orthanc.ae_title, proposal, "-R", *address, *map(str, files)]
    subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120, env={**os.environ, "TCP_NODELAY": "1"}
    )
