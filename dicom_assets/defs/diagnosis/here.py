"""Checks of what lies on this machine: settings, secret, disk, clock, profile, hook."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dicom_assets.adapters.clock import time_of_database, time_of_web_server
from dicom_assets.adapters.identity_db.secret import read_key, read_secret
from dicom_assets.adapters.own_hook.process import LEAST_LOAD_SECONDS
from dicom_assets.adapters.pacs.canary import check_canary
from dicom_assets.adapters.registration import SHIPPED, EncounterQuery, require_seconds
from dicom_assets.defs.diagnosis.verdict import Check, Verdict, doubtful, fine, wrong
from dicom_assets.defs.resources import RESEARCH_PROTOCOLS, STAGING_PROTOCOLS
from dicom_assets.defs.surroundings import Resources
from dicom_assets.deidentification.derivation import check_root
from dicom_assets.deidentification.pixel_cleaning.detector import require_detector
from dicom_assets.errors import ConfigurationError, DicomAssetsError

MOST_DRIFT_SECONDS = 60
MADE = datetime(2026, 1, 1, tzinfo=UTC)
"""No machine that runs this has an earlier clock and is right."""

SETTINGS = "settings"
HOOK = "registration hook"
ENCOUNTER_QUERY = "encounter query"


def checks_here(resources: Resources, demo_settings: Sequence[str]) -> list[Check]:
    """All of them, in order; `demo_settings` are those that nobody has set."""
    return [
        Check(SETTINGS, lambda: _settings(resources, demo_settings), "can't be used"),
        Check("identity secret", lambda: _secret(Path(resources.identity_db.secret_file)), "can't be used"),
        *_checks_of_key(resources.identity_db.key_file.strip()),
        Check("DATA_DIR", lambda: _data_dir(Path(resources.data_dir.path)), "can't be used"),
        Check("free disk", lambda: _free_disk(resources), "can't be told", ("DATA_DIR",)),
        Check("clock", lambda: _clock(resources), "can't be told"),
        Check("profile", lambda: _profile(resources), "can't be used"),
        Check(HOOK, lambda: _hook(resources), "can't be used", seconds=_hook_seconds(resources)),
        Check(ENCOUNTER_QUERY, lambda: _encounter_query(resources), "can't be used"),
    ]


def _settings(resources: Resources, demo_settings: Sequence[str]) -> Verdict:
    problems = list(_problems(resources))
    if problems:
        return wrong(f"{len(problems)} can't be used", " ".join(problems))
    if demo_settings:
        return doubtful("some have the demo's values", f"Set {', '.join(demo_settings)}, unless this is the demo.")
    return fine("can all be used")


def _problems(resources: Resources) -> Iterator[str]:
    staging, research, transfers = resources.staging_pacs, resources.research_pacs, resources.transfers
    parsers: list[Callable[[], object]] = [
        resources.local.node,
        staging.node,
        staging.turnstile,
        lambda: staging.storage_scp(resources.local.node()),
        lambda: _one_of("STAGING_PACS_PROTOCOL", staging.protocol, STAGING_PROTOCOLS),
        lambda: _web_url("STAGING_PACS", staging.protocol, staging.dicomweb_url),
        lambda: staging.dicomweb_url.strip() and staging.dicomweb_node(),
        lambda: check_canary(staging.canary_uid, staging.move_without_canary) if _moves(resources) else None,
        research.node,
        research.turnstile,
        lambda: _one_of("RESEARCH_PACS_PROTOCOL", research.protocol, RESEARCH_PROTOCOLS),
        lambda: _web_url("RESEARCH_PACS", research.protocol, research.dicomweb_url),
        lambda: research.dicomweb_url.strip() and research.dicomweb_node(),
        research.rest_node,
        lambda: _one_of("RESEARCH_PACS_STORAGE_COMMITMENT", research.storage_commitment, ("auto", "required", "no")),
        lambda: _one_of("RESEARCH_PACS_TRANSCODE", research.transcode, ("no", "lossless")),
        transfers.patience_seconds,
        transfers.may_be_one_pacs,
        lambda: _not_negative("MIN_FREE_DISK_MEGABYTES", transfers.min_free_disk_megabytes),
        lambda: check_root(resources.deidentification.uid_root),
    ]
    seen: set[str] = set()
    for parse in parsers:
        try:
            parse()
        except ConfigurationError as error:
            if str(error) not in seen:
                seen.add(str(error))
                yield str(error)


def _moves(resources: Resources) -> bool:
    staging = resources.staging_pacs
    return staging.protocol == "c-move" or bool(staging.canary_uid or staging.move_without_canary)


def _one_of(setting: str, value: str, values: Sequence[str]) -> None:
    if value not in values:
        raise ConfigurationError(f"{setting} must be one of {', '.join(values)}.")


def _web_url(setting: str, protocol: str, url: str) -> None:
    if protocol == "dicomweb" and not url.strip():
        raise ConfigurationError(f"{setting}_DICOMWEB_URL must be set where {setting}_PROTOCOL is dicomweb.")


def _not_negative(setting: str, number: int) -> None:
    if number < 0:
        raise ConfigurationError(f"{setting} must be 0 or more.")


def _secret(path: Path) -> Verdict:
    read_secret(path)
    return _for_its_owner(path, "IDENTITY_SECRET_FILE")


def _checks_of_key(file: str) -> list[Check]:
    return [Check("identity key", lambda: _key(Path(file)), "can't be used")] if file else []


def _key(path: Path) -> Verdict:
    read_key(path)
    return _for_its_owner(path, "IDENTITY_KEY_FILE")


def _for_its_owner(path: Path, setting: str) -> Verdict:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o007:
        return wrong(f"everybody here can read it (mode {mode:04o})", f"{setting}: chmod 600 {path}")
    if mode & 0o070:
        return doubtful(f"its group can read it (mode {mode:04o})", f"{setting}: chmod 600 {path}")
    return fine(f"there, for its owner alone (mode {mode:04o})")


def _data_dir(folder: Path) -> Verdict:
    if not folder.exists():
        parent = next(parent for parent in folder.absolute().parents if parent.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return fine("not there yet; the first run makes it")
        return wrong("not there, and can't be made", f"DATA_DIR: make {folder} writable for this user.")
    remedy = f"DATA_DIR: have {folder} be a folder that this user may write, on a file system with fsync and rename."
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as scratch:
            draft = Path(scratch) / "draft"
            with draft.open("wb") as file:
                file.write(b"dicom_assets")
                file.flush()
                os.fsync(file.fileno())
            draft.rename(Path(scratch) / "whole")
            descriptor = os.open(scratch, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except OSError as error:
        return wrong(f"can't be written ({type(error).__name__})", remedy)
    return fine("writable; flush and rename work")


def _free_disk(resources: Resources) -> Verdict:
    folder = Path(resources.data_dir.path).absolute()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free // 2**20
    least = resources.transfers.min_free_disk_megabytes
    if free < least:
        return wrong(
            f"{free} MB free, less than {least}",
            "Make room on the disk of DATA_DIR (`dicom-assets purge` removes images of published studies), "
            "or lower MIN_FREE_DISK_MEGABYTES.",
        )
    return fine(f"{free} MB free, at least {least} are wanted")


def _clock(resources: Resources) -> Verdict:
    if datetime.now(UTC) < MADE:
        return wrong(f"says that it is {datetime.now(UTC):%Y-%m-%d}", "Set this machine's clock; have it kept by NTP.")
    for place, ask in _clocks(resources):
        there = ask()
        if there is None:
            continue
        drift = abs((datetime.now(UTC) - there).total_seconds())
        if drift > MOST_DRIFT_SECONDS:
            return wrong(
                f"{drift:.0f} seconds away from that of {place}",
                "Have both clocks kept by NTP: the order of reviews and runs hangs on them.",
            )
        return fine(f"agrees with that of {place}")
    return doubtful("nothing to compare it with: neither a DICOMweb server nor a database server tells the time")


def _clocks(resources: Resources) -> Iterator[tuple[str, Callable[[], datetime | None]]]:
    for setting, pacs in (("STAGING_PACS", resources.staging_pacs), ("RESEARCH_PACS", resources.research_pacs)):
        if pacs.dicomweb_url.strip():
            try:
                node = pacs.dicomweb_node()
            except DicomAssetsError:
                continue  # another check tells
            yield f"{setting}_DICOMWEB_URL", partial(time_of_web_server, node)
    urls = {
        "REVIEW_DB_URL": resources.review_db.url,
        "IDENTITY_DB_URL": resources.identity_db.url,
        "RESEARCH_DB_URL": resources.registration.research_db_url,
    }
    for name, url in urls.items():
        yield name, partial(time_of_database, url, name)


def _profile(resources: Resources) -> Verdict:
    profile = resources.deidentification.load_profile()
    require_detector(profile.pixels)
    said = f"{profile.name} {profile.version} ({profile.fingerprint[:12]})"
    if profile.accepted_risks:
        return fine(f"{said}, with {len(profile.accepted_risks)} accepted risk(s)")
    return fine(said)


def _hook(resources: Resources) -> Verdict:
    require_seconds(resources.registration.timeout_seconds)
    spec = resources.registration.hook.strip() or "none"
    if spec not in SHIPPED:
        with resources.registration.open(read_only=True) as hook:
            return fine(f"{spec} can be loaded, and calls itself {hook.name}")
    return fine(spec)


def _hook_seconds(resources: Resources) -> float:
    """How long loading a hook may take, and some more to say so."""
    return max(LEAST_LOAD_SECONDS, resources.registration.timeout_seconds) + 5.0


def _encounter_query(resources: Resources) -> Verdict:
    """What is in the file; whether the research database takes it is checked there."""
    file = resources.registration.encounter_query_file.strip()
    if file and resources.registration.hook.strip() != "research_database":
        return doubtful(
            "not used: REGISTRATION_HOOK is not research_database", "Clear REGISTRATION_ENCOUNTER_QUERY_FILE."
        )
    query = EncounterQuery.of(file)
    return fine(f"one SELECT ({query.mark})" if query.mark else "the shipped one")
