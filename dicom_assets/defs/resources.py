"""Dagster resources: each holds the settings of one part of the world and opens it on demand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg

from dicom_assets.adapters.dicomweb import DicomwebNode, DicomwebResearchPacs, DicomwebStagingPacs
from dicom_assets.adapters.identity_db import DryRunIdentityDatabase, IdentityDatabase
from dicom_assets.adapters.identity_db.secret import read_key, read_secret
from dicom_assets.adapters.notifier import Notifier
from dicom_assets.adapters.pacs.association import LocalNode, PacsNode, Timeouts
from dicom_assets.adapters.pacs.canary import CANARY_TIMEOUTS, ProvenMoves, check_canary
from dicom_assets.adapters.pacs.commitment import MODES as STORAGE_COMMITMENT_MODES
from dicom_assets.adapters.pacs.commitment import StorageCommitment
from dicom_assets.adapters.pacs.commitment_scp import CommitmentScp
from dicom_assets.adapters.pacs.retrieve import CGetPacs, CMovePacs
from dicom_assets.adapters.pacs.storage_scp import DiskFloor, Sender, StorageScp
from dicom_assets.adapters.pacs.store import CStorePacs
from dicom_assets.adapters.pacs.tls import TlsFiles, client_context, server_context
from dicom_assets.adapters.production import ProductionDatabase
from dicom_assets.adapters.protocols import ProtocolChoice, choose_protocol
from dicom_assets.adapters.registration import load_registration
from dicom_assets.adapters.removal import DicomwebRemover, OrthancRemover
from dicom_assets.adapters.review_db import ReviewDatabase
from dicom_assets.deidentification import Profile, find_profile
from dicom_assets.errors import ConfigurationError
from dicom_assets.steps.ports import Registration, ResearchPacs, StagingPacs, StudyRemover
from dicom_assets.steps.turnstile import DailyWindow, Turnstile

STAGING_PROTOCOLS = ("auto", "dicomweb", "c-get", "c-move")
RESEARCH_PROTOCOLS = ("c-store", "dicomweb", "c-get", "c-move")
"""`c-get` and `c-move` mean C-STORE, too: both are DIMSE, whatever the PACS offers for retrieval."""

SMALLEST_SHEET, LARGEST_SHEET = 25, 1000
"""Kilobytes: into the smallest fits whatever there is to show."""

_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
"""PS3.5 6.2: the default character repertoire, without backslash and control characters."""


def _node(setting: str, ae_title: str, host: str, port: int, tls: TlsFiles | None, associations: int) -> PacsNode:
    if not _AE_TITLE.fullmatch(ae_title.strip()):
        raise ConfigurationError(f"{setting}_AE_TITLE must have 1 to 16 characters of ASCII, and no backslash.")
    if not host.strip():
        raise ConfigurationError(f"{setting}_HOST must not be empty.")
    if not 0 < port < 65536:
        raise ConfigurationError(f"{setting}_PORT must be between 1 and 65535.")
    if associations < 1:
        raise ConfigurationError(f"{setting}_MAX_ASSOCIATIONS must be at least 1.")
    return PacsNode(ae_title.strip(), host.strip(), port, setting, tls, associations)


def _senders(text: str) -> list[Sender]:
    """AE titles and hosts, as `AE@host,AE@host`."""
    senders = []
    for entry in filter(None, map(str.strip, text.split(","))):
        ae_title, at, host = (part.strip() for part in entry.partition("@"))
        if not (at and host and _AE_TITLE.fullmatch(ae_title)):
            raise ConfigurationError("STAGING_PACS_SENDERS must be AE titles with hosts, as AE@host,AE@host.")
        senders.append(Sender(ae_title, host))
    return senders


def is_yes(setting: str, text: str) -> bool:
    """Whether a setting says yes.

    Raises:
        ConfigurationError: it says neither yes nor no.
    """
    if text.strip().lower() not in ("yes", "no"):
        raise ConfigurationError(f"{setting} must be yes or no.")
    return text.strip().lower() == "yes"


def one_of(setting: str, text: str, choices: Sequence[str]) -> str:
    """A setting that has one of few values.

    Raises:
        ConfigurationError: it has another one.
    """
    if text.strip().lower() not in choices:
        raise ConfigurationError(f"{setting} must be one of {', '.join(choices)}.")
    return text.strip().lower()


class Settings(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic over what no resource here provides
    """Base of the resources below. Each field is the environment variable that `definitions.py` names."""


class TlsSettings(Settings):
    """The fields of everything that may speak TLS."""

    tls: str
    tls_ca_file: str
    tls_cert_file: str
    tls_key_file: str

    def _tls(self, setting: str) -> TlsFiles | None:
        files = TlsFiles(setting, self.tls_ca_file, self.tls_cert_file, self.tls_key_file)
        return files if is_yes(f"{setting}_TLS", self.tls) else None


class LocalNodeResource(TlsSettings):
    """Who we are to the PACSs, and where our Storage SCP listens."""

    ae_title: str
    host: str
    port: int

    def node(self) -> LocalNode:
        """Our AE title, address and port."""
        tls = self._tls("LOCAL")
        if tls is not None:
            server_context(tls)  # what can't be used is said before anything begins
        node = _node("LOCAL", self.ae_title, self.host, self.port, tls, 1)
        return LocalNode(node.ae_title, node.host, node.port, tls)


class PacsSettings(TlsSettings):
    """The fields that both PACSs have."""

    ae_title: str
    host: str
    port: int
    protocol: str
    max_associations: int
    timeout_seconds: int
    window: str
    max_megabytes_per_second: int
    dicomweb_url: str
    dicomweb_user: str
    dicomweb_password_file: str
    dicomweb_token_file: str

    def _pacs_node(self, setting: str) -> PacsNode:
        tls = self._tls(setting)
        if tls is not None:
            client_context(tls)  # what can't be used is said before anything begins
        node = _node(setting, self.ae_title, self.host, self.port, tls, self.max_associations)
        return replace(node, timeouts=Timeouts.of(self._timeout_seconds(setting)))

    def _timeout_seconds(self, setting: str) -> float:
        if self.timeout_seconds < 1:
            raise ConfigurationError(f"{setting}_TIMEOUT_SECONDS must be 1 or more.")
        return float(self.timeout_seconds)

    def _dicomweb_node(self, setting: str) -> DicomwebNode:
        if not self.dicomweb_url.strip():
            raise ConfigurationError(f"{setting}_DICOMWEB_URL must be set: {setting}_PROTOCOL asks for DICOMweb.")
        return DicomwebNode.of(
            setting,
            self.dicomweb_url,
            TlsFiles(setting, self.tls_ca_file, self.tls_cert_file, self.tls_key_file),
            user=self.dicomweb_user,
            password_file=self.dicomweb_password_file,
            token_file=self.dicomweb_token_file,
            max_connections=self.max_associations,
            timeout_seconds=self._timeout_seconds(setting),
        )

    def _turnstile(self, setting: str) -> Turnstile:
        if self.max_megabytes_per_second < 0:
            raise ConfigurationError(f"{setting}_MAX_MEGABYTES_PER_SECOND must be 0 (no limit) or more.")
        window = DailyWindow.parse(self.window, f"{setting}_WINDOW")
        name = "the " + setting.lower().replace("_pacs", " PACS")
        return Turnstile(name, window, self.max_megabytes_per_second * 1e6)


class StagingPacsResource(PacsSettings):
    """The PACS that holds identified studies."""

    senders: str
    canary_uid: str
    move_without_canary: str

    def node(self) -> PacsNode:
        """Where it listens."""
        return self._pacs_node("STAGING_PACS")

    def turnstile(self) -> Turnstile:
        """When studies may be pulled."""
        return self._turnstile("STAGING_PACS")

    def storage_scp(self, local: LocalNode, disk: DiskFloor | None = None) -> StorageScp:
        """Our Storage SCP, which takes instances from the PACS and from the other senders.

        Raises:
            ConfigurationError: STAGING_PACS_SENDERS can't be read.
        """
        node = self.node()
        return StorageScp(local, node.ae_title, host=node.host, senders=_senders(self.senders), disk=disk)

    def dicomweb_node(self) -> DicomwebNode:
        """Where it answers DICOMweb.

        Raises:
            ConfigurationError: the URL is not set, or it, the credentials or a TLS file can't be used.
        """
        return self._dicomweb_node("STAGING_PACS")

    def choose(self, local: LocalNode) -> ProtocolChoice:
        """The protocol that is set; for `auto`, what the PACS offers now.

        Raises:
            ConfigurationError: there is no such protocol, or a setting that it needs can't be used.
        """
        if self.protocol not in STAGING_PROTOCOLS:
            raise ConfigurationError(f"STAGING_PACS_PROTOCOL must be one of {', '.join(STAGING_PROTOCOLS)}.")
        if self.protocol != "auto":
            return ProtocolChoice(self.protocol, "it is set")
        return choose_protocol(local, self.node(), self.dicomweb_node() if self.dicomweb_url.strip() else None)

    def connect(
        self, local: LocalNode, choice: ProtocolChoice | None = None, disk: DiskFloor | None = None
    ) -> StagingPacs:
        """The PACS by the protocol that was chosen; choose now where none is given. `disk` is what must stay free.

        Raises:
            ConfigurationError: there is no such protocol, a setting that it needs can't be used, or C-MOVE has neither
                a canary nor leave to go without.
        """
        protocol = (choice or self.choose(local)).protocol
        if protocol == "dicomweb":
            return DicomwebStagingPacs(self.dicomweb_node(), disk)
        if protocol == "c-get":
            return CGetPacs(local, self.node(), disk)
        return self._moves(local, disk)

    def _moves(self, local: LocalNode, disk: DiskFloor | None) -> ProvenMoves:
        """C-MOVE, with the canary first."""
        check_canary(self.canary_uid, self.move_without_canary)
        scp = self.storage_scp(local, disk)
        return ProvenMoves(CMovePacs(local, self.node(), scp), self.scout(local, scp), self.canary_uid)

    def scout(self, local: LocalNode, scp: StorageScp | None = None) -> CMovePacs:
        """The PACS by C-MOVE for the canary alone."""
        node = replace(self.node(), timeouts=CANARY_TIMEOUTS)
        return CMovePacs(local, node, scp or self.storage_scp(local))

    def accepted_risks(self, choice: ProtocolChoice) -> dict[str, str]:
        """What the operator has taken upon himself, and in which words, for the audit trail."""
        if choice.protocol != "c-move" or self.canary_uid:
            return {}
        return {"in the settings, C-MOVE without a canary": self.move_without_canary}


class ResearchPacsResource(PacsSettings):
    """The PACS that researchers see."""

    storage_commitment: str
    transcode: str
    rest_url: str
    rest_user: str
    rest_password_file: str

    def node(self) -> PacsNode:
        """Where it listens."""
        return self._pacs_node("RESEARCH_PACS")

    def turnstile(self) -> Turnstile:
        """When studies may be published."""
        return self._turnstile("RESEARCH_PACS")

    def dicomweb_node(self) -> DicomwebNode:
        """Where it answers DICOMweb.

        Raises:
            ConfigurationError: the URL is not set, or it, the credentials or a TLS file can't be used.
        """
        return self._dicomweb_node("RESEARCH_PACS")

    def connect(self, local: LocalNode) -> ResearchPacs:
        """The PACS by the protocol that is set.

        Raises:
            ConfigurationError: there is no such protocol, or no such value of another setting.
        """
        if self.protocol not in RESEARCH_PROTOCOLS:
            raise ConfigurationError(f"RESEARCH_PACS_PROTOCOL must be one of {', '.join(RESEARCH_PROTOCOLS)}.")
        if self.protocol == "dicomweb":
            return DicomwebResearchPacs(self.dicomweb_node())
        mode = one_of("RESEARCH_PACS_STORAGE_COMMITMENT", self.storage_commitment, STORAGE_COMMITMENT_MODES)
        transcode = one_of("RESEARCH_PACS_TRANSCODE", self.transcode, ("no", "lossless")) == "lossless"
        commitment = StorageCommitment(local, self.node(), CommitmentScp(local), mode)
        return CStorePacs(local, self.node(), commitment, transcode)

    def rest_node(self) -> DicomwebNode | None:
        """Where its own REST interface answers, None where none is set.

        Raises:
            ConfigurationError: the URL, the credentials or a TLS file can't be used.
        """
        if not self.rest_url.strip():
            return None
        return DicomwebNode.of(
            "RESEARCH_PACS",
            self.rest_url,
            TlsFiles("RESEARCH_PACS", self.tls_ca_file, self.tls_cert_file, self.tls_key_file),
            user=self.rest_user,
            password_file=self.rest_password_file,
            timeout_seconds=self._timeout_seconds("RESEARCH_PACS"),
            service="REST",
        )

    def remover(self) -> StudyRemover | None:
        """How it can be told to delete a study: by Orthanc's REST interface, else over DICOMweb, where these are set.

        Raises:
            ConfigurationError: a URL, credentials or a TLS file can't be used.
        """
        node = self.rest_node()
        if node is not None:
            return OrthancRemover(node)
        return DicomwebRemover(self.dicomweb_node()) if self.dicomweb_url.strip() else None


class TransfersResource(Settings):
    """What holds for transfers from and to either PACS."""

    retry_seconds: int
    one_pacs_at_both_ends: str
    min_free_disk_megabytes: int

    def disk_floor(self, folder: Path) -> DiskFloor:
        """How much of a folder's disk must stay free.

        Raises:
            ConfigurationError: MIN_FREE_DISK_MEGABYTES is negative.
        """
        if self.min_free_disk_megabytes < 0:
            raise ConfigurationError("MIN_FREE_DISK_MEGABYTES must be 0 (no limit) or more.")
        return DiskFloor(folder, self.min_free_disk_megabytes * 10**6)

    def patience_seconds(self) -> float:
        """How long a step tries again while a PACS is away.

        Raises:
            ConfigurationError: PACS_RETRY_SECONDS is negative.
        """
        if self.retry_seconds < 0:
            raise ConfigurationError("PACS_RETRY_SECONDS must be 0 (never try again) or more.")
        return float(self.retry_seconds)

    def may_be_one_pacs(self) -> bool:
        """Whether staging and research may be one PACS: for practice alone."""
        return is_yes("ONE_PACS_AT_BOTH_ENDS", self.one_pacs_at_both_ends)


class ReviewDbResource(Settings):
    """The database of django-dicom-review."""

    url: str

    def open(self, *, read_only: bool) -> closing[ReviewDatabase]:
        """The database; `read_only` for dry runs and sensors."""
        return closing(ReviewDatabase.open(self.url, read_only=read_only))


class IdentityDbResource(Settings):
    """The identity database, the deployment's secret, and the key of an encrypted database."""

    url: str
    secret_file: str
    key_file: str = ""

    def secret(self) -> bytes:
        """The deployment's secret.

        Raises:
            ConfigurationError: the file is missing, unreadable or too short.
        """
        return read_secret(Path(self.secret_file))

    def key(self) -> bytes | None:
        """The key that an encrypted identity database is read with; None where none is set.

        Raises:
            ConfigurationError: the file is missing, unreadable or too short.
        """
        return read_key(Path(self.key_file)) if self.key_file.strip() else None

    @contextmanager
    def open(self, *, dry_run: bool) -> Iterator[IdentityDatabase | DryRunIdentityDatabase]:
        """The database; a dry run reads it and keeps what it adds in memory."""
        opener = IdentityDatabase.open_for_dry_run if dry_run else IdentityDatabase.open
        database = opener(self.url, self.secret(), key=self.key())
        try:
            yield database
        finally:
            database.close()


