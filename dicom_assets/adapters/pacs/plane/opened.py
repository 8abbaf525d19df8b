"""Associations of the data plane with a configured PACS; what goes wrong is said in words an operator can act on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, why_nothing_answers, why_rejected
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.faults import (
    AssociationLostError,
    AssociationRejectedError,
    NoConnectionError,
    PeerAbortedError,
)
from dicom_assets.adapters.pacs.plane.requestor import requested
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.slots import slot_at
from dicom_assets.adapters.pacs.tls import client_context
from dicom_assets.errors import NothingAcceptedError, PacsAwayError

LONGEST_PDU_SECONDS = 60.0


def limits_of(pacs: PacsNode) -> Limits:
    """How long we wait for this PACS."""
    timeouts = pacs.timeouts
    return Limits(
        connect_seconds=timeouts.connection,
        acse_seconds=timeouts.acse,
        idle_seconds=timeouts.dimse,
        pdu_seconds=min(LONGEST_PDU_SECONDS, timeouts.dimse),
    )


@contextmanager
def opened(
    local: LocalNode,
    pacs: PacsNode,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    limits: Limits | None = None,
) -> Iterator[Association]:
    """An association with a PACS, within the number that it allows; released at the end, aborted if the block raises.

    Raises:
        NothingAcceptedError: the PACS accepted no context.
        PacsAwayError: there is no association for now, or it was lost on the way, in the block too.
        PacsError: the PACS does not want us; the message names the settings to look at.
    """
    tls = None if pacs.tls is None else client_context(pacs.tls)
    address = (pacs.host, pacs.port)
    is_established = False
    with slot_at(pacs):
        try:
            with requested(
                address, local.ae_title, pacs.ae_title, contexts, roles=roles, tls=tls, limits=limits or limits_of(pacs)
            ) as association:
                is_established = True
                if not association.contexts:
                    raise NothingAcceptedError(
                        f"{pacs.name} accepts none of the services asked for: "
                        f"check {pacs.setting}_* and the PACS's own log."
                    )
                with _cut_after(pacs.timeouts.whole, association):
                    yield association
        except AssociationRejectedError as error:
            raise why_rejected(error.source, error.diagnostic, local, pacs) from None
        except PeerAbortedError as error:
            raise PacsAwayError(
                f"{pacs.name} ended it ({error}): run again later. If it stays so, it may not let {local.ae_title} do "
                "this: see its own log."
            ) from None
        except (NoConnectionError, AssociationLostError) as error:
            if not is_established:
                raise why_nothing_answers(pacs, f" ({error})") from None
            raise PacsAwayError(f"{pacs.name} was lost ({error}): check that it is up, then run again.") from None


@contextmanager
def _cut_after(seconds: float | None, association: Association) -> Iterator[None]:
    """Interrupt an association that lasts longer, however lively the PACS is."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, association.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
