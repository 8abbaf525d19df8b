"""Writes an invented identity into every place where real studies carry one."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_assets.demo.people import DEPARTMENT, INSTITUTION, INSTITUTION_ADDRESS, ISSUER
from dicom_assets.demo.plan import DemoSeries, DemoStudy

DETACHED_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"
PRIVATE_CREATOR = "HALDEN ARCHIVE 3"
SAFE_PRIVATE_CREATOR = "Philips MR Imaging DD 001"


def identify(ds: Dataset, study: DemoStudy, series: DemoSeries, index: int) -> None:
    """Make `ds` the series' instance number `index` (from 0), with its study's identity in it."""
    # Shipped files bring a character set of their own; ours must hold every name of the demo.
    ds.SpecificCharacterSet = "ISO_IR 192" if study.number % 2 else "ISO_IR 100"
    _place(ds, study, series, index)
    _date(ds, study.started_at + timedelta(minutes=series.number, seconds=index))
    _patient(ds, study)
    _hospital(ds, study)
    _request(ds, study)
    _private(ds, study)


def _place(ds: Dataset, study: DemoStudy, series: DemoSeries, index: int) -> None:
    ds.StudyInstanceUID = study.study_uid
    ds.SeriesInstanceUID = series.uid
    ds.SOPInstanceUID = series.sop_uids[index]
    ds.StudyID = f"WXS{study.number:04d}"
    ds.AccessionNumber = study.accession_number
    ds.Modality = series.modality
    ds.SeriesNumber = series.number
    ds.InstanceNumber = index + 1
    ds.StudyDescription = study.description
    ds.SeriesDescription = series.description
    if "FrameOfReferenceUID" in ds:
        ds.FrameOfReferenceUID = study.frame_of_reference_uid


def _date(ds: Dataset, moment: datetime) -> None:
    day, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.000000")
    for what in ("Study", "Series", "Content", "InstanceCreation"):
        setattr(ds, f"{what}Date", day)
        setattr(ds, f"{what}Time", time)
    ds.PerformedProcedureStepStartDate = day
    ds.PerformedProcedureStepStartTime = time


def _patient(ds: Dataset, study: DemoStudy) -> None:
    who = study.patient
    ds.PatientName = who.dicom_name
    ds.PatientID = who.mrn
    ds.IssuerOfPatientID = ISSUER
    ds.PatientBirthDate = who.birth_date.strftime("%Y%m%d")
    ds.PatientSex = who.sex
    ds.PatientAge = f"{(study.day - who.birth_date).days // 365:03d}Y"
    ds.PatientWeight = "31.5"
    ds.OtherPatientIDs = [who.other_id, who.national_id]
    ds.OtherPatientNames = f"{who.family_name}^Née^{who.given_name}"
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID, other.TypeOfPatientID = who.other_id, ISSUER, "TEXT"
    ds.OtherPatientIDsSequence = Sequence([other])
    ds.PatientMotherBirthName = f"{who.family_name}^Mother"
    ds.PatientAddress = who.street
    ds.PatientTelephoneNumbers = who.telephone
    ds.EthnicGroup = "UNKNOWN"
    ds.AdditionalPatientHistory = f"{who.spoken_name} fell off a pony in March"
    ds.PatientComments = f"Call the mother of {who.spoken_name}: {who.telephone}"


def _hospital(ds: Dataset, study: DemoStudy) -> None:
    ds.Manufacturer = "Halden Medical"
    ds.ManufacturerModelName = "Meridian 4"
    ds.InstitutionName = INSTITUTION
    ds.InstitutionAddress = INSTITUTION_ADDRESS
    ds.InstitutionalDepartmentName = DEPARTMENT
    ds.StationName = study.station_name
    ds.DeviceSerialNumber = study.device_serial_number
    ds.SoftwareVersions = "5.1"
    ds.ReferringPhysicianName = study.referring_physician
    ds.PerformingPhysicianName = study.performing_physician
    ds.PhysiciansOfRecord = study.referring_physician
    ds.NameOfPhysiciansReadingStudy = study.performing_physician
    ds.OperatorsName = study.operator


def _request(ds: Dataset, study: DemoStudy) -> None:
    name = study.patient.spoken_name
    ds.AdmittingDiagnosesDescription = f"Follow-up of {name}"
    ds.RequestingPhysician = study.referring_physician
    ds.RequestedProcedureDescription = study.description
    ds.PerformedProcedureStepID = f"PPS{study.number:04d}"
    ds.PerformedProcedureStepDescription = f"{study.description} {study.patient.family_name}"
    ds.CommentsOnThePerformedProcedureStep = f"{name} was calm, {study.operator.split('^')[1]} held her hand"
    step = Dataset()
    step.RequestedProcedureDescription = f"{study.description} for {name}"
    step.ScheduledProcedureStepDescription = f"{study.description}, patient {study.patient.mrn}"
    step.ScheduledProcedureStepID = f"SPS{study.number:04d}"
    step.RequestedProcedureID = study.accession_number
    ds.RequestAttributesSequence = Sequence([step])
    ds.ReferencedStudySequence = Sequence([reference(DETACHED_STUDY_MANAGEMENT, study.study_uid)])


def reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """An item that names another instance."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def _private(ds: Dataset, study: DemoStudy) -> None:
    who = study.patient
    block = ds.private_block(0x0029, PRIVATE_CREATOR, create=True)
    block.add_new(0x01, "LO", who.dicom_name)
    block.add_new(0x02, "UN", f"mrn={who.mrn};acc={study.accession_number}".ljust(60).encode())
    block.add_new(0x03, "UI", study.study_uid)
    item = Dataset()
    item.PatientName = who.dicom_name
    item.private_block(0x0029, PRIVATE_CREATOR, create=True).add_new(0x01, "LO", who.national_id)
    block.add_new(0x04, "SQ", Sequence([item]))
    # PS3.15 Table E.3.10-1 knows this element (scale slope) to be safe.
    ds.private_block(0x2005, SAFE_PRIVATE_CREATOR, create=True).add_new(0x0E, "FL", 1.5)
