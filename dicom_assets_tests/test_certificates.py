"""Servers over TLS as the tests use them: who shows what, and who is let in."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_assets_tests.certificates import Certificates, Identity
from dicom_assets_tests.dcmtk import run_dcmtk
from dicom_assets_tests.fault_actions import corrupt
from dicom_assets_tests.fault_places import AfterBytes
from dicom_assets_tests.faults import Direction, FaultProxy, running_proxy
from dicom_assets_tests.orthanc import DICOMWEB_PLUGIN, Orthanc, orthanc_binary, running_orthanc
from dicom_assets_tests.small_studies import INSTANCES, small_study, write_files
from dicom_assets_tests.tls_front import running_tls_front

TIMEOUT_SECONDS = 10.0
STUDY = small_study(71, "reached over TLS")

needs_orthanc = pytest.mark.skipif(orthanc_binary() is None, reason="Orthanc is not installed")
needs_dicomweb = pytest.mark.skipif(not DICOMWEB_PLUGIN.is_file(), reason="orthanc-dicomweb is not installed")
needs_dcmtk = pytest.mark.skipif(shutil.which("echoscu") is None, reason="DCMTK is not installed")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("server", ""),
        ("expired", "certificate has expired"),
        ("other_host", "IP address mismatch"),
        ("foreign", "unable to get local issuer certificate|self.signed certificate"),
    ],
)
def test_client_accepts_only_what_is_valid(certificates: Certificates, name: str, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        identity: Identity = getattr(certificates, name)
        thread = threading.Thread(target=_show, args=(listener, identity), daemon=True)
        thread.start()
        with socket.create_connection(listener.getsockname(), TIMEOUT_SECONDS) as plain:
            if said:
                with pytest.raises(ssl.SSLCertVerificationError, match=said):
                    certificates.trusting().wrap_socket(plain, server_hostname="127.0.0.1")
            else:
                with certificates.trusting().wrap_socket(plain, server_hostname="127.0.0.1") as wrapped:
                    assert wrapped.version() in ("TLSv1.2", "TLSv1.3")
        thread.join(TIMEOUT_SECONDS)


def _show(listener: socket.socket, identity: Identity) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.certificate, identity.key)
    caller, _ = listener.accept()
    with caller, suppress(OSError):
        context.wrap_socket(caller, server_side=True).close()


@needs_orthanc
@needs_dcmtk
class TestDicom:
    """An Orthanc that is reached by DICOM over TLS, and only by who shows a certificate of ours."""

    @staticmethod
    def echo(port: int, certificates: Certificates, identity: Identity | None, ca: Path | None = None) -> None:
        shown = ("+tls", identity.key, identity.certificate) if identity else ("--anonymous-tls",)
        trusted = ("--add-cert-file", ca or certificates.ca)
        run_dcmtk("echoscu", *shown, *trusted, "--call", "STAGING", "127.0.0.1", port)

    def test_caller_with_a_certificate_is_answered(self, tls_orthanc: Orthanc, certificates: Certificates) -> None:
        self.echo(tls_orthanc.dicom_port, certificates, certificates.client)

    @pytest.mark.parametrize("name", ["foreign", "expired", None])
    def test_caller_without_a_valid_certificate_is_not(
        self, tls_orthanc: Orthanc, certificates: Certificates, name: str | None
    ) -> None:
        identity = getattr(certificates, name) if name else None

        with pytest.raises(subprocess.CalledProcessError):
            self.echo(tls_orthanc.dicom_port, certificates, identity)

    def test_caller_who_trusts_another_authority_hangs_up(
        self, tls_orthanc: Orthanc, certificates: Certificates
    ) -> None:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            self.echo(tls_orthanc.dicom_port, certificates, certificates.client, certificates.foreign_ca)

        assert "certificate verify failed" in caught.value.stdout

    def test_caller_without_tls_is_not_answered(self, tls_orthanc: Orthanc) -> None:
        with pytest.raises(subprocess.CalledProcessError):
            run_dcmtk("echoscu", "-ta", "2", "--call", "STAGING", "127.0.0.1", tls_orthanc.dicom_port)

    def test_proxy_carries_tls(self, tls_orthanc: Orthanc, certificates: Certificates) -> None:
        with running_proxy(tls_orthanc.dicom_port) as proxy:
            self.echo(proxy.port, certificates, certificates.client)
            fault = proxy.inject(Direction.TO_CLIENT, AfterBytes(1000), corrupt())
            with pytest.raises(subprocess.CalledProcessError):
                self.echo(proxy.port, certificates, certificates.client)

        assert fault.fired == 1


@pytest.fixture(scope="module")
def tls_orthanc(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Orthanc]:
    with running_orthanc("STAGING", tmp_path_factory.mktemp("tls"), {}, **certificates.dicom_tls()) as orthanc:
        yield orthanc


@pytest.fixture(scope="module")
def https_orthanc(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Orthanc]:
    folder = tmp_path_factory.mktemp("https")
    with running_orthanc("STAGING", folder / "orthanc", {}, dicomweb=True, https=certificates.https()) as orthanc:
        for file in write_files(STUDY, folder):
            orthanc.load(file.read_bytes())
        yield orthanc


@needs_orthanc
@needs_dicomweb
class TestHttps:
    """An Orthanc whose DICOMweb is reached over HTTPS with a password."""

    def test_dicomweb_lists_the_instances(self, https_orthanc: Orthanc) -> None:
        found = https_orthanc.get(f"/dicom-web/studies/{STUDY.study_uid}/instances")

        assert len(found) == https_orthanc.count() == INSTANCES
        assert https_orthanc.dicomweb_url.startswith("https://")

    def test_wrong_password_is_refused(self, https_orthanc: Orthanc) -> None:
        assert https_orthanc.https is not None
        other = replace(https_orthanc, https=replace(https_orthanc.https, password="another"))

        with pytest.raises(urllib.error.HTTPError) as caught:
            other.get("/dicom-web/studies")

        assert caught.value.code == 401
        caught.value.close()

    def test_client_that_does_not_trust_the_authority_hangs_up(
        self, https_orthanc: Orthanc, certificates: Certificates
    ) -> None:
        stranger = ssl.create_default_context(cafile=str(certificates.foreign_ca))

        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(f"{https_orthanc.dicomweb_url}/studies", context=stranger, timeout=TIMEOUT_SECONDS)

    def test_client_without_a_certificate_is_refused_where_one_is_needed(
        self, https_orthanc: Orthanc, certificates: Certificates
    ) -> None:
        https = certificates.https(client_needed=True)
        with running_tls_front(https.showing, https_orthanc.plain_port) as port:
            shown = replace(https_orthanc, http_port=port, https=https)
            assert shown.count() == INSTANCES
            not_shown = replace(shown, https=replace(https, trusting=certificates.trusting()))
            with pytest.raises((OSError, http.client.HTTPException)):
                not_shown.count()

    def test_proxy_carries_https(self, https_orthanc: Orthanc) -> None:
        with running_proxy(https_orthanc.http_port) as proxy:
            assert json.loads(self.through(proxy, https_orthanc)) != []
            assert proxy.connections == 1

    @staticmethod
    def through(proxy: FaultProxy, orthanc: Orthanc) -> bytes:
        return replace(orthanc, http_port=proxy.port).read("/dicom-web/studies")
