"""A source folder, what the engine makes of it, and ways to spoil that."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_assets.deidentification import Deidentified, UidReplacer, deidentify_instance
from dicom_assets.study import Subject
from dicom_assets.verification import Check, Settings, Verdict, verify
from dicom_assets_tests.deidentification.builders import BASIC, SECRET, an_image, as_file

MODALITIES = frozenset({"CT", "MR"})
ROOT = "1.2.826.0.1.99"
STUDY, OTHER_STUDY = f"{ROOT}.1", f"{ROOT}.2"
FIRST, SECOND = f"{STUDY}.1.1", f"{STUDY}.1.2"
IDENTIFYING: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": "Zweistein^Álbertine^Q",
    "PatientID": "MRN-4711-0815",
    "PatientBirthDate": "19610512",
    "OtherPatientNames": "Dreistein^Bertha",
    "OtherPatientIDs": "AKTE77812",
    "PatientAddress": "Fliederweg 12 a",
    "PatientTelephoneNumbers": "0171 555 66 77",
    "AccessionNumber": "ACC990017",
    "ReferringPhysicianName": "Quacksalber^Ottokar",
    "StudyDate": "20240311",
    "SeriesDate": "20240311",
    "AcquisitionDateTime": "20240312103000",
    "StudyDescription": "CT CHEST Zweistein",
    "Manufacturer": "ACME",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "FrameOfReferenceUID": f"{ROOT}.77.1",
    "DeviceUID": f"{ROOT}.88.1",
}


@dataclass(frozen=True)
class Folders:
    """SOURCE, DEST made by the engine, and the report of it."""

    source: Path
    dest: Path
    report: Path
    outputs: tuple[Path, ...]

    def verify(self, *, with_report: bool = True, with_iod: bool = False, show_source: bool = False) -> Verdict:
        """Verify DEST."""
        report = self.report if with_report else None
        return verify(Settings(self.source, self.dest, report, with_iod=with_iod, show_source=show_source))

    def failed(self, **settings: bool) -> set[Check]:
        """The checks that found something."""
        return {finding.check for finding in self.verify(**settings).findings}

    def edit(self, change: Callable[[FileDataset], object], number: int = 0) -> Path:
        """Change a file of DEST with pydicom."""
        path = self.outputs[number]
        ds = pydicom.dcmread(path)
        change(ds)
        with disable_value_validation():
            ds.save_as(path)
        return path

    def edit_all(self, change: Callable[[FileDataset], object]) -> None:
        """Change every file of DEST."""
        for number in range(len(self.outputs)):
            self.edit(change, number)

    def set(self, number: int = 0, /, **attributes: Any) -> None:
        """Set attributes of a file of DEST."""

        def change(ds: FileDataset) -> None:
            with disable_value_validation():
                for keyword, value in attributes.items():
                    setattr(ds, keyword, value)

        self.edit(change, number)


def an_item(**attributes: Any) -> Dataset:
    """A sequence item."""
    item = Dataset()
    with disable_value_validation():
        for keyword, value in attributes.items():
            setattr(item, keyword, value)
    return item


def identified_instances() -> list[Dataset]:
    """Two slices of a study of one patient, the second with a reference to the first, and a study of another."""
    nested = an_item(CodeValue="X", CodeMeaning="of Zweistein", RequestedProcedureID="ACC990017")
    first = an_image(**IDENTIFYING, SOPInstanceUID=FIRST, StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1")
    first.InstanceNumber = 1
    first.RequestAttributesSequence = [nested]
    reference = an_item(ReferencedSOPClassUID=first.SOPClassUID, ReferencedSOPInstanceUID=FIRST)
    second = an_image(**IDENTIFYING, SOPInstanceUID=SECOND, StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1")
    second.InstanceNumber = 2
    second.PixelData = bytes(reversed(range(12)))
    second.ReferencedImageSequence = [reference]
    other = an_image(
        **{**IDENTIFYING, "PatientName": "Vierstein^Carlotta", "PatientID": "MRN-9999", "PatientBirthDate": "19770901"},
        SOPInstanceUID=f"{OTHER_STUDY}.1.1",
        StudyInstanceUID=OTHER_STUDY,
        SeriesInstanceUID=f"{OTHER_STUDY}.1",
    )
    other.InstanceNumber = 1
    other.PixelData = bytes(12)
    return [first, second, other]


def make_folders(root: Path, instances: list[Dataset] | None = None) -> Folders:
    """Write SOURCE, de-identify it with the engine into DEST, one folder for each study, and write the report."""
    source, dest, report = root / "source", root / "dest", root / "report.jsonl"
    uids, outputs, lines = UidReplacer(SECRET), [], []
    for number, ds in enumerate(instances if instances is not None else identified_instances()):
        file = source / f"study{ds.StudyInstanceUID[-1]}" / f"{number}.dcm"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(as_file(ds))
        subject = Subject(f"PK{ds.PatientID.encode().hex()[-6:].upper()}Z", -100)
        written = io.BytesIO()
        outcome = deidentify_instance(
            io.BytesIO(file.read_bytes()),
            written,
            profile=BASIC,
            subject=subject,
            uids=uids,
            allowed_modalities=MODALITIES,
        )
        assert isinstance(outcome, Deidentified), outcome
        output = dest / file.parent.name / f"{outcome.sop_instance_uid}.dcm"
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(written.getvalue())
        outputs.append(output)
        line = {"source": file.relative_to(source).as_posix(), "outcome": "written", "reason": None, "detail": None}
        lines.append(json.dumps({**line, "output": output.relative_to(dest).as_posix()}))
    report.write_text("\n".join(lines) + "\n")
    return Folders(source, dest, report, tuple(outputs))


def copy_of(folders: Folders, root: Path) -> Folders:
    """A copy to spoil."""
    shutil.copytree(folders.source.parent, root, dirs_exist_ok=True)
    moved = tuple(root / path.relative_to(folders.source.parent) for path in folders.outputs)
    return Folders(root / "source", root / "dest", root / "report.jsonl", moved)


SECONDARY_CAPTURE = SecondaryCaptureImageStorage
