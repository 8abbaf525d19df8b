"""What keeps a TLS connection from coming about, and which setting the message names."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from pynetdicom import AE, build_context, evt

from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, associate, silence_dicom_libraries
from dicom_assets.adapters.pacs.handshake import Handshake, shake_hands, trouble_with
from dicom_assets.adapters.pacs.query import find_study
from dicom_assets.adapters.pacs.tls import TlsFiles, server_context
from dicom_assets.errors import PacsAwayError, PacsError
from dicom_assets_tests.deployment import free_port
from dicom_assets_tests.orthanc import orthanc_binary, running_orthanc

VERIFICATION = "1.2.840.10008.1.1"
A_ABORT = bytes.fromhex("07000000000400000200")
LOCAL = LocalNode("DICOM_ASSETS", "127.0.0.1", 11112)


@dataclass(frozen=True)
class Papers:
    """Certificates and keys in files of a folder: the hospital's authority, a stranger's, and what they issued."""

    folder: Path

    def issue(self, authority: str, name: str, host: str = "127.0.0.1", **more: datetime) -> TlsFiles:
        file = self.folder / f"{name}.pem"
        if file.exists():
            return TlsFiles("LOCAL", str(self.folder / "hospital.pem"), str(file))
        # DCMTK offers cipher suites for RSA keys alone.
        kind = trustme.KeyType.RSA if name == "orthanc" else trustme.KeyType.ECDSA
        issued = self._authority(authority).issue_cert(host, key_type=kind, **more)
        issued.private_key_and_cert_chain_pem.write_to_path(str(file))
        return TlsFiles("LOCAL", str(self.folder / "hospital.pem"), str(file))

    def _authority(self, name: str) -> trustme.CA:
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        if key.exists():
            return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
        made = trustme.CA()
        made.private_key_pem.write_to_path(str(key))
        made.cert_pem.write_to_path(str(certificate))
        return made


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@contextmanager
def pynetdicom_scp(context: ssl.SSLContext) -> Iterator[PacsNode]:
    """A Verification SCP on loopback, with TLS where there is a context."""
    silence_dicom_libraries()
    ae = AE(ae_title="STAGING")
    ae.add_supported_context(VERIFICATION)
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, ssl_context=context, evt_handlers=[(evt.EVT_C_ECHO, lambda _event: 0x0000)]
    )
    assert server is not None
    try:
        yield PacsNode("STAGING", "127.0.0.1", server.server_address[1], "STAGING_PACS")
    finally:
        for assoc in ae.active_associations:  # pynetdicom's threads fail when they are aborted while they end
            assoc.join(10)
        ae.shutdown()


class TlsDoor(threading.Thread):
    """A server that answers everything with an A-ABORT; with a context, to those whom TLS lets in."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(10)
                self._meet(connection)

    def _meet(self, connection: socket.socket) -> None:
        if self._context is None:
            if connection.recv(10):
                connection.sendall(A_ABORT)
            return
        with self._context.wrap_socket(connection, server_side=True) as secured:
            if secured.recv(10):
                secured.sendall(A_ABORT)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self._listener.close()


@contextmanager
def tls_door(context: ssl.SSLContext | None) -> Iterator[PacsNode]:
    silence_dicom_libraries()
    door = TlsDoor(context)
    door.start()
    try:
        yield PacsNode("STAGING", "127.0.0.1", door.port, "STAGING_PACS")
    finally:
        door.close()


def echo(node: PacsNode) -> int:
    with associate(LOCAL, node, [build_context(VERIFICATION)]) as assoc:
        return int(assoc.send_c_echo().Status)


