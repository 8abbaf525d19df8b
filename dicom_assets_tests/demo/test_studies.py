"""The demo's studies: readable, valid, the same in each run, and identified wherever real ones are."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_assets.demo.plan import DemoStudy, Kind, Outcome
from dicom_assets.demo.studies import demo_studies, instance_files
from dicom_assets_tests.demo.conftest import study_number

STUDIES = demo_studies()
ONE_OF_EACH = [(1, 0), (2, 30), (3, 40), (3, 41), (4, 25)]


@pytest.fixture(scope="module")
def files() -> dict[int, list[bytes]]:
    return {study.number: [file.content for file in instance_files(study)] for study in STUDIES}


def data_sets(contents: list[bytes]) -> Iterator[Dataset]:
    return (dcmread(io.BytesIO(content)) for content in contents)


def test_there_is_a_study_for_each_thing_to_show() -> None:
    assert [study.outcome for study in STUDIES] == [
        *[Outcome.PUBLISHED] * 5,
        *[Outcome.FAILED] * 2,
        *[Outcome.LEFT_OUT] * 5,
    ]
    assert [study.purpose for study in STUDIES if not study.reviews] == ["not reviewed yet"] * 2
    assert [study.number for study in STUDIES if not study.in_staging] == [6]
    assert [study.number for study in STUDIES if not study.has_encounter] == [7]
    assert sum(study.instances for study in STUDIES) == 322
    assert STUDIES[0].patient == STUDIES[1].patient


def test_only_allowed_series_are_publishable() -> None:
    assert [study.publishable for study in STUDIES[:5]] == [40, 48, 40, 24, 5]


def test_every_instance_reads_and_belongs_to_its_study(files: dict[int, list[bytes]]) -> None:
    for study in STUDIES:
        assert len(files[study.number]) == study.instances
        for ds in data_sets(files[study.number]):
            assert ds.StudyInstanceUID == study.study_uid
            assert ds.PatientID == study.patient.mrn
            assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID


def test_no_two_instances_or_series_share_a_uid() -> None:
    uids = [uid for study in STUDIES for series in study.series for uid in (series.uid, *series.sop_uids)]
    assert len(uids) == len(set(uids))


def test_every_identifier_listed_is_in_the_files(files: dict[int, list[bytes]]) -> None:
    for study in STUDIES:
        everything = b"".join(files[study.number])
        encodings = ("latin-1", "utf-8")
        missing = [text for text in study.identifiers if not any(text.encode(e) in everything for e in encodings)]
        assert len(missing) == 0


def test_identifiers_are_long_enough_to_search_for_and_people_do_not_share_them() -> None:
    for study in STUDIES:
        assert min(map(len, study.identifiers)) >= 5
    for one, other in combinations({study.patient for study in STUDIES}, 2):
        assert not one.identifiers & other.identifiers


def test_a_repr_of_a_study_gives_nothing_away() -> None:
    for study in STUDIES:
        assert not any(text in repr(study) for text in study.identifiers)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_identity_is_in_header_sequences_private_blocks_file_meta_and_preamble(number: int) -> None:
    study = study_number(number)
    ds = dcmread(io.BytesIO(next(instance_files(study)).content))

    assert study.patient.family_name in str(ds.PatientName)
    assert ds.OtherPatientIDsSequence[0].PatientID == study.patient.other_id
    assert study.patient.mrn in ds.RequestAttributesSequence[0].ScheduledProcedureStepDescription
    assert study.patient.spoken_name in ds.PatientComments
    private = ds.private_block(0x0029, "HALDEN ARCHIVE 3")
    assert private[0x01].value == study.patient.dicom_name
    assert private[0x04].value[0].PatientName == study.patient.dicom_name
    assert ds.file_meta.SourceApplicationEntityTitle == study.station_name
    assert study.patient.mrn.encode() in ds.preamble


def test_the_report_references_images_of_its_study() -> None:
    study = study_number(3)
    *_, file = instance_files(study)
    ds = dcmread(io.BytesIO(file.content))

    evidence = ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    images = {item.ReferencedSOPInstanceUID for item in evidence.ReferencedSOPSequence}
    assert ds.Modality == "SR"
    assert images <= set(study.series[0].sop_uids)
    assert evidence.SeriesInstanceUID == study.series[0].uid


def test_the_second_mr_series_references_the_first(files: dict[int, list[bytes]]) -> None:
    study = study_number(2)
    second = list(data_sets(files[2]))[24:]
    sources = [ds.SourceImageSequence[0].ReferencedSOPInstanceUID for ds in second]
    assert sources == list(study.series[0].sop_uids)
    assert {ds.FrameOfReferenceUID for ds in second} == {study.frame_of_reference_uid}


def test_ultrasound_declares_text_in_its_pixels(files: dict[int, list[bytes]]) -> None:
    ultrasound = [ds for ds in data_sets(files[4]) if ds.Modality == "US"]
    assert [ds.BurnedInAnnotation for ds in ultrasound] == ["YES"] * 3
    assert all(ds.pixel_array[:40].max() == 255 for ds in ultrasound)


def test_pixels_of_generated_images_have_their_declared_size(files: dict[int, list[bytes]]) -> None:
    for study in STUDIES:
        if any(series.kind is Kind.SHIPPED for series in study.series):
            continue
        for ds in data_sets(files[study.number]):
            if "PixelData" in ds:
                assert len(ds.PixelData) == ds.Rows * ds.Columns * ds.SamplesPerPixel * ds.BitsAllocated // 8


def test_the_mixed_study_has_several_encodings(files: dict[int, list[bytes]]) -> None:
    assert len({ds.file_meta.TransferSyntaxUID for ds in data_sets(files[5])}) == 6


def test_encapsulated_pixels_are_bytes(files: dict[int, list[bytes]]) -> None:
    """PS3.5 A.4: their VR is OB, whatever it was in the file that the demo takes from elsewhere."""
    encapsulated = [ds for contents in files.values() for ds in data_sets(contents) if is_encapsulated(ds)]

    assert encapsulated
    assert {ds["PixelData"].VR for ds in encapsulated} == {"OB"}


def is_encapsulated(ds: Dataset) -> bool:
    return ds.file_meta.TransferSyntaxUID.is_encapsulated and "PixelData" in ds


def test_another_process_makes_the_same_files() -> None:
    code = (
        "import hashlib; from dicom_assets.demo.studies import demo_studies, instance_files as files\n"
        "digest = hashlib.sha256()\n"
        "for s in demo_studies()[2:5]:\n    [digest.update(f.content) for f in files(s)]\n"
        "import sys; sys.stdout.write(digest.hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop()) == 64


@pytest.mark.parametrize(("number", "index"), ONE_OF_EACH, ids=["ct", "mr", "protocol", "report", "ultrasound"])
def test_an_independent_validator_finds_no_error(
    number: int, index: int, files: dict[int, list[bytes]], tmp_path: Path, tool: Callable[[str], str]
) -> None:
    path = tmp_path / "instance.dcm"
    path.write_bytes(files[number][index])
    done = subprocess.run([tool("dciodvfy"), str(path)], capture_output=True, text=True, errors="replace", check=False)
    errors = [text.split("=")[0] for text in (done.stdout + done.stderr).splitlines() if text.startswith("Error")]
    assert errors == []


def test_a_series_knows_what_it_is() -> None:
    study: DemoStudy = study_number(3)
    assert [series.description for series in study.series] == ["Abdomen 3mm", "Patient Protocol", "Report"]
    assert [series.modality for series in study.series] == ["CT", "CT", "SR"]
