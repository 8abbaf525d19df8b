"""Deleting a study over DICOMweb.

PS3.18 has no such transaction; several servers answer DELETE on the study's resource all the same (those of Google,
Microsoft and dcm4che among them).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import closing
from typing import Any

from dicom_assets.adapters.dicomweb.client import DicomwebClient
from dicom_assets.adapters.dicomweb.node import DicomwebNode
from dicom_assets.adapters.dicomweb.paths import instance_path, study_path
from dicom_assets.adapters.dicomweb.query import JSON, find_study
from dicom_assets.adapters.removal.answers import DELETED, failed, not_ours
from dicom_assets.errors import RemovalNotOfferedError
from dicom_assets.study import InstanceRef

_DELETE = "DELETE of a study"
_METADATA = "WADO-RS metadata"
_PATIENT_IDENTITY_REMOVED = "00120062"
_GONE = (404, 410)


class DicomwebRemover:
    """Implements `StudyRemover`."""

    def __init__(self, node: DicomwebNode) -> None:
        self._node = node

    @property
    def name(self) -> str:
        """What is asked and how."""
        return f"DICOMweb DELETE at {self._node.url}"

    def remove(self, study_uid: str, ours: Collection[str]) -> int:
        """Have the study deleted after a look at one of our instances there.

        Raises:
            RemovalNotOfferedError: the PACS does not let us, or what it has is not a de-identified study of ours.
            PacsAwayError: it can't be asked for now.
            PacsError: it failed.
        """
        with closing(DicomwebClient(self._node)) as client:
            listing = find_study(client, study_uid)
            if not listing.total:
                return 0
            known = [ref for ref in listing.instances or () if ref.sop_instance_uid in ours]
            if not known or not self._is_deidentified(client, study_uid, known[0]):
                raise not_ours(self._node)
            with client.delete(_DELETE, study_path(study_uid)) as response:
                if response.status_code in _GONE:  # it was listed a moment ago: there is no such resource to delete
                    raise RemovalNotOfferedError(
                        f"{self._node.url} lists the study, but does not offer {_DELETE} (HTTP status "
                        f"{response.status_code})."
                    )
                if response.status_code not in DELETED:
                    raise failed(self._node, _DELETE, response)
        return listing.total

    def _is_deidentified(self, client: DicomwebClient, study_uid: str, ref: InstanceRef) -> bool:
        path = f"{instance_path(study_uid, ref.series_instance_uid, ref.sop_instance_uid)}/metadata"
        with client.get(_METADATA, path, JSON) as response:
            if response.status_code != 200:
                raise failed(self._node, _METADATA, response)
            content = client.whole(_METADATA, response)
        try:
            found: Any = json.loads(content)
            return bool(found[0][_PATIENT_IDENTITY_REMOVED]["Value"] == ["YES"])
        except (ValueError, LookupError, TypeError, RecursionError):
            return False
