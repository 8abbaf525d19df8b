"""Orthanc as staging PACS and as research PACS, from the machine's own binary, on loopback."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.job.processes import Processes, RunFailedError, wait_until

START_SECONDS = 60
ANSWER_SECONDS = 3600
LOADERS = 4
DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass(frozen=True, slots=True)
class Tuning:
    """How an Orthanc is set up. DCMTK, which Orthanc speaks DICOM with, leaves Nagle's algorithm on unless told."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    no_delay: bool = False

    def environment(self) -> dict[str, str]:
        """The environment of what is built upon DCMTK."""
        inherited = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
        return inherited | ({"TCP_NODELAY": "1"} if self.no_delay else {})


TUNED = Tuning("tuned", {"MaximumPduLength": 131072, "SyncStorageArea": False}, no_delay=True)
STOCK = Tuning("stock")
TUNINGS = (TUNED, STOCK)


@dataclass(frozen=True, slots=True)
class Node:
    """An AE title and the loopback port behind it."""

    ae_title: str
    port: int


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def listens(port: int) -> bool:
    """Whether anybody accepts connections there."""
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) == 0


def orthanc_binary() -> str | None:
    """Where Orthanc is, if it is installed."""
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")


class Pacs:
    """An Orthanc that runs, by its REST interface. Threads may share it: each call has a connection of its own."""

    def __init__(self, node: Node, http_port: int) -> None:
        self.node = node
        self.http_port = http_port

    @property
    def dicomweb_url(self) -> str:
        """Where DICOMweb is, if the plugin was loaded."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """JSON from the REST interface.

        Raises:
            RunFailedError: it says no.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body).encode())
            return _answer(connection, path)
        finally:
            connection.close()

    def count(self) -> int:
        """How many instances it holds."""
        return int(self.ask("GET", "/statistics")["CountInstances"])

    def study_ids(self) -> set[str]:
        """Its own ids of its studies."""
        return set(self.ask("GET", "/studies"))

    def load(self, files: Iterator[bytes]) -> None:
        """Store every file."""
        files_of_all = _Shared(files)
        with ThreadPoolExecutor(LOADERS) as pool:
            for done in [pool.submit(self._load, files_of_all) for _ in range(LOADERS)]:
                done.result()

    def _load(self, files: Iterator[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=ANSWER_SECONDS)
        try:
            for content in files:
                connection.request("POST", "/instances", content)
                if _answer(connection, "/instances")["Status"] != "Success":
                    raise RunFailedError("the PACS does not take an instance of the corpus")
        finally:
            connection.close()


def _answer(connection: http.client.HTTPConnection, path: str) -> Any:
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise RunFailedError(f"Orthanc answers {response.status} to {path.split('?')[0]}")
    return json.loads(content)


class _Shared(Iterator[bytes]):
    """An iterator that threads take from in turns."""

    def __init__(self, files: Iterator[bytes]) -> None:
        self._files = files
        self._mutex = threading.Lock()

    def __next__(self) -> bytes:
        with self._mutex:
            return next(self._files)


@contextmanager
def running_orthanc(
    pacs: Pacs,
    folder: Path,
    tuning: Tuning,
    destinations: Mapping[str, Node],
    *,
    dicomweb: bool = False,
    keep: bool = True,
) -> Iterator[Pacs]:
    """The PACS over what `folder` holds; ends with the block, at once and untidily if nobody needs what it holds.

    Raises:
        RunFailedError: it is not installed or does not start.
    """
    binary = orthanc_binary()
    if binary is None:
        raise RunFailedError("Orthanc is not there; Debian's package is named orthanc")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "orthanc.json"
    file.write_text(json.dumps(_configuration(pacs, folder, destinations, dicomweb) | dict(tuning.settings), indent=1))
    with Processes(folder / "orthanc.log", tuning.environment()) as processes:
        process = processes.start([binary, file])
        ports = (pacs.http_port, pacs.node.port)
        wait_until(lambda: all(map(listens, ports)), START_SECONDS, process, "Orthanc")
        pacs.ask("GET", "/system")
        try:
            yield pacs
        finally:
            if not keep:
                processes.kill()


def _configuration(pacs: Pacs, folder: Path, destinations: Mapping[str, Node], dicomweb: bool) -> dict[str, Any]:
    if dicomweb and not DICOMWEB_PLUGIN.exists():
        raise RunFailedError("Orthanc's DICOMweb plugin is not there; Debian's package is named orthanc-dicomweb")
    return {
        "Name": pacs.node.ae_title,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "TemporaryDirectory": str(folder),
        "DicomAet": pacs.node.ae_title,
        "DicomPort": pacs.node.port,
        "HttpPort": pacs.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {name: [node.ae_title, "127.0.0.1", node.port] for name, node in destinations.items()},
        "TranscodeDicomProtocol": False,
        "SaveJobs": False,
        "Plugins": [str(DICOMWEB_PLUGIN)] if dicomweb else [],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableMetadataCache": False},
    }
