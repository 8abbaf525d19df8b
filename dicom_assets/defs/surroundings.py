"""Opening everything a run needs, and closing it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from dicom_assets.adapters.audit_trail import RunFolder
from dicom_assets.adapters.dicomweb.pacs import DicomwebPacs
from dicom_assets.adapters.pacs.association import silence_dicom_libraries
from dicom_assets.adapters.pacs.canary import ProvenMoves
from dicom_assets.adapters.pacs.probe import addresses_of
from dicom_assets.adapters.scratch import scratch_folder, sweep_scratch
from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.adapters.withdrawals import FolderWithdrawals
from dicom_assets.defs.config import RunConfig
from dicom_assets.defs.resources import (
    ContactSheetsResource,
    DataDirResource,
    DeidentificationResource,
    IdentityDbResource,
    LocalNodeResource,
    NotificationsResource,
    RegistrationResource,
    ResearchPacsResource,
    ReviewDbResource,
    StagingPacsResource,
    TransfersResource,
)
from dicom_assets.defs.run_end import telling_why_it_stops
from dicom_assets.defs.workers import worker_processes
from dicom_assets.deidentification import Profile
from dicom_assets.errors import ConfigurationError, PacsError
from dicom_assets.steps.advance_study import Surroundings
from dicom_assets.steps.contact_sheets import ContactSheets
from dicom_assets.steps.deidentify_batch import DeidentificationSettings
from dicom_assets.steps.ports import AuditTrail, Pacs, StagingPacs
from dicom_assets.study import Fact


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources of the op, by name."""

    local: LocalNodeResource
    staging_pacs: StagingPacsResource
    research_pacs: ResearchPacsResource
    transfers: TransfersResource
    review_db: ReviewDbResource
    identity_db: IdentityDbResource
    registration: RegistrationResource
    deidentification: DeidentificationResource
    contact_sheets: ContactSheetsResource
    data_dir: DataDirResource
    notifications: NotificationsResource | None = None
    """None within a run: sensors tell people."""


@contextmanager
def open_surroundings(resources: Resources, config: RunConfig, run_id: str) -> Iterator[tuple[Surroundings, RunFolder]]:
    """Everything a study meets on its way, and the run's folder.

    Raises:
        ConfigurationError: a setting, a database or a profile is not as the run needs it.
    """
    silence_dicom_libraries()
    refuse_one_pacs_at_both_ends(resources)
    local = resources.local.node()
    data_dir = resources.data_dir.folder()
    with ExitStack() as stack:
        registration = stack.enter_context(resources.registration.open(read_only=config.dry_run))
        settings = DeidentificationSettings(
            profile=resources.deidentification.load_profile(),
            secret=resources.identity_db.secret(),
            uid_root=resources.deidentification.uid_root,
            allowed_modalities=frozenset(config.modality_codes()),
        )
        choice = resources.staging_pacs.choose(local)
        staging_pacs = resources.staging_pacs.connect(local, choice, resources.transfers.disk_floor(data_dir))
        research_pacs = resources.research_pacs.connect(local)
        close_at_the_end(stack, staging_pacs, research_pacs)
        review_db = stack.enter_context(resources.review_db.open(read_only=config.dry_run))
        identity_db = stack.enter_context(resources.identity_db.open(dry_run=config.dry_run))
        sweep_scratch(data_dir)
        store = FolderStudyStore(data_dir / "studies")
        if config.dry_run:
            store = FolderStudyStore(stack.enter_context(scratch_folder(data_dir)), fallback=store.root)
        profile = settings.profile
        risks = {f"in the profile, {what}": why for what, why in profile.accepted_risks.items()}
        risks |= resources.staging_pacs.accepted_risks(choice)
        told = {**settings_of(config, profile), "staging_protocol": str(choice)}
        audit = RunFolder(data_dir, run_id, told, risks)
        stack.enter_context(telling_why_it_stops(audit))
        prove_destination(staging_pacs, audit)
        executor = stack.enter_context(worker_processes(config.workers))
        sheets = None
        if resources.contact_sheets.are_wanted() and not config.dry_run:
            apart = stack.enter_context(worker_processes(1))
            sheets = ContactSheets(executor, apart, resources.contact_sheets.most_kilobytes())
        yield (
            Surroundings(
                staging_pacs=staging_pacs,
                research_pacs=research_pacs,
                review_db=review_db,
                identity_db=identity_db,
                registration=registration,
                store=store,
                withdrawals=FolderWithdrawals(data_dir),
                audit=audit,
                executor=executor,
                settings=settings,
                sheets=sheets,
                patience_seconds=resources.transfers.patience_seconds(),
                staging_turnstile=resources.staging_pacs.turnstile(),
                research_turnstile=resources.research_pacs.turnstile(),
            ),
            audit,
        )


