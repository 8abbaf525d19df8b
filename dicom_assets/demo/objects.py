"""Makes the instances of the demo's series as Part 10 files."""

from __future__ import annotations

import io
from collections.abc import Callable

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from dicom_assets.demo import pixels
from dicom_assets.demo.identified import identify, reference
from dicom_assets.demo.people import ISSUER
from dicom_assets.demo.plan import DemoSeries, DemoStudy, Kind
from dicom_assets.demo.report import report
from dicom_assets.errors import ConfigurationError

IMPLEMENTATION_UID = UID("1.2.826.0.1.3680043.8.498.1")
CT_SIZE = 256
MR_SIZE = 192
PIXEL_SPACING_MM = 1.25
PREAMBLE_BYTES = 128


def instance_file(study: DemoStudy, series: DemoSeries, index: int) -> bytes:
    """One instance as a file, with the identity in its data set, file meta information and preamble.

    Raises:
        ConfigurationError: the installed pydicom lacks a file that the demo takes from it.
    """
    ds = shipped(series.file) if series.kind is Kind.SHIPPED else BUILDERS[series.kind](study, series, index)
    identify(ds, study, series, index)
    return _encoded(ds, study)


def shipped(name: str) -> Dataset:
    """A data set that the pydicom wheel ships."""
    path = get_testdata_file(name, download=False)
    if not isinstance(path, str):
        raise ConfigurationError(f"pydicom was installed without its file {name}: install it from its wheel")
    return dcmread(path)


def _encoded(ds: Dataset, study: DemoStudy) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    made = ExplicitVRLittleEndian
    meta.TransferSyntaxUID = UID(ds.file_meta.TransferSyntaxUID) if hasattr(ds, "file_meta") else made
    if meta.TransferSyntaxUID.is_encapsulated and "PixelData" in ds:
        ds["PixelData"].VR = "OB"  # PS3.5 A.4; some of what pydicom ships says OW
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "HALDEN_51"
    meta.SourceApplicationEntityTitle = study.station_name
    meta.SendingApplicationEntityTitle = study.station_name
    meta.ReceivingApplicationEntityTitle = "WXARCHIVE"
    meta.PrivateInformationCreatorUID = UID(study.uid("private information creator"))
    meta.PrivateInformation = f"{ISSUER} {study.patient.mrn}".ljust(40).encode()
    note = f"burned for {study.patient.dicom_name} {study.patient.mrn}".encode()[:PREAMBLE_BYTES]
    file = io.BytesIO()
    encoded = FileDataset(file, ds, preamble=note.ljust(PREAMBLE_BYTES, b"\0"), file_meta=meta)
    encoded.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _image(sop_class: str, image_type: list[str], body_part: str) -> Dataset:
    ds = Dataset()
    ds.BodyPartExamined = body_part
    ds.SOPClassUID = sop_class
    ds.ImageType = image_type
    ds.PatientOrientation = ["L", "P"]
    return ds


def _set_pixels(ds: Dataset, pixel: bytes, rows: int, columns: int, bits: int, signed: bool = False) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
    ds.PixelRepresentation = int(signed)
    ds.add_new("PixelData", "OW", pixel)


def _set_colour(ds: Dataset, frame: pixels.Frame) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.Rows, ds.Columns = frame.shape[:2]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.add_new("PixelData", "OB", frame.tobytes())


def _in_space(ds: Dataset, study: DemoStudy, index: int, size: int) -> None:
    ds.FrameOfReferenceUID = study.frame_of_reference_uid
    ds.PositionReferenceIndicator = ""
    half = size * PIXEL_SPACING_MM / 2
    ds.ImagePositionPatient = [-half, -half, 3.0 * index]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [PIXEL_SPACING_MM, PIXEL_SPACING_MM]
    ds.SliceThickness = 3
    ds.SliceLocation = 3.0 * index
    ds.AcquisitionNumber = 1
    ds.PatientPosition = "HFS"
    del ds.PatientOrientation


def _ct(study: DemoStudy, series: DemoSeries, index: int) -> Dataset:
    ds = _image(CTImageStorage, ["ORIGINAL", "PRIMARY", "AXIAL"], "CHEST")
    _in_space(ds, study, index, CT_SIZE)
    ds.AcquisitionDate = study.day.strftime("%Y%m%d")
    ds.KVP, ds.XRayTubeCurrent, ds.ConvolutionKernel = "120", "180", "STANDARD"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = 40, 400
    ds.ImageComments = f"Slice {index + 1} of {study.patient.spoken_name}"
    image = pixels.ct_slice(CT_SIZE, index / len(series.sop_uids), study.number * 1000 + index)
    _set_pixels(ds, image.tobytes(), CT_SIZE, CT_SIZE, 16, signed=True)
    return ds


def _mr(study: DemoStudy, series: DemoSeries, index: int) -> Dataset:
    ds = _image(MRImageStorage, ["ORIGINAL", "PRIMARY", "M", "SE"], "HEAD")
    _in_space(ds, study, index, MR_SIZE)
    weighted = series.kind is Kind.MR_T2
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "SE", "NONE", "", "2D"
    ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = ("4200", "98", 12) if weighted else ("560", "14", 1)
    ds.MagneticFieldStrength = "1.5"
    ds.ProtocolName = f"{series.description} {study.patient.family_name}"
    ds.WindowCenter, ds.WindowWidth = 400, 900
    if series.number > 1 and study.series[0].kind is Kind.MR_T1:
        source = reference(MRImageStorage, study.series[0].sop_uids[index])
        ds.SourceImageSequence = Sequence([source])
        ds.ReferencedImageSequence = Sequence([reference(MRImageStorage, study.series[0].sop_uids[0])])
    image = pixels.mr_slice(MR_SIZE, (index + 1) / (len(series.sop_uids) + 1), study.number * 1000 + index, weighted)
    _set_pixels(ds, image.tobytes(), MR_SIZE, MR_SIZE, 12)
    return ds


def _us(study: DemoStudy, series: DemoSeries, index: int) -> Dataset:
    ds = _image(UltrasoundImageStorage, ["ORIGINAL", "PRIMARY"], "NECK")
    ds.BurnedInAnnotation = "YES"
    ds.LossyImageCompression = "00"
    who = study.patient
    lines = (
        f"{who.family_name}, {who.given_name}",
        f"{who.mrn}  {study.day:%d.%m.%Y}",
        f"{series.description} {index + 1}",
    )
    _set_colour(ds, pixels.ultrasound_frame(320, 240, lines, study.number * 1000 + index))
    return ds


def _protocol(study: DemoStudy, _series: DemoSeries, _index: int) -> Dataset:
    ds = _image(SecondaryCaptureImageStorage, ["DERIVED", "SECONDARY", "SCREEN SAVE"], "ABDOMEN")
    ds.ConversionType = "WSD"
    who = study.patient
    lines = (
        "PATIENT PROTOCOL",
        who.spoken_name,
        f"ID {who.mrn}",
        f"{study.description} {study.day:%Y-%m-%d}",
        "kV 120  mAs 90  CTDIvol 4.2",
    )
    _set_colour(ds, pixels.page(320, 200, lines))
    return ds


BUILDERS: dict[Kind, Callable[[DemoStudy, DemoSeries, int], Dataset]] = {
    Kind.CT: _ct,
    Kind.MR_T1: _mr,
    Kind.MR_T2: _mr,
    Kind.US: _us,
    Kind.PROTOCOL: _protocol,
    Kind.REPORT: report,
}
