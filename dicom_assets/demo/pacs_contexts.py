"""Which presentation contexts an embedded PACS accepts, in the order of preference of whoever asks."""

from __future__ import annotations

from typing import cast

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, build_context, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

PATIENT_ROOT: frozenset[str] = frozenset(
    {
        PatientRootQueryRetrieveInformationModelFind,
        PatientRootQueryRetrieveInformationModelMove,
        PatientRootQueryRetrieveInformationModelGet,
    }
)
STUDY_ROOT: frozenset[str] = frozenset(
    {
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelMove,
        StudyRootQueryRetrieveInformationModelGet,
    }
)
UNCOMPRESSED: tuple[UID, ...] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
STORAGE: frozenset[str] = frozenset(cast(UID, context.abstract_syntax) for context in AllStoragePresentationContexts)
SUPPORTED: dict[str, frozenset[str]] = {
    **dict.fromkeys((Verification, *PATIENT_ROOT, *STUDY_ROOT), frozenset(UNCOMPRESSED)),
    **dict.fromkeys(STORAGE, frozenset(ALL_TRANSFER_SYNTAXES)),
}


def accept_what_is_asked(event: evt.Event) -> None:
    """Take, of each context that is asked for, the first transfer syntax that is known.

    pynetdicom would take them in the acceptor's order, so that a client that prefers a compressed
    syntax and offers an uncompressed one beside it could never be sent a compressed instance.
    """
    asked: dict[str, dict[str, None]] = {}
    for context in event.assoc.requestor.requested_contexts:
        asked.setdefault(cast(UID, context.abstract_syntax), {}).update(dict.fromkeys(context.transfer_syntax))
    contexts = [_context(uid, list(syntaxes)) for uid, syntaxes in asked.items() if uid in SUPPORTED]
    event.assoc.acceptor.supported_contexts = contexts or [build_context(Verification)]


def _context(abstract_syntax: str, asked: list[str]) -> PresentationContext:
    known = [syntax for syntax in asked if syntax in SUPPORTED[abstract_syntax]]
    context = build_context(abstract_syntax, known or list(UNCOMPRESSED))
    if abstract_syntax in STORAGE:
        # A client stores as SCU, and asks to be the SCP of what a C-GET sends back (PS3.7 D.3.3.4).
        context.scu_role = context.scp_role = True
    return context
