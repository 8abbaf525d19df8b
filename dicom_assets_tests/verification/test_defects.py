"""Each kind of defect is found by its check and by no other, and shown without a value."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset
from pydicom.uid import ImplicitVRLittleEndian

from dicom_assets.cli.verdict_table import verdict_as_json
from dicom_assets.verification import Check, Outcome
from dicom_assets_tests.verification.folders import FIRST, OTHER_STUDY, SECONDARY_CAPTURE, STUDY, Folders, an_item

Change = Callable[[FileDataset], object]
SENTINELS = (
    "zweistein",
    "lbertine",
    "4711",
    "dreistein",
    "akte77812",
    "flieder",
    "5556677",
    "acc990017",
    "1961",
    STUDY,
)


def add(tag: int, vr: str, value: object) -> Change:
    return lambda ds: ds.add(DataElement(tag, vr, value))


def put(**attributes: object) -> Change:
    def change(ds: FileDataset) -> None:
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)

    return change


def nested(**attributes: object) -> Change:
    return put(
        AnatomicRegionSequence=[an_item(CodeMeaning="Chest", AnatomicRegionModifierSequence=[an_item(**attributes)])]
    )


def meta(**attributes: object) -> Change:
    def change(ds: FileDataset) -> None:
        for keyword, value in attributes.items():
            setattr(ds.file_meta, keyword, value)

    return change


def preamble(content: bytes) -> Change:
    def change(ds: FileDataset) -> None:
        ds.preamble = content.ljust(128, b"\0")

    return change


def codes(*values: str, scheme: str = "DCM") -> Change:
    return put(
        DeidentificationMethodCodeSequence=[
            an_item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning="x") for value in values
        ]
    )


def both(*changes: Change) -> Change:
    return lambda ds: [change(ds) for change in changes]


LEAKS: dict[str, Change] = {
    "family name in a description": put(StudyDescription="scan of ZWEISTEIN, follow-up"),
    "accented name without accents": put(SeriesDescription="albertine zweistein"),
    "given name alone": put(ImageComments="Frau Álbertine kam spät"),
    "names written together": put(SeriesDescription="albertinezweistein2"),
    "other name": nested(CodeMeaning="Bertha Dreistein"),
    "physician's name": put(OperatorsName="Quacksalber"),
    "name of another patient": put(StudyDescription="Vierstein"),
    "name in a code": put(BodyPartExamined="ZWEISTEIN"),
    "patient ID in a text": put(ProtocolName="P mrn-4711-0815"),
    "other patient ID, nested": nested(CodeMeaning="siehe AKTE77812"),
    "accession number": put(StudyID="ACC990017"),
    "birth date": put(PatientBirthDate="19610512"),
    "birth date in a text": put(ImageComments="geb. 12.05.1961"),
    "birth date as another date": put(ContentDate="19610512"),
    "telephone number": put(ImageComments="call 0171/5556677"),
    "telephone number with the country's prefix": put(ImageComments="+49 (171) 555-6677"),
    "address": put(ImageComments="wohnt FLIEDERWEG 12 A"),
    "original UID in a text": put(ImageComments=f"see {FIRST}."),
    "original UID as a reference": put(ReferencedImageSequence=[an_item(ReferencedSOPInstanceUID=FIRST)]),
    "original frame of reference": put(FrameOfReferenceUID="1.2.826.0.1.99.77.1"),
    "name in the preamble": preamble(b"xx Zweistein"),
    "name in the preamble in UTF-16": preamble("Zweistein".encode("utf-16-le")),
    "name in file meta information": meta(SourceApplicationEntityTitle="ZWEISTEIN"),
    "name in an unknown element": add(0x00189999, "UN", b"\1\2Zweistein\0"),
    "name in bytes in UTF-8": add(0x00420011, "OB", "..Álbertine..".encode() + b"\0"),
    "name in bytes in UTF-16": add(0x00420011, "OB", "Zweistein".encode("utf-16-be")),
    "private element": add(0x00090010, "LO", "ACME"),
    "attribute that is always removed": put(PatientBirthName="Sowieso"),
    "nested attribute that is always removed": nested(PatientMotherBirthName="Sowieso"),
    "encrypted attributes": put(
        EncryptedAttributesSequence=[an_item(EncryptedContentTransferSyntaxUID="1.2.840.10008.1.2")]
    ),
}
UIDS: dict[str, Change] = {
    "reference to another instance": put(ReferencedImageSequence=[an_item(ReferencedSOPInstanceUID="2.25.4711999")]),
    "another series": put(SeriesInstanceUID="2.25.4711998"),
    "another study": put(StudyInstanceUID="2.25.4711997"),
    "another frame of reference": put(FrameOfReferenceUID="2.25.4711996"),
}
OBJECTS: dict[str, Change] = {
    "media storage SOP Instance UID": meta(MediaStorageSOPInstanceUID="2.25.4711995"),
    "SOP class": both(put(SOPClassUID=SECONDARY_CAPTURE), meta(MediaStorageSOPClassUID=SECONDARY_CAPTURE)),
    "pixels": put(PixelData=bytes(11) + b"\1"),
    "transfer syntax": meta(TransferSyntaxUID=ImplicitVRLittleEndian),
}
METHOD: dict[str, Change] = {
    "identity not removed": put(PatientIdentityRemoved="NO"),
    "no method": lambda ds: [delattr(ds, "DeidentificationMethod"), delattr(ds, "DeidentificationMethodCodeSequence")],
    "code of another context group": codes("113100", "121321"),
    "code of another scheme": codes("113100", scheme="99X"),
    "dates said to be unmodified": put(LongitudinalTemporalInformationModified="UNMODIFIED"),
    "full dates claimed, not said": codes("113100", "113106"),
    "burned-in annotation": put(BurnedInAnnotation="YES"),
    "pixels said to be clean with annotation": both(codes("113100", "113101"), put(BurnedInAnnotation="YES")),
    "date that was not removed": put(StudyDate="20240311"),
}
CASES = [
    pytest.param(check, change, id=name.replace(" ", "-"))
    for check, changes in (
        (Check.LEAKS, LEAKS),
        (Check.UIDS, UIDS),
        (Check.OBJECTS, OBJECTS),
        (Check.METHOD, METHOD),
    )
    for name, change in changes.items()
]


def test_nothing_is_found_in_what_the_engine_made(sound_folders: Folders) -> None:
    verdict = sound_folders.verify(with_iod=True)

    assert verdict.findings == []
    assert (verdict.sources, verdict.destinations, verdict.pairs) == (3, 3, 3)
    assert verdict.result(Check.UIDS).examined >= 8
    assert verdict.result(Check.INTERVALS).outcome is Outcome.SKIPPED


def test_files_are_paired_by_content_without_a_report(sound_folders: Folders) -> None:
    verdict = sound_folders.verify(with_report=False)

    assert verdict.pairs == 3
    assert verdict.findings == []


@pytest.mark.parametrize(("check", "change"), CASES)
def test_defect_is_found_by_its_check_and_by_no_other(folders: Folders, check: Check, change: Change) -> None:
    folders.edit(change, 1)

    verdict = folders.verify()

    assert {finding.check for finding in verdict.findings} == {check}
    assert {finding.file for finding in verdict.findings} == {folders.outputs[1].relative_to(folders.dest).as_posix()}
    shown = json.dumps(verdict_as_json(verdict)).casefold()
    assert not [sentinel for sentinel in SENTINELS if sentinel in shown]


@pytest.mark.parametrize(("check", "change"), CASES)
def test_defect_is_found_without_a_report_too(folders: Folders, check: Check, change: Change) -> None:
    folders.edit(change, 1)

    assert folders.failed(with_report=False) == {check}


def test_two_originals_with_one_replacement_are_found(folders: Folders) -> None:
    replacement = str(folders.outputs[0].stem)
    folders.edit(put(FrameOfReferenceUID=replacement), 0)
    folders.edit(put(FrameOfReferenceUID=replacement), 1)
    folders.edit(put(FrameOfReferenceUID=replacement), 2)

    verdict = folders.verify()

    assert {finding.check for finding in verdict.findings} == {Check.UIDS}
    assert "one UID stands for two originals" in {finding.rule for finding in verdict.findings}


def test_retained_uids_are_no_leak_where_the_method_says_so(folders: Folders) -> None:
    def retain(ds: FileDataset) -> None:
        source = {1: FIRST, 2: f"{STUDY}.1.2"}
        is_other = ds.PixelData == bytes(12)
        ds.SOPInstanceUID = f"{OTHER_STUDY}.1.1" if is_other else source[int(ds.InstanceNumber)]
        ds.StudyInstanceUID = OTHER_STUDY if is_other else STUDY
        ds.SeriesInstanceUID = f"{ds.StudyInstanceUID}.1"
        ds.FrameOfReferenceUID = "1.2.826.0.1.99.77.1"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        for item in ds.get("ReferencedImageSequence", []):
            item.ReferencedSOPInstanceUID = FIRST
        codes("113100", "113110")(ds)

    folders.edit_all(retain)
    assert folders.failed() == set()

    folders.edit_all(codes("113100"))
    assert folders.failed() == {Check.LEAKS}


def test_device_uid_is_no_leak_where_the_method_retains_device_identity(folders: Folders) -> None:
    folders.edit_all(put(DeviceUID="1.2.826.0.1.99.88.1"))
    assert folders.failed() == {Check.LEAKS}

    folders.edit_all(codes("113100", "113109"))
    assert folders.failed() == set()


def test_changed_pixels_are_noted_where_the_method_says_that_they_were_cleaned(folders: Folders) -> None:
    folders.edit(both(put(PixelData=bytes(11) + b"\1", BurnedInAnnotation="NO"), codes("113100", "113101")), 1)

    verdict = folders.verify()

    assert verdict.findings == []
    assert verdict.result(Check.OBJECTS).notes == ["1 files with other pixels, pixels cleaned"]


def shift(days: int) -> Change:
    def change(ds: FileDataset) -> None:
        moved = (datetime(2024, 3, 11) + timedelta(days)).strftime("%Y%m%d")
        ds.StudyDate = ds.SeriesDate = moved
        ds.AcquisitionDateTime = (datetime(2024, 3, 12, 10, 30) + timedelta(days)).strftime("%Y%m%d%H%M%S")
        ds.LongitudinalTemporalInformationModified = "MODIFIED"
        codes("113100", "113107")(ds)

    return change


@pytest.mark.parametrize("off", [-99, -101, 0])
def test_date_that_is_shifted_differently_is_found(folders: Folders, off: int) -> None:
    folders.edit_all(shift(-100))
    assert folders.failed() == set()
    assert folders.verify().result(Check.INTERVALS).examined == 3

    moved = datetime(2024, 3, 11) + timedelta(off)
    folders.edit(put(SeriesDate=moved.strftime("%Y%m%d")), 1)

    assert folders.failed() == {Check.INTERVALS}
    assert folders.failed(with_report=False) == {Check.INTERVALS}


def test_patients_are_shifted_independently(folders: Folders) -> None:
    for number, days in enumerate((-100, -100, -7)):
        folders.edit(shift(days), number)

    assert folders.failed() == set()


def test_dates_that_are_said_to_be_shifted_but_are_not_are_found(folders: Folders) -> None:
    folders.edit_all(shift(0))

    assert folders.failed() == {Check.INTERVALS}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_new_error_of_dciodvfy_is_found_by_its_text(folders: Folders) -> None:
    folders.edit(lambda ds: delattr(ds, "ImageType"), 1)

    verdict = folders.verify(with_iod=True)

    assert {finding.check for finding in verdict.findings} == {Check.IOD}
    assert any("ImageType(0008,0008) - Missing attribute" in finding.rule for finding in verdict.findings)


def test_absent_dciodvfy_is_said_with_how_to_install_it(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    result = folders.verify(with_iod=True).result(Check.IOD)

    assert result.outcome is Outcome.SKIPPED
    assert "dicom3tools" in result.skipped


def test_identifier_in_a_path_is_found_and_the_path_not_shown(folders: Folders) -> None:
    named = folders.dest / "ZWEISTEIN_ALBERTINE"
    (folders.dest / "study1").rename(named)

    folders.outputs[2].rename(folders.dest / "albertine.dcm")

    verdict = folders.verify(with_report=False)

    assert {finding.check for finding in verdict.findings} == {Check.LEAKS}
    assert sorted(finding.file for finding in verdict.findings) == [
        *sorted(f"DEST file {n} (…/{path.name})" for n, path in enumerate(sorted(named.iterdir()), start=1)),
        "DEST file 3 (path not shown)",
    ]


def test_other_file_that_holds_an_identifier_is_found(folders: Folders) -> None:
    (folders.dest / "notes.txt").write_text("Zweistein was here")

    verdict = folders.verify(with_report=False)

    assert {(finding.check, finding.file) for finding in verdict.findings} == {
        (Check.LEAKS, "notes.txt"),
        (Check.OBJECTS, "notes.txt"),
    }


def test_file_from_nowhere_is_found_with_a_report_only(folders: Folders) -> None:
    copy = folders.dest / "study1" / "2.25.1.dcm"
    shutil.copy(folders.outputs[0], copy)

    assert folders.failed() == {Check.PAIRING}
    assert folders.failed(with_report=False) == set()


def test_written_file_that_is_not_there_is_found(folders: Folders) -> None:
    folders.outputs[0].unlink()

    verdict = folders.verify()

    assert [(finding.check, finding.file) for finding in verdict.findings] == [(Check.PAIRING, "source file 1")]


@pytest.mark.parametrize(("show_source", "name"), [(False, "source file 4"), (True, "SOURCE/study9/lost.dcm")])
def test_source_file_that_is_not_accounted_for_is_found(folders: Folders, show_source: bool, name: str) -> None:
    lost = folders.source / "study9" / "lost.dcm"
    lost.parent.mkdir()
    lost.write_bytes(b"not DICOM")

    verdict = folders.verify(show_source=show_source)

    assert [(finding.check, finding.file) for finding in verdict.findings] == [(Check.PAIRING, name)]


def test_quarantined_file_is_accounted_for(folders: Folders) -> None:
    (folders.source / "odd.dcm").write_bytes(b"not DICOM")
    line = {"source": "odd.dcm", "outcome": "quarantined", "output": None, "reason": "unreadable", "detail": ""}
    folders.report.write_text(folders.report.read_text() + json.dumps(line) + "\n")

    assert folders.failed() == set()


def test_copies_of_a_source_file_may_be_written_to_one_file(folders: Folders) -> None:
    lines = [json.loads(line) for line in folders.report.read_text().splitlines()]
    shutil.copy(folders.source / lines[0]["source"], folders.source / "copy.dcm")
    lines.append({**lines[0], "source": "copy.dcm"})
    folders.report.write_text("\n".join(map(json.dumps, lines)))

    verdict = folders.verify()

    assert verdict.findings == []
    assert len(verdict.result(Check.PAIRING).notes) == 1


def test_two_sources_written_to_one_file_are_found(folders: Folders) -> None:
    lines = [json.loads(line) for line in folders.report.read_text().splitlines()]
    lines[1]["output"] = lines[0]["output"]
    folders.report.write_text("\n".join(map(json.dumps, lines)))
    Path(folders.outputs[1]).unlink()

    assert folders.failed() == {Check.PAIRING}
