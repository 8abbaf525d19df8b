"""Opening everything a run needs, and closing it again."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from dicom_assets.adapters.audit_trail import RunFolder
from dicom_assets.adapters.pacs.association import silence_dicom_libraries
from dicom_assets.adapters.scratch import scratch_folder, sweep_scratch
from dicom_assets.adapters.study_store import FolderStudyStore
from dicom_assets.defs.config import RunConfig
from dicom_assets.defs.resources import (
    DataDirResource,
    DeidentificationResource,
    IdentityDbResource,
    LocalNodeResource,
    RegistrationResource,
    ResearchPacsResource,
    ReviewDbResource,
    StagingPacsResource,
    TransfersResource,
)
from dicom_assets.defs.workers import worker_processes
from dicom_assets.deidentification import Profile
from dicom_assets.errors import ConfigurationError
from dicom_assets.steps.advance_study import Surroundings
from dicom_assets.steps.deidentify_batch import DeidentificationSettings
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
    data_dir: DataDirResource


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
        staging_pacs, research_pacs = resources.staging_pacs.connect(local), resources.research_pacs.connect(local)
        review_db = stack.enter_context(resources.review_db.open(read_only=config.dry_run))
        identity_db = stack.enter_context(resources.identity_db.open(dry_run=config.dry_run))
        sweep_scratch(data_dir)
        store = FolderStudyStore(data_dir / "studies")
        if config.dry_run:
            store = FolderStudyStore(stack.enter_context(scratch_folder(data_dir)), fallback=store.root)
        profile = settings.profile
        audit = RunFolder(data_dir, run_id, settings_of(config, profile), profile.accepted_risks)
        executor = stack.enter_context(worker_processes(config.workers))
        yield (
            Surroundings(
                staging_pacs=staging_pacs,
                research_pacs=research_pacs,
                review_db=review_db,
                identity_db=identity_db,
                registration=registration,
                store=store,
                audit=audit,
                executor=executor,
                settings=settings,
                patience_seconds=resources.transfers.patience_seconds(),
                staging_turnstile=resources.staging_pacs.turnstile(),
                research_turnstile=resources.research_pacs.turnstile(),
            ),
            audit,
        )


def refuse_one_pacs_at_both_ends(resources: Resources) -> None:
    """Stop before identified and research images meet in one PACS.

    Raises:
        ConfigurationError: both PACSs have the same host and port.
    """
    staging, research = resources.staging_pacs.node(), resources.research_pacs.node()
    if resources.transfers.may_be_one_pacs():
        return
    if staging.port == research.port and _addresses(staging.host) & _addresses(research.host):
        raise ConfigurationError(
            "STAGING_PACS and RESEARCH_PACS are the same host and port: correct one of them, "
            "or, to practise with one PACS, set ONE_PACS_AT_BOTH_ENDS=yes."
        )


def _addresses(host: str) -> set[str]:
    """The addresses of a host, or its name where it has none that we can find."""
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return {host.lower()}


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
