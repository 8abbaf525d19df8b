"""What time it is elsewhere, to tell whether this machine's clock is right."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from sqlalchemy import text

from dicom_assets.adapters.databases import open_database, parse_url
from dicom_assets.adapters.dicomweb.node import DicomwebNode
from dicom_assets.adapters.pacs.tls import client_context
from dicom_assets.errors import DicomAssetsError

SECONDS = 5.0
_NOW = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
}


def time_of_database(url: str, setting: str) -> datetime | None:
    """The time of a database server; None where there is no server, or it can't be asked."""
    try:
        statement = _NOW.get(parse_url(url, setting).get_backend_name())
        if statement is None:
            return None
        database = open_database(url, setting, read_only=True)
        try:
            with database.reading() as connection:
                found = connection.execute(text(statement)).scalar_one()
        finally:
            database.close()
    except DicomAssetsError:
        return None
    if not isinstance(found, datetime):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def time_of_web_server(node: DicomwebNode) -> datetime | None:
    """The Date of a web server's answer, whatever that is (RFC 9110 6.6.1); None where there is none."""
    try:
        verify = client_context(node.tls) if node.url.startswith("https:") else True
        with httpx.Client(verify=verify, timeout=SECONDS, trust_env=False) as client:
            stamp = client.head(node.url).headers.get("Date", "")
        return parsedate_to_datetime(stamp).astimezone(UTC) if stamp else None
    except (httpx.HTTPError, ValueError, DicomAssetsError):
        return None
