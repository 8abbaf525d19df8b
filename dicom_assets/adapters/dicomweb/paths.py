"""Resources of the DICOMweb study service (PS3.18 10.1), with UIDs that can lead nowhere else."""

from __future__ import annotations

from urllib.parse import quote


def study_path(study_uid: str) -> str:
    """A study."""
    return f"/studies/{_segment(study_uid)}"


def series_path(study_uid: str, series_uid: str) -> str:
    """A series of it."""
    return f"{study_path(study_uid)}/series/{_segment(series_uid)}"


def instance_path(study_uid: str, series_uid: str, sop_instance_uid: str) -> str:
    """An instance of it."""
    return f"{series_path(study_uid, series_uid)}/instances/{_segment(sop_instance_uid)}"


def _segment(uid: str) -> str:
    # A value of dots alone would be a step up the path; nothing is found under what stands for it instead.
    return quote(uid, safe="") if uid.strip(".") else "%2E"
