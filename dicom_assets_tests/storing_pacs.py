"""A PACS by pynetdicom that keeps what C-STORE brings as it comes, and misbehaves where a test wants it to."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pynetdicom import AE, evt
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.presentation import AllStoragePresentationContexts

from dicom_assets.adapters.pacs.transfer_syntaxes import STORED
from dicom_assets_tests.pynetdicom_server import served

Judge = Callable[[str, evt.Event], int]


@dataclass
class StoringPacs:
    """Running.

    Attributes:
        received: SOP Instance UID to transfer syntax and encoded data set.
        offered: The SOP Instance UIDs of all C-STOREs, in order.
        proposals: The pairs of SOP Class and transfer syntaxes that were proposed on each association.
        judge: Says the status for a SOP Instance UID; may abort, wait or raise.
        most_at_once: How many C-STOREs were in hand at the same time.
        longest_pdu: Length of the longest P-DATA-TF, in bytes, as it says.
    """

    ae_title: str
    port: int = 0
    received: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    offered: list[str] = field(default_factory=list)
    proposals: list[list[tuple[str, tuple[str, ...]]]] = field(default_factory=list)
    judge: Judge = lambda _uid, _event: 0x0000
    associations: int = 0
    in_hand: int = 0
    most_at_once: int = 0
    longest_pdu: int = 0
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def on_store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        with self.mutex:
            self.offered.append(uid)
            self.in_hand += 1
            self.most_at_once = max(self.most_at_once, self.in_hand)
        try:
            status = self.judge(uid, event)
            if status in (0x0000, 0xB000):
                content = event.request.DataSet.getvalue()
                self.received[uid] = (str(event.context.transfer_syntax), content)
            return status
        finally:
            with self.mutex:
                self.in_hand -= 1

    def on_request(self, event: evt.Event) -> None:
        with self.mutex:
            self.associations += 1
            self.proposals.append(
                [
                    (str(context.abstract_syntax), tuple(map(str, context.transfer_syntax)))
                    for context in event.assoc.requestor.requested_contexts
                ]
            )

    def on_pdu(self, event: evt.Event) -> None:
        if isinstance(event.pdu, P_DATA_TF):
            with self.mutex:
                self.longest_pdu = max(self.longest_pdu, event.pdu.pdu_length)


@contextmanager
def storing_pacs(
    ae_title: str = "RESEARCH",
    *,
    syntaxes: Iterable[str] = STORED,
    classes: Iterable[str] | None = None,
    max_pdu: int = 0,
    most_associations: int = 32,
    context: ssl.SSLContext | None = None,
) -> Iterator[StoringPacs]:
    """One that accepts these SOP Classes (every one) in these transfer syntaxes."""
    pacs = StoringPacs(ae_title)
    ae = AE(ae_title)
    ae.maximum_pdu_size = max_pdu
    ae.maximum_associations = most_associations
    all_classes = [str(one.abstract_syntax) for one in AllStoragePresentationContexts]
    for sop_class in all_classes if classes is None else classes:
        ae.add_supported_context(sop_class, list(syntaxes))
    handlers = [
        (evt.EVT_C_STORE, pacs.on_store),
        (evt.EVT_REQUESTED, pacs.on_request),
        (evt.EVT_PDU_RECV, pacs.on_pdu),
    ]
    with served(ae, handlers, context) as pacs.port:
        yield pacs
