"""Dagster resources: each holds the settings of one part of the world and opens it on demand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg

from dicom_assets.adapters.identity_db import DryRunIdentityDatabase, IdentityDatabase
from dicom_assets.adapters.identity_db.secret import read_secret
from dicom_assets.adapters.pacs.association import LocalNode, PacsNode
from dicom_assets.adapters.pacs.retrieve import CGetPacs, CMovePacs
from dicom_assets.adapters.pacs.storage_scp import StorageScp
from dicom_assets.adapters.pacs.store import CStorePacs
from dicom_assets.adapters.registration import load_registration
from dicom_assets.adapters.review_db import ReviewDatabase
from dicom_assets.deidentification import Profile, find_profile
from dicom_assets.errors import ConfigurationError
from dicom_assets.steps.ports import Registration, ResearchPacs, StagingPacs

STAGING_PROTOCOLS = ("c-get", "c-move")
RESEARCH_PROTOCOLS = ("c-store", "c-get", "c-move")
"""All of DIMSE: whatever the PACS offers for retrieval, we send by C-STORE and ask by C-FIND."""


def _node(setting: str, ae_title: str, host: str, port: int) -> PacsNode:
    if not 0 < len(ae_title.strip()) <= 16:
        raise ConfigurationError(f"{setting}_AE_TITLE must have 1 to 16 characters.")
    if not 0 < port < 65536:
        raise ConfigurationError(f"{setting}_PORT must be between 1 and 65535.")
    return PacsNode(ae_title.strip(), host, port, setting)


class Settings(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic over what no resource here provides
    """Base of the resources below."""


class LocalNodeResource(Settings):
    """Who we are to the PACSs, and where our Storage SCP listens."""

    ae_title: str
    host: str
    port: int

    def node(self) -> LocalNode:
        """Our AE title, address and port."""
        node = _node("LOCAL", self.ae_title, self.host, self.port)
        return LocalNode(node.ae_title, node.host, node.port)


class StagingPacsResource(Settings):
    """The PACS that holds identified studies."""

    ae_title: str
    host: str
    port: int
    protocol: str

    def node(self) -> PacsNode:
        """Where it listens."""
        return _node("STAGING_PACS", self.ae_title, self.host, self.port)

    def connect(self, local: LocalNode) -> StagingPacs:
        """The PACS by the protocol that is set.

        Raises:
            ConfigurationError: there is no such protocol.
        """
        if self.protocol == "c-get":
            return CGetPacs(local, self.node())
        if self.protocol == "c-move":
            return CMovePacs(local, self.node(), StorageScp(local, self.node().ae_title))
        raise ConfigurationError(f"STAGING_PACS_PROTOCOL must be one of {', '.join(STAGING_PROTOCOLS)}.")


class ResearchPacsResource(Settings):
    """The PACS that researchers see."""

    ae_title: str
    host: str
    port: int
    protocol: str

    def node(self) -> PacsNode:
        """Where it listens."""
        return _node("RESEARCH_PACS", self.ae_title, self.host, self.port)

    def connect(self, local: LocalNode) -> ResearchPacs:
        """The PACS by the protocol that is set.

        Raises:
            ConfigurationError: there is no such protocol.
        """
        if self.protocol not in RESEARCH_PROTOCOLS:
            raise ConfigurationError(f"RESEARCH_PACS_PROTOCOL must be one of {', '.join(RESEARCH_PROTOCOLS)}.")
        return CStorePacs(local, self.node())


class ReviewDbResource(Settings):
    """The database of django-dicom-review."""

    url: str

    def open(self, *, read_only: bool) -> closing[ReviewDatabase]:
        """The database; `read_only` for dry runs and sensors."""
        return closing(ReviewDatabase.open(self.url, read_only=read_only))


class IdentityDbResource(Settings):
    """The identity database and the deployment's secret."""

    url: str
    secret_file: str

    def secret(self) -> bytes:
        """The deployment's secret.

        Raises:
            ConfigurationError: the file is missing, unreadable or too short.
        """
        return read_secret(Path(self.secret_file))

    @contextmanager
    def open(self, *, dry_run: bool) -> Iterator[IdentityDatabase | DryRunIdentityDatabase]:
        """The database; a dry run reads it and keeps what it adds in memory."""
        opener = IdentityDatabase.open_for_dry_run if dry_run else IdentityDatabase.open
        database = opener(self.url, self.secret())
        try:
            yield database
        finally:
            database.close()


class RegistrationResource(Settings):
    """How studies are linked with the research database."""

    hook: str
    research_db_url: str

    @contextmanager
    def open(self, *, read_only: bool) -> Iterator[Registration]:
        """The hook that `REGISTRATION_HOOK` names; `read_only` for dry runs."""
        hook = load_registration(self.hook, self.research_db_url, read_only=read_only)
        try:
            yield hook
        finally:
            if hasattr(hook, "close"):
                hook.close()


class DeidentificationResource(Settings):
    """The profile, and the root of the UIDs that we make."""

    profile: str
    uid_root: str

    def load_profile(self) -> Profile:
        """A YAML file, or a profile that comes with the package by its name."""
        return find_profile(self.profile)


class DataDirResource(Settings):
    """`DATA_DIR`: studies, runs, scratch."""

    path: str

    def folder(self) -> Path:
        """The folder; made when it is not there."""
        folder = Path(self.path)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"DATA_DIR {folder} can't be made ({type(error).__name__}).") from None
        return folder
