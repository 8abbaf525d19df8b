"""Deleting a study over Orthanc's own REST interface: looked up by its UID, deleted by Orthanc's identifier."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from contextlib import closing
from typing import Any

from dicom_assets.adapters.dicomweb.client import DicomwebClient
from dicom_assets.adapters.dicomweb.failures import unusable_answer
from dicom_assets.adapters.dicomweb.node import DicomwebNode
from dicom_assets.adapters.removal.answers import DELETED, failed, not_ours
from dicom_assets.errors import RemovalNotOfferedError

_REST = "Orthanc's REST interface"
_DELETE = "DELETE of a study"
_NOT_FOUND = 404
_NOWHERE = "1.2.840.10008.1.2"
"""A UID that no study has."""
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
"""Orthanc's: a SHA-1 in five groups. Nothing else goes into a path."""


class OrthancRemover:
    """Implements `StudyRemover`."""

    def __init__(self, node: DicomwebNode) -> None:
        self._node = node

    @property
    def name(self) -> str:
        """What is asked and how."""
        return f"DELETE over Orthanc's REST interface at {self._node.url}"

    def check(self) -> None:
        """Return if it answers as Orthanc does, and takes our login; nothing is looked up.

        Raises:
            PacsError: it does not.
        """
        with closing(DicomwebClient(self._node)) as client:
            self._studies(client, _NOWHERE)

    def remove(self, study_uid: str, ours: Collection[str]) -> int:
        """Have the study deleted after a look at one of our instances there.

        Orthanc files a study under its patient, too: two Patient IDs with one Study Instance UID are two there, and
        both go.

        Raises:
            RemovalNotOfferedError: Orthanc does not let us, or what it has is not a de-identified study of ours.
            PacsAwayError: it can't be asked for now.
            PacsError: it failed.
        """
        with closing(DicomwebClient(self._node)) as client:
            found = {one: self._instances(client, one) for one in self._studies(client, study_uid)}
            for instances in found.values():
                known = [identifier for uid, identifier in instances.items() if uid in ours]
                if not known or not self._is_deidentified(client, known[0]):
                    raise not_ours(self._node)
            for study in found:
                with client.delete(_DELETE, f"/studies/{study}") as response:
                    if response.status_code not in (*DELETED, _NOT_FOUND):
                        raise failed(self._node, _DELETE, response)
        return sum(len(instances) for instances in found.values())

    def _studies(self, client: DicomwebClient, study_uid: str) -> list[str]:
        """Orthanc's identifiers of the study."""
        asked = study_uid.encode()
        headers = {"Content-Type": "text/plain", "Content-Length": str(len(asked))}
        with client.post(_REST, "/tools/lookup", headers, [asked]) as response:
            if response.status_code == _NOT_FOUND:
                raise RemovalNotOfferedError(f"{self._node.url} is not {_REST}: correct {self._node.prefix}_URL.")
            if response.status_code not in DELETED:
                raise failed(self._node, _REST, response)
            found = self._json(client.whole(_REST, response))
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self._unusable()
        studies = [self._identifier(one) for one in found if one.get("Type") == "Study"]
        for one in studies:
            tags = self._get(client, f"/studies/{one}").get("MainDicomTags")
            if not isinstance(tags, dict) or tags.get("StudyInstanceUID") != study_uid:
                raise self._unusable()
        return studies

    def _instances(self, client: DicomwebClient, study: str) -> Mapping[str, str]:
        """SOP Instance UID to Orthanc's identifier."""
        found: dict[str, str] = {}
        instances = self._get(client, f"/studies/{study}/instances", list)
        for one in instances:
            if not isinstance(one, dict) or not isinstance(one.get("MainDicomTags"), dict):
                raise self._unusable()
            found[str(one["MainDicomTags"].get("SOPInstanceUID"))] = self._identifier(one)
        return found

    def _is_deidentified(self, client: DicomwebClient, instance: str) -> bool:
        tags = self._get(client, f"/instances/{instance}/simplified-tags")
        return bool(tags.get("PatientIdentityRemoved") == "YES")

    def _get(self, client: DicomwebClient, path: str, kind: type[Any] = dict) -> Any:
        with client.get(_REST, path, "application/json") as response:
            if response.status_code != 200:
                raise failed(self._node, _REST, response)
            found = self._json(client.whole(_REST, response))
        if not isinstance(found, kind):
            raise self._unusable()
        return found

    def _json(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._unusable() from None

    def _identifier(self, found: Mapping[str, Any]) -> str:
        identifier = str(found.get("ID"))
        if _IDENTIFIER.fullmatch(identifier) is None:
            raise self._unusable()
        return identifier

    def _unusable(self) -> Exception:
        return unusable_answer(self._node, _REST, "something else than Orthanc does")
