"""C-GET from an Orthanc on this machine: the data plane beside pynetdicom, in instances and CPU time of the client.

    python -m benchmarks.c_get [INSTANCES] [ROUNDS]

Instances are of 531 KB. They are hashed and written to a file each (no fsync), as a pull does, in both cases.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import build_context, build_role, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet  # type: ignore[attr-defined]

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, associate, silence_dicom_libraries
from dicom_assets.adapters.pacs.c_get import CGetPacs
from dicom_assets.adapters.pacs.requests import identifier_of
from dicom_assets.study import Piece, Retrieval
from dicom_assets_tests.orthanc import running_orthanc

EDGE = 515
"""Pixels; two bytes each."""


class HashedFile:
    """What a pull does with an instance, but for fsync; fulfils `IncomingFile`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._digest = hashlib.sha256()

    def write(self, piece: Piece, /) -> None:
        """Write and hash."""
        self._digest.update(piece)
        self._file.write(piece)

    def keep(self) -> None:
        """Close."""
        self._file.close()

    drop = keep


def instance(study_uid: str, series_uid: str, number: int) -> tuple[bytes, str]:
    """A CT slice as a file, and its SOP Instance UID."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid(entropy_srcs=[study_uid, str(number)])
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study_uid, series_uid
    ds.PatientID, ds.Modality, ds.InstanceNumber = "BENCHMARK", "CT", number
    ds.Rows = ds.Columns = EDGE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = number.to_bytes(2, "little") * EDGE**2
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = Path(tempfile.gettempdir()) / f"benchmark-{number}.dcm"
    ds.save_as(path, enforce_file_format=True)
    content = path.read_bytes()
    path.unlink()
    return content, str(ds.SOPInstanceUID)


def by_pynetdicom(local: LocalNode, pacs: PacsNode, study_uid: str, folder: Path) -> None:
    """As we did it before: bytes written as received, by a handler of pynetdicom."""

    def take(event: evt.Event) -> int:
        file = HashedFile(folder / str(event.request.AffectedSOPInstanceUID))  # type: ignore[union-attr]
        file.write(event.encoded_dataset())
        file.keep()
        return 0

    model = StudyRootQueryRetrieveInformationModelGet
    contexts = [build_context(model), build_context(CTImageStorage, ExplicitVRLittleEndian)]
    roles = [build_role(CTImageStorage, scp_role=True)]
    with associate(local, pacs, contexts, roles=roles, handlers=[(evt.EVT_C_STORE, take)]) as assoc:
        for _ in assoc.send_c_get(identifier_of(Retrieval(study_uid)), model):
            pass


def by_data_plane(local: LocalNode, pacs: PacsNode, study_uid: str, folder: Path) -> None:
    """As we do it."""
    CGetPacs(local, pacs).retrieve(
        Retrieval(study_uid, sop_class_uids=frozenset({CTImageStorage})), lambda uid: HashedFile(folder / uid)
    )


def measured(get: Callable[..., None], *args: Any) -> tuple[float, float]:
    """Seconds on the clock, and of CPU in this process."""
    with tempfile.TemporaryDirectory() as folder:
        clock, cpu = time.perf_counter(), time.process_time()
        get(*args, Path(folder))
        return time.perf_counter() - clock, time.process_time() - cpu


def main() -> None:
    """Print a line for each way."""
    count, rounds = (int(text) for text in (*sys.argv[1:3], *("400", "3")[len(sys.argv) - 1 :]))
    silence_dicom_libraries()
    study_uid, series_uid = generate_uid(), generate_uid()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_orthanc("ORTHANC", Path(folder), {}) as orthanc,
    ):
        for number in range(count):
            content, _ = instance(study_uid, series_uid, number)
            url = f"http://127.0.0.1:{orthanc.http_port}/instances"
            urllib.request.urlopen(urllib.request.Request(url, data=content), timeout=60).close()
        local = LocalNode("BENCHMARK", "127.0.0.1", 0)
        pacs = PacsNode("ORTHANC", "127.0.0.1", orthanc.dicom_port, "STAGING_PACS")
        ways = {"pynetdicom": by_pynetdicom, "data plane": by_data_plane}
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                results[name].append(measured(way, local, pacs, study_uid))
    for name, times in results.items():
        clock, cpu = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:12} {count / clock:6.0f} instances/s {1000 * cpu / count:6.2f} ms of CPU each")  # noqa: T201


if __name__ == "__main__":
    main()
