"""The embedded PACS as the command line tools of DCMTK see it."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_assets.demo.embedded_pacs import EmbeddedPacs
from dicom_assets_tests.demo.conftest import AE_TITLE
from dicom_assets_tests.demo.test_embedded_pacs import Loaded

Tool = Callable[[str], str]
SECONDS = 30


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
    )
    assert done.returncode == 0, f"exit code {done.returncode}"
    return done.stdout + done.stderr


def calling(pacs: EmbeddedPacs) -> list[str]:
    return ["-aec", AE_TITLE, "127.0.0.1", str(pacs.port)]


def keyed(*keys: str) -> list[str]:
    return [argument for key in keys for argument in ("-k", key)]


def received(folder: Path) -> set[str]:
    return {dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in folder.iterdir()}


@contextmanager
def store_scp(program: str, echo: str, port: int, folder: Path) -> Iterator[None]:
    """A `storescp` that takes every transfer syntax and answers before the test goes on."""
    process = subprocess.Popen(
        [program, "+xa", "-od", str(folder), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + SECONDS
        while subprocess.run([echo, "127.0.0.1", str(port)], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline
        yield
    finally:
        process.kill()
        process.wait()


def test_echoscu_is_answered(empty_pacs: EmbeddedPacs, tool: Tool) -> None:
    run(tool("echoscu"), *calling(empty_pacs))


def test_echoscu_with_another_called_ae_title_is_rejected(empty_pacs: EmbeddedPacs, tool: Tool) -> None:
    command = [tool("echoscu"), "-aec", "SOMEONE", "127.0.0.1", str(empty_pacs.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode != 0
    assert "Called AE Title Not Recognized" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("level", "keys", "count"),
    [
        ("PATIENT", ["PatientID"], 2),
        ("STUDY", ["StudyInstanceUID", "NumberOfStudyRelatedInstances"], 2),
        ("SERIES", ["SeriesInstanceUID", "Modality=MR"], 5),
        ("IMAGE", ["SOPInstanceUID", "Modality=US"], 3),
    ],
)
def test_findscu_finds_at_each_level(pacs: EmbeddedPacs, tool: Tool, level: str, keys: list[str], count: int) -> None:
    arguments = keyed(f"QueryRetrieveLevel={level}", *keys)
    output = run(tool("findscu"), "-P", *arguments, *calling(pacs))
    assert len(re.findall(r"Find Response: \d+ \(Pending\)", output)) == count


def test_storescu_stores(empty_pacs: EmbeddedPacs, tool: Tool, neck: Loaded, tmp_path: Path) -> None:
    paths = written(tmp_path, neck)
    run(tool("storescu"), *calling(empty_pacs), *paths)
    assert empty_pacs.count() == len(paths)


def test_dcmsend_stores_every_encoding(empty_pacs: EmbeddedPacs, tool: Tool, mixed: Loaded, tmp_path: Path) -> None:
    paths = written(tmp_path, mixed)
    run(tool("dcmsend"), *calling(empty_pacs), *paths)
    assert empty_pacs.count() == len(paths)


def test_getscu_gets_a_study(pacs: EmbeddedPacs, tool: Tool, neck: Loaded, tmp_path: Path) -> None:
    query = keyed("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={neck[0].study_uid}")
    run(tool("getscu"), "-S", "-od", str(tmp_path), *query, *calling(pacs))
    arrived = received_beside(tmp_path)
    assert arrived == {file.sop_instance_uid for file in neck[1]}


def test_getscu_gets_a_compressed_instance_as_it_is(
    pacs: EmbeddedPacs, tool: Tool, mixed: Loaded, tmp_path: Path
) -> None:
    study = mixed[0]
    folder = tmp_path / "got"
    folder.mkdir()
    series = next(one for one in study.series if one.description == "JPEG 2000")
    query = keyed("QueryRetrieveLevel=SERIES", f"StudyInstanceUID={study.study_uid}", f"SeriesInstanceUID={series.uid}")
    run(tool("getscu"), "-S", "+xv", "-od", str(folder), *query, *calling(pacs))
    (path,) = folder.iterdir()
    assert dcmread(path).file_meta.TransferSyntaxUID.name == "JPEG 2000 Image Compression (Lossless Only)"


def test_movescu_moves_a_study_to_storescp(
    pacs: EmbeddedPacs,
    tool: Tool,
    mixed: Loaded,
    tmp_path: Path,
    free_port: int,
    destinations: dict[str, tuple[str, int]],
) -> None:
    folder = tmp_path / "moved"
    folder.mkdir()
    destinations["SINK"] = ("127.0.0.1", free_port)
    query = keyed("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={mixed[0].study_uid}")
    with store_scp(tool("storescp"), tool("echoscu"), free_port, folder):
        run(tool("movescu"), "-S", "-aem", "SINK", *query, *calling(pacs))
    assert received(folder) == {file.sop_instance_uid for file in mixed[1]}


def test_movescu_to_an_unknown_destination_is_told_so(pacs: EmbeddedPacs, tool: Tool, mixed: Loaded) -> None:
    query = keyed("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={mixed[0].study_uid}")
    command = [tool("movescu"), "-d", "-S", "-aem", "NOWHERE", *query, *calling(pacs)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
    assert "0xa801" in (done.stdout + done.stderr).lower()


def written(folder: Path, loaded: Loaded) -> list[str]:
    paths = [folder / f"{index}.dcm" for index in range(len(loaded[1]))]
    for path, file in zip(paths, loaded[1], strict=True):
        path.write_bytes(file.content)
    return [str(path) for path in paths]


def received_beside(folder: Path) -> set[str]:
    """What lies in the folder beside the archive that the fixture put there."""
    paths = [path for path in folder.iterdir() if path.is_file()]
    return {dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in paths}