def prove_destination(staging_pacs: StagingPacs, audit: AuditTrail) -> None:
    """Have the canary moved before the first study is looked at, where studies come by C-MOVE.

    A PACS that is away proves nothing: then the canary goes before the first study that is moved.

    Raises:
        ConfigurationError: the canary does not arrive here.
    """
    if not isinstance(staging_pacs, ProvenMoves) or not staging_pacs.has_canary:
        return
    try:
        staging_pacs.prove()
    except ConfigurationError as error:
        audit.event("canary_lost", facts={"reason": str(error)})
        raise
    except PacsError as error:
        audit.event("canary_waits", facts={"reason": str(error)})
    else:
        audit.event("canary_arrived")


def close_at_the_end(stack: ExitStack, *all_pacs: Pacs) -> None:
    """Give back what PACSs keep open, when the stack is left."""
    for pacs in all_pacs:
        if isinstance(pacs, DicomwebPacs):  # the others open an association for each thing they do
            stack.callback(pacs.close)


def refuse_one_pacs_at_both_ends(resources: Resources) -> None:
    """Stop before identified and research images meet in one PACS.

    Raises:
        ConfigurationError: both PACSs have the same host and port, or the same DICOMweb URL.
    """
    staging, research = resources.staging_pacs.node(), resources.research_pacs.node()
    if resources.transfers.may_be_one_pacs():
        return
    if staging.port == research.port and _addresses(staging.host) & _addresses(research.host):
        raise ConfigurationError(
            "STAGING_PACS and RESEARCH_PACS are the same host and port: correct one of them, "
            "or, to practise with one PACS, set ONE_PACS_AT_BOTH_ENDS=yes."
        )
    staging_web, research_web = _web_place(resources.staging_pacs), _web_place(resources.research_pacs)
    if staging_web and research_web and staging_web[1:] == research_web[1:] and staging_web[0] & research_web[0]:
        raise ConfigurationError(
            "STAGING_PACS_DICOMWEB_URL and RESEARCH_PACS_DICOMWEB_URL are the same: correct one of them, "
            "or, to practise with one PACS, set ONE_PACS_AT_BOTH_ENDS=yes."
        )


def _web_place(settings: StagingPacsResource | ResearchPacsResource) -> tuple[set[str], int, str] | None:
    """The addresses, port and path of a DICOMweb URL, None where none is set."""
    if not settings.dicomweb_url.strip():
        return None
    parts = urlsplit(settings.dicomweb_node().url)
    return _addresses(parts.hostname or ""), parts.port or (443 if parts.scheme == "https" else 80), parts.path


def _addresses(host: str) -> set[str]:
    """The addresses of a host, or its name where it has none that we can find."""
    return addresses_of(host) or {host.lower()}


def settings_of(config: RunConfig, profile: Profile) -> Mapping[str, Fact]:
    """The run config and the profile as the audit trail shows them."""
    return {
        "limit": config.limit,
        "modalities": ",".join(config.modality_codes()),
        "dry_run": _yes(config.dry_run),
        "publish": _yes(config.publish),
        "refresh": _yes(config.refresh),
        "workers": config.workers,
        "profile": f"{profile.name} {profile.version} ({profile.fingerprint[:12]})",
    }


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
