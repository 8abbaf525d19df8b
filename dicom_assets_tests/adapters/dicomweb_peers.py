"""What the tests of DICOMweb share: PACSs that answer as told, and instances to send."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicom_assets.adapters.dicomweb import DicomwebNode, DicomwebResearchPacs, DicomwebStagingPacs
from dicom_assets.adapters.pacs.tls import TlsFiles
from dicom_assets.demo.objects import instance_file
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.study import OutgoingInstance
from dicom_assets_tests.web_server import Respond, WebServer, web_server


def web_node(url: str, prefix: str = "STAGING_PACS", **settings: object) -> DicomwebNode:
    """A PACS at this URL, without certificates."""
    return DicomwebNode.of(prefix, url, TlsFiles(prefix), **settings)  # type: ignore[arg-type]  # as the caller has them


@contextmanager
def staging(respond: Respond, **settings: object) -> Iterator[tuple[DicomwebStagingPacs, WebServer]]:
    """A staging PACS that answers so."""
    with web_server(respond) as server, DicomwebStagingPacs(web_node(server.url, **settings)) as pacs:
        yield pacs, server


@contextmanager
def research(respond: Respond, **settings: object) -> Iterator[tuple[DicomwebResearchPacs, WebServer]]:
    """A research PACS that answers so."""
    with (
        web_server(respond) as server,
        DicomwebResearchPacs(web_node(server.url, "RESEARCH_PACS", **settings)) as pacs,
    ):
        yield pacs, server


def files_of(study: DemoStudy) -> dict[str, bytes]:
    """SOP Instance UID to Part 10 file."""
    return {
        uid: instance_file(study, series, index) for series in study.series for index, uid in enumerate(series.sop_uids)
    }


def outgoing(folder: Path, files: dict[str, bytes], sop_class_uid: str = "1.2") -> list[OutgoingInstance]:
    """The files as instances to be sent."""
    items = []
    for number, (uid, content) in enumerate(files.items()):
        path = folder / f"{number}.dcm"
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        items.append(OutgoingInstance(uid, sop_class_uid, "1.2.840.10008.1.2.1", path, digest, len(content)))
    return items
