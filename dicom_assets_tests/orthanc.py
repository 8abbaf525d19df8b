"""Orthanc as a PACS for tests, from the machine's own binary."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dicom_assets_tests.certificates import Https
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.server_process import answers, running_server
from dicom_assets_tests.tls_front import running_tls_front

DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
"""Where Debian's package orthanc-dicomweb puts it."""

DICOMWEB: Mapping[str, Any] = {
    "Plugins": [str(DICOMWEB_PLUGIN)],
    "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
}
"""Settings of an Orthanc that answers DICOMweb."""


def orthanc_binary() -> str | None:
    """Where Orthanc is, if it is installed."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc.

    Attributes:
        http_port: Where the REST interface and DICOMweb are reached, over HTTPS where there is `https`.
        plain_port: Where they are reached without TLS, behind the reverse proxy.
    """

    ae_title: str
    dicom_port: int
    http_port: int
    folder: Path
    https: Https | None = None
    plain_port: int = 0

    @property
    def url(self) -> str:
        """Where the REST interface begins, without a slash."""
        return f"{'https' if self.https else 'http'}://127.0.0.1:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        """Where DICOMweb begins, without a slash."""
        return f"{self.url}/dicom-web"

    def get(self, path: str) -> Any:
        """JSON from the REST interface."""
        return json.loads(self.read(path))

    def read(self, path: str) -> bytes:
        """Bytes from the REST interface."""
        return self._request("GET", path)

    def load(self, content: bytes) -> None:
        """Put a Part 10 file in."""
        self._request("POST", "/instances", content)

    def empty(self) -> None:
        """Remove everything that it holds."""
        for patient in self.get("/patients"):
            self._request("DELETE", f"/patients/{patient}")

    def forget(self, study_uid: str) -> None:
        """Remove a study."""
        for study in self.get("/studies?expand"):
            if study["MainDicomTags"]["StudyInstanceUID"] == study_uid:
                self._request("DELETE", f"/studies/{study['ID']}")

    def _request(self, method: str, path: str, content: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.url}{path}", content, method=method)
        context = None
        if self.https is not None:
            context = self.https.trusting
            login = base64.b64encode(f"{self.https.user}:{self.https.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {login}")
        with urllib.request.urlopen(request, timeout=60, context=context) as response:
            answer: bytes = response.read()
            return answer

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
    ae_title: str,
    folder: Path,
    destinations: Mapping[str, tuple[str, int]],
    *,
    dicomweb: bool = False,
    https: Https | None = None,
    **settings: Any,
) -> Iterator[Orthanc]:
    """An Orthanc on loopback ports of its own; ends with the block.

    With `DicomTlsEnabled` among the settings it calls its destinations over TLS, too. With `https` it asks for a
    password, and is reached through a reverse proxy alone.
    """
    binary = orthanc_binary()
    assert binary is not None
    orthanc = Orthanc(ae_title, free_port(), free_port(), folder, https)
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "orthanc.json"
    encrypted = bool(settings.get("DicomTlsEnabled"))
    all_settings = _configuration(orthanc) | {"DicomModalities": _modalities(destinations, encrypted)}
    all_settings |= _dicomweb(orthanc) if dicomweb else {}
    if https is not None:
        all_settings |= {"AuthenticationEnabled": True, "RegisteredUsers": {https.user: https.password}}
    configuration.write_text(json.dumps(all_settings | settings))
    with (
        running_server(
            [binary, configuration],
            folder / "orthanc.log",
            lambda: answers(orthanc.http_port),
            stop_signal=signal.SIGKILL,  # a clean end takes three seconds and serves nobody here
        ),
        _before(orthanc) as reached,
    ):
        yield reached


def _configuration(orthanc: Orthanc) -> dict[str, Any]:
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
        "UnknownSopClassAccepted": True,
        "TranscodeDicomProtocol": False,
        "SyncStorageArea": False,
        "StorageCompression": False,
        "MaximumPduLength": 131072,
        "Plugins": [],
    }


def _modalities(destinations: Mapping[str, tuple[str, int]], encrypted: bool) -> dict[str, Any]:
    return {
        f"destination{number}": {"AET": ae, "Host": host, "Port": port, "UseDicomTls": encrypted}
        for number, (ae, (host, port)) in enumerate(destinations.items())
    }


def _dicomweb(orthanc: Orthanc) -> dict[str, Any]:
    assert DICOMWEB_PLUGIN.is_file(), "orthanc-dicomweb is not installed"
    return {**DICOMWEB, "DicomWeb": {**DICOMWEB["DicomWeb"], "Ssl": orthanc.https is not None}}


@contextmanager
def _before(orthanc: Orthanc) -> Iterator[Orthanc]:
    if orthanc.https is None:
        yield orthanc
    else:
        with running_tls_front(orthanc.https.showing, orthanc.http_port) as port:
            yield replace(orthanc, http_port=port, plain_port=orthanc.http_port)


def storescu(orthanc: Orthanc, proposal: str, files: Sequence[Path]) -> None:
    """Send files with DCMTK's storescu; `proposal` is its option for their transfer syntax."""
    address = ["127.0.0.1", str(orthanc.dicom_port)]
    command = ["storescu", "-aec", orthanc.ae_title, proposal, "-R", *address, *map(str, files)]
    subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120, env={**os.environ, "TCP_NODELAY": "1"}
    )