def open_context(files: TlsFiles) -> ssl.SSLContext:
    """A server's context that takes whoever comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate_file)
    return context


@dataclass(frozen=True)
class Case:
    """A server's and a client's idea of TLS that do not go together, and what is said of it."""

    name: str
    server: Callable[[Papers], ssl.SSLContext | None]
    client: Callable[[Papers], TlsFiles | None]
    said: tuple[str, ...]


LAST_YEAR = datetime.now(UTC) - timedelta(days=365)


def trusting(papers: Papers) -> TlsFiles:
    return TlsFiles("STAGING_PACS", papers.issue("hospital", "any").ca_file)


def stranger(papers: Papers) -> TlsFiles:
    return replace(papers.issue("stranger", "client-of-a-stranger"), setting="STAGING_PACS")


def strict_with_old_tls(papers: Papers) -> ssl.SSLContext:
    context = server_context(papers.issue("hospital", "server"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def weak(papers: Papers) -> ssl.SSLContext:
    context = open_context(papers.issue("hospital", "server"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA256")
    return context


CASES = [
    Case(
        "expired",
        lambda p: open_context(
            p.issue("hospital", "expired", not_before=LAST_YEAR, not_after=LAST_YEAR + timedelta(days=9))
        ),
        trusting,
        ("has expired", "renewed"),
    ),
    Case(
        "not yet valid",
        lambda p: open_context(
            p.issue(
                "hospital",
                "early",
                not_before=datetime.now(UTC) + timedelta(days=3),
                not_after=datetime.now(UTC) + timedelta(days=9),
            )
        ),
        trusting,
        ("not valid yet", "clock"),
    ),
    Case(
        "unknown authority",
        lambda p: open_context(p.issue("stranger", "foreign")),
        trusting,
        ("authority that we do not know", "STAGING_PACS_TLS_CA_FILE"),
    ),
    Case(
        "system's authorities only",
        lambda p: open_context(p.issue("hospital", "server")),
        lambda p: TlsFiles("STAGING_PACS"),
        ("authority that we do not know", "STAGING_PACS_TLS_CA_FILE"),
    ),
    Case(
        "wrong host name",
        lambda p: open_context(p.issue("hospital", "elsewhere", "pacs.example.org")),
        trusting,
        ("for another host", "STAGING_PACS_HOST"),
    ),
    Case(
        "certificate of ours wanted, TLS 1.3",
        lambda p: server_context(p.issue("hospital", "server")),
        trusting,
        ("asks for a certificate of ours", "STAGING_PACS_TLS_CERT_FILE"),
    ),
    Case(
        "certificate of ours wanted, TLS 1.2",
        strict_with_old_tls,
        trusting,
        ("STAGING_PACS_TLS_CERT_FILE", "asks for a certificate"),
    ),
    Case(
        "certificate of ours refused",
        lambda p: server_context(p.issue("hospital", "server")),
        lambda p: replace(stranger(p), ca_file=str(p.folder / "hospital.pem")),
        ("refuses our certificate", "STAGING_PACS_TLS_CERT_FILE"),
    ),
    Case("weak ciphers only", weak, trusting, ("ended the TLS handshake", "ECDHE")),
    Case("no TLS there", lambda p: None, trusting, ("speaks no TLS", "STAGING_PACS_TLS=no", "STAGING_PACS_PORT")),
    Case(
        "TLS there and not wanted",
        lambda p: open_context(p.issue("hospital", "server")),
        lambda p: None,
        ("speaks TLS and we do not", "STAGING_PACS_TLS=yes"),
    ),
    Case(
        "TLS with client certificates there and not wanted",
        lambda p: server_context(p.issue("hospital", "server")),
        lambda p: None,
        ("speaks TLS and we do not", "STAGING_PACS_TLS=yes"),
    ),
]


def query(node: PacsNode) -> None:
    find_study(LOCAL, node, "2.25.1")


@pytest.mark.parametrize("ask", [echo, query], ids=["pynetdicom", "data plane"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_association_that_tls_prevents_names_the_setting_to_look_at(
    papers: Papers, case: Case, ask: Callable[[PacsNode], object]
) -> None:
    with tls_door(case.server(papers)) as node:
        wrong = replace(node, tls=case.client(papers))

        with pytest.raises(PacsError) as raised:
            ask(wrong)

    assert not isinstance(raised.value, PacsAwayError), "waiting would not help"
    for words in case.said:
        assert words in str(raised.value)


def test_both_sides_show_certificates_and_associate(papers: Papers) -> None:
    context = server_context(papers.issue("hospital", "server"))
    ours = replace(papers.issue("hospital", "client"), setting="STAGING_PACS")

    with pynetdicom_scp(context) as node:
        status = echo(replace(node, tls=ours))

    assert status == 0x0000


def test_a_handshake_tells_until_when_the_certificate_is_valid(papers: Papers) -> None:
    until = (datetime.now(UTC) + timedelta(days=9)).replace(microsecond=0)
    files = papers.issue("hospital", "brief", not_before=LAST_YEAR, not_after=until)

    with tls_door(open_context(files)) as node:
        handshake = shake_hands(node.host, node.port, trusting(papers), 5)

    assert handshake == Handshake("TLSv1.3", until)


@pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed")
def test_orthanc_over_tls_wants_the_certificate_that_it_knows(papers: Papers, tmp_path: Path) -> None:
    server, ours = papers.issue("hospital", "orthanc"), papers.issue("hospital", "client")
    certificate, key = _split(Path(server.certificate_file), tmp_path)
    options = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(certificate),
        "DicomTlsPrivateKey": str(key),
        "DicomTlsTrustedCertificates": server.ca_file,
        "DicomTlsRemoteCertificateRequired": True,
    }
    with running_orthanc("STAGING", tmp_path / "orthanc", {}, **options) as orthanc:
        node = PacsNode("STAGING", "127.0.0.1", orthanc.dicom_port, "STAGING_PACS")

        assert echo(replace(node, tls=replace(ours, setting="STAGING_PACS"))) == 0x0000
        with pytest.raises(PacsError, match="STAGING_PACS_TLS_CERT_FILE"):
            echo(replace(node, tls=replace(ours, setting="STAGING_PACS", certificate_file="")))
        with pytest.raises(PacsError, match="STAGING_PACS_TLS=yes"):
            echo(node)


def _split(both: Path, folder: Path) -> tuple[Path, Path]:
    """The certificate and the key of a file that holds both."""
    key_text, mark, rest = both.read_text().partition("-----BEGIN CERTIFICATE-----")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_text(mark + rest)
    key.write_text(key_text)
    return certificate, key


def test_nobody_there_may_pass() -> None:
    trouble = trouble_with("127.0.0.1", free_port(), None, "STAGING_PACS", 1)

    assert trouble is not None
    assert trouble.may_pass
    assert "STAGING_PACS_PORT" in trouble.message


def test_a_handshake_that_is_broken_off_may_pass(papers: Papers) -> None:
    def hang_up(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=hang_up, args=(listener,))
        server.start()
        trouble = trouble_with("127.0.0.1", listener.getsockname()[1], trusting(papers), "STAGING_PACS", 10)
        server.join()

    assert trouble is not None
    assert trouble.may_pass
    assert "broke off its handshake" in trouble.message


def test_a_host_without_address_names_its_setting() -> None:
    silence_dicom_libraries()

    with pytest.raises(PacsAwayError, match="STAGING_PACS_HOST"):
        echo(PacsNode("STAGING", "no-such-host.invalid", 104, "STAGING_PACS"))


def test_a_pacs_that_accepts_connections_and_says_nothing_is_said_to_close_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        trouble = trouble_with("127.0.0.1", mute.getsockname()[1], None, "STAGING_PACS", 0.2)

    assert trouble is None
