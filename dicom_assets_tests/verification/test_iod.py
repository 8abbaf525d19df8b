"""What is left of dciodvfy's messages."""

from __future__ import annotations

import pytest

from dicom_assets.verification.iod import without_values


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            "Error - </Laterality(0020,0060)> - Missing attribute for Type 2C Conditional - Module=<GeneralSeries>",
            "Laterality(0020,0060) - Missing attribute for Type 2C Conditional - GeneralSeries",
        ),
        (
            "Error - </PatientAge(0010,1010)[1]> - Value invalid for this VR [AS] = <42> - Length invalid for this VR"
            " = <2> - expected == 4",
            "PatientAge(0010,1010) - Value invalid for this VR [AS] - Length invalid for this VR",
        ),
        (
            "Error - </StudyDate(0008,0020)[1]> - Value invalid for this VR [DA] = <Doe> - Character invalid for"
            " this VR = 'D' (0x44)",
            "StudyDate(0008,0020) - Value invalid for this VR [DA] - Character invalid for this VR",
        ),
        (
            "Error - </SegmentSequence(0062,0002)[3]/TrackingUID(0062,0021)> - Illegal root for UID = <99.4711>",
            "SegmentSequence(0062,0002)/TrackingUID(0062,0021) - Illegal root for UID",
        ),
        (
            'Error - </(0031,1020,"ZWEISTEIN 1.0")[1]> - Value invalid for this VR [IS] = <GP',
            "(0031,1020) - Value invalid for this VR [IS]",
        ),
        (
            "Error - </ReferencedStudySequence(0008,1110)> - Bad Sequence number of Items = <0> (1-n Required by"
            " Module definition) - Module=<GeneralStudy>",
            "ReferencedStudySequence(0008,1110) - Bad Sequence number of Items - GeneralStudy",
        ),
        ("Error - Dicom dataset read failed", "Dicom dataset read failed"),
        ("Error - Value <Zweistein> of 4711 is odd", "Value  of n is odd"),
    ],
)
def test_values_item_numbers_and_private_creators_go(error: str, expected: str) -> None:
    assert without_values(error) == expected
