"""What atheris runs against the data plane: whatever a peer sends, nothing crashes, hangs, or is kept by half.

As a program: `python -m dicom_assets_tests.fuzz.plane_target SEEDS -max_total_time=60` (see `-help=1`).
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dicom_assets.adapters.pacs"]):
    from dicom_assets.adapters.pacs.association import silence_dicom_libraries
    from dicom_assets.adapters.pacs.plane import commands
    from dicom_assets.adapters.pacs.plane.faults import ProtocolViolationError
    from dicom_assets.adapters.pacs.plane.negotiation import agreement_as_requestor
    from dicom_assets.adapters.pacs.plane.study_of import StudyPeek
    from dicom_assets_tests.plane_serving import CONTEXTS, REQUEST, ServedScp, get

from dicom_assets_tests.plane_peers import data_pdu, data_set, pdu, pdv, store_request

SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
AFTER_REQUEST, INSTEAD_OF_REQUEST, GET, ANSWER, PEEK = range(5)
SCP = ServedScp()


def test_one_input(content: bytes) -> None:
    """One stream of a peer; the first byte says in which role, or what else the bytes are."""
    mode, stream = (content[0] % 5, content[1:]) if content else (AFTER_REQUEST, b"")
    if mode in (AFTER_REQUEST, INSTEAD_OF_REQUEST):
        SCP.serve(stream, is_associated=mode == AFTER_REQUEST).check(stream)
    elif mode == GET:
        get(stream).check(stream)
    elif mode == ANSWER:
        with suppress(ProtocolViolationError):
            agreement_as_requestor(stream, CONTEXTS, [])
    elif stream:
        peek = StudyPeek(SYNTAXES[stream[0] % len(SYNTAXES)])
        for start in range(1, len(stream), 64):
            peek.feed(stream[start : start + 64])
        peek.finish()


def seeds() -> dict[str, bytes]:
    """Streams that are as they should be."""
    stored = data_pdu(pdv(1, 3, store_request())) + data_pdu(pdv(1, 2, data_set(size=50)))
    echo = data_pdu(pdv(3, 3, commands.c_echo_rq(1)))
    end = commands.response(commands.decode(3, commands.c_get_rq(1, "1.2.840.10008.5.1.4.1.2.2.3")), 0)
    streams = {
        "store": bytes([AFTER_REQUEST]) + stored + stored + pdu(5, bytes(4)),
        "echo": bytes([AFTER_REQUEST]) + echo + pdu(7, bytes(4)),
        "request": bytes([INSTEAD_OF_REQUEST]) + REQUEST + echo,
        "get": bytes([GET]) + stored + data_pdu(pdv(3, 3, end)),
        "answer": bytes([ANSWER]) + REQUEST[6:],
    }
    peeks = {
        f"peek-{number}": bytes([PEEK, number]) + data_set(syntax=syntax, size=20)
        for number, syntax in enumerate(SYNTAXES)
    }
    return streams | peeks


def main() -> None:
    """Fuzz until told to stop."""
    silence_dicom_libraries()
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        folder = Path(sys.argv[1])
        folder.mkdir(exist_ok=True)
        for name, content in seeds().items():
            (folder / name).write_bytes(content)
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
