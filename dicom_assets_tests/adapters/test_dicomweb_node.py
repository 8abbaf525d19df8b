"""Base URLs and credentials: refused before anything travels where it should not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dicom_assets.adapters.dicomweb.credentials import SecretFile
from dicom_assets.adapters.dicomweb.node import DicomwebNode
from dicom_assets.adapters.dicomweb.paths import instance_path, study_path
from dicom_assets.adapters.pacs.tls import TlsFiles
from dicom_assets.errors import ConfigurationError

TLS = TlsFiles("STAGING_PACS")
SECRET = "sentinel-secret"


def node(url: str, **settings: str) -> DicomwebNode:
    return DicomwebNode.of("STAGING_PACS", url, TLS, **settings)  # type: ignore[arg-type]  # texts alone are passed


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return file


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://pacs.example.org/dicom-web", "https://pacs.example.org/dicom-web"),
        ("HTTPS://PACS.example.org:8043/Aets/X/rs/", "https://pacs.example.org:8043/Aets/X/rs"),
        (" http://127.0.0.1:8042/dicom-web// ", "http://127.0.0.1:8042/dicom-web"),
        ("http://pacs", "http://pacs"),
        ("https://[::1]:8042/x", "https://[::1]:8042/x"),
    ],
)
def test_base_url_is_kept_without_a_slash_at_its_end(url: str, kept: str) -> None:
    assert node(url).url == kept


@pytest.mark.parametrize(
    "url",
    [
        "pacs.example.org/dicom-web",
        "ftp://pacs/dicom-web",
        "https://",
        "https:///dicom-web",
        "https://pacs:99999/x",
        "https://pacs:port/x",
        "https://[::1/x",
        "https://pacs/x?key=1",
        "https://pacs/x#here",
        f"https://someone:{SECRET}@pacs/x",
        f"https://{SECRET}@pacs/x",
        "",
    ],
)
def test_url_that_is_no_base_url_is_refused_by_its_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="STAGING_PACS_DICOMWEB_URL") as raised:
        node(url)

    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("host", ["pacs.example.org", "10.0.0.1", "0.0.0.0", "localhost.example.org"])
def test_credentials_do_not_travel_in_the_clear(host: str, secret_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="https://"):
        node(f"http://{host}/x", token_file=str(secret_file))

    assert node(f"https://{host}/x", token_file=str(secret_file)).credentials is not None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.3.2.1", "[::1]"])
def test_credentials_may_travel_within_the_machine(host: str, secret_file: Path) -> None:
    assert node(f"http://{host}/x", user="me", password_file=str(secret_file)).credentials is not None


@pytest.mark.parametrize(
    "settings",
    [
        {"user": "me"},
        {"password_file": "there"},
        {"user": "me", "password_file": "there", "token_file": "there"},
        {"user": "me:you", "password_file": "there"},
    ],
)
def test_half_or_double_credentials_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="STAGING_PACS_DICOMWEB_USER"):
        node("https://pacs/x", **settings)


def test_no_secret_is_in_a_repr(secret_file: Path) -> None:
    for settings in ({"token_file": str(secret_file)}, {"user": "me", "password_file": str(secret_file)}):
        with_secret = node("https://pacs/x", **settings)
        assert with_secret.credentials is not None
        with_secret.credentials._secret.read()
        assert SECRET not in repr(with_secret)


def test_secret_is_read_anew_when_its_file_changes(secret_file: Path) -> None:
    secret = SecretFile(str(secret_file), "SETTING")
    assert secret.read() == SECRET
    secret_file.write_text("another")
    os.utime(secret_file, (1, 1))

    assert secret.read() == "another"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 70_000])
def test_file_that_holds_no_secret_is_refused_by_its_setting(secret_file: Path, content: bytes) -> None:
    secret_file.write_bytes(content)

    with pytest.raises(ConfigurationError, match="THE_SETTING"):
        SecretFile(str(secret_file), "THE_SETTING").read()


@pytest.mark.parametrize("token", ["sentinel token", "sentinel-tökèn", "sentinel;"])
def test_token_that_is_none_is_refused_and_not_quoted(secret_file: Path, token: str) -> None:
    secret_file.write_text(token)
    credentials = node("https://pacs/x", token_file=str(secret_file)).credentials
    assert credentials is not None

    with pytest.raises(ConfigurationError, match="STAGING_PACS_DICOMWEB_TOKEN_FILE") as raised:
        credentials.check()

    assert "sentinel" not in str(raised.value)


def test_missing_secret_file_is_named_by_its_setting_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"THE_SETTING.*FileNotFoundError") as raised:
        SecretFile(str(tmp_path / "absent"), "THE_SETTING").read()

    assert str(tmp_path) not in str(raised.value)


@pytest.mark.parametrize("uid", ["..", ".", "", "../patients", "1.2/../3", "1.2?x=y", "1.2#x", "1.2%2F3"])
def test_odd_uid_leads_to_no_other_resource(uid: str) -> None:
    path = study_path(uid)

    assert path.count("/") == 2
    assert not path.endswith(("/", "/..", "/."))
    assert not set("?#") & set(path)


def test_path_of_an_instance_names_its_study_and_series() -> None:
    assert instance_path("1.2", "1.3", "1.4") == "/studies/1.2/series/1.3/instances/1.4"
