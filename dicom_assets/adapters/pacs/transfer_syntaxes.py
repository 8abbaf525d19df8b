"""The transfer syntaxes in which objects travel, so that they travel as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom import uid
from pynetdicom import build_context
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext

MAX_CONTEXTS = 128
"""Most presentation contexts of one association (PS3.8 9.3.2.2: odd identifiers 1 to 255)."""

STORED: tuple[str, ...] = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.JPEGLosslessSV1,
    uid.JPEG2000Lossless,
    uid.JPEGBaseline8Bit,
    uid.JPEG2000,
    uid.JPEGLSLossless,
    uid.RLELossless,
    uid.JPEGLSNearLossless,
    uid.JPEGExtended12Bit,
    uid.JPEGLossless,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.MPEG2MPML,
    uid.MPEG2MPHL,
    uid.MPEG4HP41,
    uid.MPEG4HP41BD,
    uid.MPEG4HP422D,
    uid.MPEG4HP423D,
    uid.MPEG4HP42STEREO,
    uid.HEVCMP51,
    uid.HEVCM10P51,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.HTJ2K,
)
"""What we take and keep as it comes, most usual first."""


def one_context_each(sop_class_uids: Iterable[str], room: int) -> list[PresentationContext]:
    """A context for every pair of SOP Class and transfer syntax, as far as there is room.

    Only a context with a single transfer syntax keeps the sender from choosing another one and
    transcoding. The most usual syntaxes of all classes come before the rare ones of the first.
    """
    return contexts_in_parts(sop_class_uids, room)[0]


def contexts_in_parts(sop_class_uids: Iterable[str], room: int) -> list[list[PresentationContext]]:
    """The same, and those for which there is no room in further parts; for unknown classes the most likely ones."""
    if classes := sorted(set(sop_class_uids)):
        pairs = [(sop_class, syntax) for syntax in STORED for sop_class in classes]
    else:
        usual = usual_storage_classes()
        others = [sop_class for sop_class in all_storage_classes() if sop_class not in usual]
        shares = ((usual, STORED[:6]), (others, STORED[:4]), (usual, STORED[6:13]))
        pairs = [(sop_class, syntax) for classes, syntaxes in shares for syntax in syntaxes for sop_class in classes]
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in pairs]
    return [contexts[start : start + room] for start in range(0, len(contexts), room)]


def usual_storage_classes() -> Sequence[str]:
    """The SOP Classes to offer to a PACS that does not tell those of a study."""
    return [
        uid.CTImageStorage,
        uid.EnhancedCTImageStorage,
        uid.MRImageStorage,
        uid.EnhancedMRImageStorage,
        uid.UltrasoundImageStorage,
        uid.UltrasoundMultiFrameImageStorage,
        uid.SecondaryCaptureImageStorage,
        uid.ComputedRadiographyImageStorage,
        uid.DigitalXRayImageStorageForPresentation,
        uid.XRayAngiographicImageStorage,
        uid.PositronEmissionTomographyImageStorage,
        uid.NuclearMedicineImageStorage,
        uid.BasicTextSRStorage,
        uid.EnhancedSRStorage,
        uid.ComprehensiveSRStorage,
        uid.XRayRadiationDoseSRStorage,
        uid.GrayscaleSoftcopyPresentationStateStorage,
        uid.SegmentationStorage,
        uid.RTStructureSetStorage,
        uid.KeyObjectSelectionDocumentStorage,
        uid.EncapsulatedPDFStorage,
    ]


def all_storage_classes() -> list[str]:
    """Every Storage SOP Class that pynetdicom knows; what our Storage SCP takes."""
    return [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
