"""A certificate authority of the tests' own, and servers that show its certificates: DICOM over TLS, HTTPS."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trustme

HOSTS = ("localhost", "127.0.0.1")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NOT_SO_LONG_AGO = datetime(2020, 2, 1, tzinfo=UTC)

# The cipher suites of BCP 195 as DCMTK offers them are for RSA keys alone.
_KEYS = trustme.KeyType.RSA


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key as PEM files; `both` holds one after the other."""

    certificate: Path
    key: Path
    both: Path


@dataclass(frozen=True)
class Certificates:
    """What a site's PKI issues, and what may not be accepted beside it.

    Attributes:
        ca: The certificate authority that everybody here trusts.
        server: For `localhost` and 127.0.0.1.
        client: For us, of the same authority.
        expired: For the same hosts, until 2020.
        other_host: Valid, but for another host.
        foreign_ca: Another certificate authority.
        foreign: For the same hosts, of the other authority.
    """

    ca: Path
    server: Identity
    client: Identity
    expired: Identity
    other_host: Identity
    foreign_ca: Path
    foreign: Identity

    def trusting(self) -> ssl.SSLContext:
        """A client's context that accepts what the authority issued, for the host that is called."""
        return ssl.create_default_context(cafile=str(self.ca))

    def presenting(self, identity: Identity) -> ssl.SSLContext:
        """The same, of a client that shows a certificate."""
        context = self.trusting()
        context.load_cert_chain(identity.certificate, identity.key)
        return context

    def dicom_tls(self, *, server: Identity | None = None, client_needed: bool = True) -> dict[str, Any]:
        """Orthanc's settings for DICOM over TLS; with `client_needed` only for who shows a certificate of ours."""
        shown = server or self.server
        return {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(shown.certificate),
            "DicomTlsPrivateKey": str(shown.key),
            "DicomTlsTrustedCertificates": str(self.ca),
            "DicomTlsRemoteCertificateRequired": client_needed,
        }

    def https(self, *, server: Identity | None = None, client_needed: bool = False) -> Https:
        """HTTPS that asks for a password, with `client_needed` for a certificate of ours as well."""
        shown = server or self.server
        showing = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca))
        showing.verify_mode = ssl.CERT_REQUIRED if client_needed else ssl.CERT_NONE
        showing.load_cert_chain(shown.certificate, shown.key)
        return Https(showing, self.presenting(self.client))


@dataclass(frozen=True)
class Https:
    """How a server is reached over HTTPS: what it shows, who accepts that, and who may come in."""

    showing: ssl.SSLContext
    trusting: ssl.SSLContext
    user: str = "orthanc-user"
    password: str = field(default="sentinel-password-of-https", repr=False)


def make_certificates(folder: Path) -> Certificates:
    """Issue everything into a folder."""
    ours, theirs = trustme.CA(key_type=_KEYS), trustme.CA(key_type=_KEYS)
    for name, authority in (("ca", ours), ("foreign-ca", theirs)):
        authority.cert_pem.write_to_path(str(folder / f"{name}.pem"))

    def issue(name: str, authority: trustme.CA, *hosts: str, **more: Any) -> Identity:
        issued = authority.issue_cert(*hosts, common_name=name, key_type=_KEYS, **more)
        identity = Identity(*(folder / f"{name}{ending}" for ending in (".crt", ".key", ".pem")))
        issued.private_key_pem.write_to_path(str(identity.key))
        issued.private_key_and_cert_chain_pem.write_to_path(str(identity.both))
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(identity.certificate), append=True)
        return identity

    return Certificates(
        ca=folder / "ca.pem",
        server=issue("server", ours, *HOSTS),
        client=issue("client", ours, "client.example"),
        expired=issue("expired", ours, *HOSTS, not_before=LONG_AGO, not_after=NOT_SO_LONG_AGO),
        other_host=issue("other-host", ours, "other.example"),
        foreign_ca=folder / "foreign-ca.pem",
        foreign=issue("foreign", theirs, *HOSTS),
    )
