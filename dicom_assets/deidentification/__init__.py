"""De-identification after PS3.15 Annex E: streams and values in, streams and values out."""

from dicom_assets.deidentification.derivation import UidReplacer
from dicom_assets.deidentification.epoch import EpochRequest
from dicom_assets.deidentification.explain import Explanation, explain_instance
from dicom_assets.deidentification.identity import read_identity, read_sop_uid, read_texts
from dicom_assets.deidentification.instance import deidentify_instance
from dicom_assets.deidentification.outcome import (
    Deidentified,
    InstanceIdentity,
    Quarantined,
    UnreadableInstanceError,
)
from dicom_assets.deidentification.profile import Profile, find_profile, load_profile, shipped_profile

__all__ = [
    "Deidentified",
    "EpochRequest",
    "Explanation",
    "InstanceIdentity",
    "Profile",
    "Quarantined",
    "UidReplacer",
    "UnreadableInstanceError",
    "deidentify_instance",
    "explain_instance",
    "find_profile",
    "load_profile",
    "read_identity",
    "read_sop_uid",
    "read_texts",
    "shipped_profile",
]
