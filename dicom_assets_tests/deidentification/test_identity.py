"""Reading whose an instance is."""

from __future__ import annotations

import io

import pytest

from dicom_assets.deidentification.identity import FIRST_CHUNK, read_identity
from dicom_assets.deidentification.outcome import UnreadableInstanceError
from dicom_assets_tests.deidentification.builders import a_data_set, an_image, an_instance, as_file


def test_an_instance_says_whose_it_is() -> None:
    identity = read_identity(
        io.BytesIO(
            an_instance(
                IssuerOfPatientID="HOSP",
                PatientBirthDate="19500417",
                AccessionNumber="ACC-1",
                SeriesDescription="Patient Protocol",
                StudyDate="20240302",
                AcquisitionDateTime="20240301235959",
            )
        )
    )
    assert identity.patient.patient_id == "MRN-4711-0815"
    assert identity.patient.issuer == "HOSP"
    assert identity.patient.patient_name == "Zweistein^Albertine"
    assert identity.patient.birth_date == "19500417"
    assert identity.study_uid == "1.2.826.0.1.99.1"
    assert identity.series_uid == "1.2.826.0.1.99.1.1"
    assert identity.sop_uid == "1.2.826.0.1.99.1.1.1"
    assert (identity.modality, identity.accession_number, identity.is_patient_protocol) == ("CT", "ACC-1", True)
    assert identity.earliest_date == "20240301"
    assert "4711" not in repr(identity)
    assert "20240301" not in repr(identity)
    assert "826" not in repr(identity)


def test_pixels_are_not_read() -> None:
    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1, /) -> bytes:
            content = super().read(size)
            self.count += len(content)
            return content

    source = Counting(as_file(an_image(Rows=1000, Columns=1000, PixelData=bytes(2_000_000))))
    assert read_identity(source).modality == "CT"
    assert source.count == FIRST_CHUNK


@pytest.mark.parametrize("length", [FIRST_CHUNK - 700, FIRST_CHUNK - 400, FIRST_CHUNK, 3 * FIRST_CHUNK])
def test_a_long_header_is_read_to_its_end(length: int) -> None:
    file = as_file(an_image(TextValue="x" * length, ExtendedCodeMeaning="y" * 1000))
    assert read_identity(io.BytesIO(file)).series_uid == "1.2.826.0.1.99.1.1"


def test_what_an_instance_lacks_is_empty() -> None:
    identity = read_identity(io.BytesIO(an_instance(StudyInstanceUID=None, PatientID=None)))
    assert (identity.study_uid, identity.patient.patient_id, identity.earliest_date) == ("", "", "")


@pytest.mark.parametrize("content", [b"", b"no DICOM at all, for sure", as_file(a_data_set())[:-3]])
def test_what_can_not_be_read_is_refused_without_a_value(content: bytes) -> None:
    with pytest.raises(UnreadableInstanceError) as caught:
        read_identity(io.BytesIO(content))
    assert "MRN" not in str(caught.value)
    assert caught.value.__cause__ is None
