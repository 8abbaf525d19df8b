"""The choice of a protocol by what a PACS offers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, silence_dicom_libraries
from dicom_assets.adapters.protocols import choose_protocol
from dicom_assets_tests.adapters.dicomweb_peers import web_node
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.web_server import Answer, dicom_json, web_server

GET = StudyRootQueryRetrieveInformationModelGet
MOVE = StudyRootQueryRetrieveInformationModelMove


@pytest.fixture
def local() -> LocalNode:
    silence_dicom_libraries()
    return LocalNode("DICOM_ASSETS", "127.0.0.1", free_port())


@contextmanager
def a_pacs(
    *services: str, ae_title: str = "STAGING", images: str = CTImageStorage, sends: bool = True
) -> Iterator[PacsNode]:
    """A PACS that accepts these services, and takes images of one kind; `sends` to send them on our association."""
    ae = AE(ae_title=ae_title)
    ae.require_called_aet = True
    for service in (StudyRootQueryRetrieveInformationModelFind, *services):
        ae.add_supported_context(service)
    ae.add_supported_context(images, scu_role=sends or None, scp_role=sends or None)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        yield PacsNode("STAGING", "127.0.0.1", server.socket.getsockname()[1], "STAGING_PACS")
    finally:
        server.shutdown()


def test_dicomweb_is_preferred(local: LocalNode) -> None:
    with a_pacs(GET, MOVE) as node, web_server(lambda _: dicom_json()) as server:
        choice = choose_protocol(local, node, web_node(server.url))

    assert choice.protocol == "dicomweb"
    [asked] = server.asked
    assert asked.path == "/studies"
    assert asked.query["limit"] == ["1"]


@pytest.mark.parametrize("answer", [Answer(404), Answer(401), Answer(503), Answer(200, [b"<html>"]), Answer(302)])
def test_c_get_is_next_and_why_not_dicomweb_is_told(local: LocalNode, answer: Answer) -> None:
    with a_pacs(GET, MOVE) as node, web_server(lambda _: answer) as server:
        choice = choose_protocol(local, node, web_node(server.url))

    assert choice.protocol == "c-get"
    assert server.url in choice.because
    assert "QIDO-RS" in choice.because


def test_c_get_without_an_address_of_dicomweb(local: LocalNode) -> None:
    with a_pacs(GET, MOVE) as node:
        assert str(choose_protocol(local, node, None)) == "c-get (it accepts C-GET; no DICOMweb URL is set)"


def test_c_get_from_a_pacs_that_has_one_kind_of_images_alone(local: LocalNode) -> None:
    with a_pacs(GET, MOVE, images=MRImageStorage) as node:
        assert choose_protocol(local, node, None).protocol == "c-get"


def test_c_move_where_c_get_is_not_accepted(local: LocalNode) -> None:
    with a_pacs(MOVE) as node:
        assert choose_protocol(local, node, None).protocol == "c-move"


def test_c_move_where_nothing_would_come_by_c_get(local: LocalNode) -> None:
    with a_pacs(GET, MOVE, sends=False) as node:
        assert choose_protocol(local, node, None).protocol == "c-move"


def test_c_get_where_nothing_can_be_found_out(local: LocalNode) -> None:
    nobody = PacsNode("STAGING", "127.0.0.1", free_port(), "STAGING_PACS")
    assert "could not be found out: Nothing answers" in choose_protocol(local, nobody, None).because

    with a_pacs(GET, MOVE, ae_title="OTHER") as node:
        choice = choose_protocol(local, node, None)

    assert choice.protocol == "c-get"
    assert "STAGING_PACS_AE_TITLE" in choice.because
