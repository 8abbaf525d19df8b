"""DCMTK's PACSs for tests: `dcmqrscp`, which is asked for what it holds, and `storescp`, which can fail on purpose."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread

from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.server_process import answers, running_server

TOOL_SECONDS = 120
PDU_BYTES = 131072

_CONFIGURATION = """\
NetworkTCPPort = {port}
MaxPDUSize = {pdu}
MaxAssociations = 64

HostTable BEGIN
{hosts}
HostTable END

VendorTable BEGIN
VendorTable END

AETable BEGIN
{ae_title} {storage} RW (1000, 65536mb) ANY
AETable END
"""
"""The file that `dcmqrscp --config` reads (DCMTK, dcmqrcnf.txt)."""


def has_dcmtk() -> bool:
    """Whether DCMTK is installed."""
    return all(shutil.which(program) for program in ("dcmqrscp", "storescp", "dcmsend"))


@dataclass(frozen=True)
class DcmtkPacs:
    """A running DCMTK server that keeps instances in a folder."""

    ae_title: str
    port: int
    storage: Path
    log: Path

    def files(self) -> list[Path]:
        """Every file of an instance that it keeps, whole or not."""
        return sorted(file for file in self.storage.iterdir() if file.name != "index.dat")

    def count(self) -> int:
        """How many instances it keeps; those that are kept twice count twice."""
        return len(self.files())

    def instances(self) -> dict[str, bytes]:
        """SOP Instance UID to file of every instance; an instance that is kept twice fails the test."""
        found: dict[str, bytes] = {}
        for file in self.files():
            content = file.read_bytes()
            uid = str(dcmread(file, specific_tags=["SOPInstanceUID"], stop_before_pixels=True).SOPInstanceUID)
            assert uid not in found, "an instance is kept twice"
            found[uid] = content
        return found


@contextmanager
def running_dcmqrscp(
    ae_title: str, folder: Path, destinations: Mapping[str, tuple[str, int]], *options: str
) -> Iterator[DcmtkPacs]:
    """A `dcmqrscp` on a loopback port of its own; `destinations` are the AE titles that a C-MOVE may name."""
    pacs = _prepared(ae_title, folder)
    hosts = "\n".join(
        f"host{number} = ({ae}, {host}, {port})" for number, (ae, (host, port)) in enumerate(destinations.items())
    )
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        _CONFIGURATION.format(port=pacs.port, pdu=PDU_BYTES, hosts=hosts, ae_title=ae_title, storage=pacs.storage)
    )
    command = ["dcmqrscp", "--verbose", "--disable-host-lookup", *options, "--config", configuration]
    with running_server(command, pacs.log, lambda: answers(pacs.port)):
        yield pacs


@contextmanager
def running_storescp(ae_title: str, folder: Path, *options: str) -> Iterator[DcmtkPacs]:
    """A `storescp` on a loopback port of its own that writes what it gets as it gets it.

    Its options for faults are `--refuse`, `--abort-after`, `--abort-during`, `--sleep-after SECONDS`,
    `--sleep-during SECONDS`, `--ignore`; it takes any called AE title, and answers no C-FIND.
    """
    pacs = _prepared(ae_title, folder)
    kept = ["--output-directory", str(pacs.storage), "--bit-preserving", "--accept-all", "--promiscuous"]
    network = ["--fork", "--disable-host-lookup", "--aetitle", ae_title, "--max-pdu", str(PDU_BYTES)]
    command = ["storescp", "--verbose", *network, *kept, *options, str(pacs.port)]
    with running_server(command, pacs.log, lambda: answers(pacs.port)):
        yield pacs


def _prepared(ae_title: str, folder: Path) -> DcmtkPacs:
    storage = folder / "storage"
    storage.mkdir(parents=True)
    return DcmtkPacs(ae_title, free_port(), storage, folder / "server.log")


def dcmsend(ae_title: str, port: int, files: Sequence[Path]) -> None:
    """Send files of any transfer syntax; fails if any is not taken."""
    run_dcmtk("dcmsend", "--decompress-never", "--call", ae_title, "127.0.0.1", port, *files)


def run_dcmtk(program: str, *arguments: object) -> str:
    """Run one of DCMTK's clients to its end; returns what it wrote."""
    result = subprocess.run(
        [program, *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TOOL_SECONDS,
        env={**os.environ, "TCP_NODELAY": "1"},
    )
    return result.stdout
