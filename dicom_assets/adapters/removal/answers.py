"""What servers answer to those who want a study deleted, and the one look that comes before it."""

from __future__ import annotations

import httpx

from dicom_assets.adapters.dicomweb.failures import failure_of
from dicom_assets.adapters.dicomweb.node import DicomwebNode
from dicom_assets.errors import PacsError, RemovalNotOfferedError

DELETED = (200, 202, 204)
_NOT_OFFERED = (400, 405, 501)
_NOT_ALLOWED = (401, 403)


def failed(node: DicomwebNode, operation: str, response: httpx.Response) -> PacsError:
    """The error for an answer that is no success: not offered, not allowed, or a failure as any other."""
    status = response.status_code
    if status in _NOT_OFFERED:
        return RemovalNotOfferedError(f"{node.url} does not offer {operation} (HTTP status {status}).")
    if status in _NOT_ALLOWED:
        return RemovalNotOfferedError(
            f"{node.url} does not let us: {operation} was answered with HTTP status {status}."
        )
    return failure_of(node, operation, response, about_a_study=False)


def not_ours(node: DicomwebNode) -> RemovalNotOfferedError:
    """The error for a study whose instances do not say that they are de-identified: it may be another PACS's."""
    return RemovalNotOfferedError(
        f"What {node.url} has under the Study Instance UID does not say that its Patient Identity was Removed "
        f"(0012,0062), or is none of ours: nothing was deleted. See whether {node.prefix}_URL is the research PACS."
    )
