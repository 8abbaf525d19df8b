"""Asking a PACS what it offers, without asking it for anything."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from pydicom import uid
from pynetdicom import build_context, build_role
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, Timeouts, associate, status_of
from dicom_assets.adapters.pacs.plane.statuses import SUCCESS
from dicom_assets.adapters.pacs.query import find_study
from dicom_assets.adapters.pacs.transfer_syntaxes import usual_storage_classes
from dicom_assets.errors import NothingAcceptedError, PacsAwayError, PacsStatusError

PROBE_TIMEOUTS = Timeouts(connection=5, acse=5, dimse=10, network=10, whole=15)
"""Seconds; who only looks does not wait long."""

UNCOMPRESSED = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)
COMPRESSED = (uid.JPEGLosslessSV1, uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.RLELossless)


def addresses_of(host: str) -> set[str]:
    """The addresses of a host; none where it has none that this machine can find. All of loopback is one."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return set()
    return {"loopback" if ipaddress.ip_address(one.partition("%")[0]).is_loopback else one for one in found}


def echoes(local: LocalNode, pacs: PacsNode) -> bool:
    """Whether it answers C-ECHO; False where it takes the association, but does not offer that.

    Raises:
        PacsError: there is no association, or it ended C-ECHO with a failure.
    """
    try:
        with associate(local, pacs, [build_context(Verification)]) as assoc:
            status = status_of(assoc.send_c_echo())
    except NothingAcceptedError:
        return False
    if status is None:
        raise PacsAwayError(f"{pacs.name} broke off a C-ECHO: see its own log.")
    if status != SUCCESS:
        message = f"{pacs.name} ended a C-ECHO with status 0x{status:04X}: see its own log."
        raise PacsStatusError(message, status=status, blames_study=False)
    return True


def answers_queries(local: LocalNode, pacs: PacsNode, study_uid: str) -> bool:
    """Whether it answers a C-FIND for a study that nobody has; False where it does not offer C-FIND to us.

    Raises:
        PacsError: there is no association, or it ended the C-FIND with a failure.
    """
    if not _offers(local, pacs, [build_context(StudyRootQueryRetrieveInformationModelFind)]):
        return False
    find_study(local, pacs, study_uid)
    return True


def offers_c_get(local: LocalNode, pacs: PacsNode) -> bool:
    """Whether it accepts C-GET, and to send any usual kind of image on our association."""
    model, classes = StudyRootQueryRetrieveInformationModelGet, usual_storage_classes()
    contexts = [build_context(model), *(build_context(sop_class, list(UNCOMPRESSED)) for sop_class in classes)]
    roles = [build_role(sop_class, scp_role=True) for sop_class in classes]
    try:
        with associate(local, pacs, contexts, roles=roles) as assoc:
            accepted = list(assoc.accepted_contexts)
    except NothingAcceptedError:
        return False
    has_get = any(context.abstract_syntax == model for context in accepted)
    return has_get and any(context.abstract_syntax != model and context.as_scp for context in accepted)


def storage_offered(local: LocalNode, pacs: PacsNode) -> tuple[dict[str, bool], dict[str, bool]]:
    """Whether it takes each of the usual SOP Classes uncompressed, and each usual compression for any of them.

    Raises:
        PacsError: there is no association.
    """
    classes, syntaxes = usual_storage_classes(), (*UNCOMPRESSED, *COMPRESSED)
    contexts = [build_context(sop_class, syntax) for sop_class in classes for syntax in syntaxes]
    try:
        with associate(local, pacs, contexts) as assoc:
            accepted = {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in assoc.accepted_contexts}
    except NothingAcceptedError:
        accepted = set()
    return (
        {_name(one): any((str(one), str(syntax)) in accepted for syntax in UNCOMPRESSED) for one in classes},
        {_name(one): any((str(each), str(one)) in accepted for each in classes) for one in COMPRESSED},
    )


def _offers(local: LocalNode, pacs: PacsNode, contexts: Sequence[PresentationContext]) -> bool:
    try:
        with associate(local, pacs, contexts) as assoc:
            return bool(assoc.accepted_contexts)
    except NothingAcceptedError:
        return False


def _name(value: str) -> str:
    return uid.UID(value).name