class RegistrationResource(Settings):
    """How studies are linked with the research database."""

    hook: str
    research_db_url: str
    encounter_query_file: str
    timeout_seconds: int

    @contextmanager
    def open(self, *, read_only: bool) -> Iterator[Registration]:
        """The hook that `REGISTRATION_HOOK` names; `read_only` for dry runs."""
        hook = load_registration(
            self.hook,
            self.research_db_url,
            encounter_query_file=self.encounter_query_file,
            timeout_seconds=self.timeout_seconds,
            read_only=read_only,
        )
        try:
            yield hook
        finally:
            if hasattr(hook, "close"):
                hook.close()

    def open_production(self, *, read_only: bool) -> closing[ProductionDatabase]:
        """The production tables of the research database; `read_only` for dry runs."""
        return closing(
            ProductionDatabase.open(self.research_db_url, timeout_seconds=self.timeout_seconds, read_only=read_only)
        )


class DeidentificationResource(Settings):
    """The profile, and the root of the UIDs that we make."""

    profile: str
    uid_root: str

    def load_profile(self) -> Profile:
        """A YAML file, or a profile that comes with the package by its name."""
        return find_profile(self.profile)


class ContactSheetsResource(Settings):
    """The small pictures of each study that Dagster shows."""

    wanted: str
    kilobytes: int

    def are_wanted(self) -> bool:
        """Whether contact sheets are made."""
        return is_yes("CONTACT_SHEETS", self.wanted)

    def most_kilobytes(self) -> int:
        """What one may take in Dagster's storage.

        Raises:
            ConfigurationError: CONTACT_SHEET_KILOBYTES is too small for any, or too large for Dagster.
        """
        if not SMALLEST_SHEET <= self.kilobytes <= LARGEST_SHEET:
            raise ConfigurationError(f"CONTACT_SHEET_KILOBYTES must be {SMALLEST_SHEET} to {LARGEST_SHEET}.")
        return self.kilobytes


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


class NotificationsResource(Settings):
    """Who is told of what needs a person, and where the web interface is for links."""

    urls_file: str
    dagster_ui_url: str

    def notifier(self) -> Notifier | None:
        """Where messages go; None where nobody is to be told.

        Raises:
            ConfigurationError: the file, or a line of it, can't be used, or the extra `notify` is not installed.
        """
        return Notifier.of(Path(self.urls_file)) if self.urls_file.strip() else None

    def link(self, path: str) -> str:
        """The address of a page of the web interface; empty where it is not set.

        Raises:
            ConfigurationError: DAGSTER_UI_URL is no address.
        """
        url = self.dagster_ui_url.strip().rstrip("/")
        if url and not url.startswith(("http://", "https://")):
            raise ConfigurationError("DAGSTER_UI_URL must begin with http:// or https://, or be empty.")
        return f"{url}{path}" if url else ""
