"""Checks of whether people are told: the file of addresses, and whether their servers can be reached."""

from __future__ import annotations

import stat
from pathlib import Path

from dicom_assets.adapters.notifier import CONNECT_SECONDS, SETTING, reaches
from dicom_assets.adapters.outbox import Outbox
from dicom_assets.defs.diagnosis.verdict import Check, Verdict, doubtful, fine, wrong
from dicom_assets.defs.surroundings import Resources

NAME = "notifications"


def checks_of_notifications(resources: Resources) -> list[Check]:
    """All of them, in order; without a file of addresses that is all there is to say."""
    addresses = Check(NAME, lambda: _addresses(resources), "can't be used")
    if resources.notifications is None or not resources.notifications.urls_file.strip():
        return [addresses]
    seconds = 10 * CONNECT_SECONDS
    return [
        addresses,
        Check("notifications: servers", lambda: _servers(resources), "can't be reached", (NAME,), seconds),
    ]


def _addresses(resources: Resources) -> Verdict:
    settings = resources.notifications
    notifier = settings.notifier() if settings is not None else None
    if settings is None or notifier is None:
        return doubtful("not configured: nobody is told of runs that fail", f"{SETTING}: a file with addresses.")
    settings.link("/")
    path = Path(settings.urls_file)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o007:
        return wrong(f"everybody here can read the addresses (mode {mode:04o})", f"{SETTING}: chmod 600 {path}")
    return fine(f"{len(notifier.targets)} address(es); `dicom-assets notify test` sends a message")


def _servers(resources: Resources) -> Verdict:
    settings = resources.notifications
    notifier = settings.notifier() if settings is not None else None
    if notifier is None:
        return doubtful("not configured")
    endpoints = [(target, endpoint) for target in notifier.targets if (endpoint := target.endpoint()) is not None]
    away = [str(target) for target, endpoint in endpoints if not reaches(endpoint)]
    if away:
        return wrong(
            f"{len(away)} of {len(notifier.targets)} not reached",
            f"{SETTING}: nothing answers for {', '.join(away)}; see host, port and firewall.",
        )
    waiting = len(Outbox(Path(resources.data_dir.path)).waiting())
    if waiting:
        return doubtful(f"reached; {waiting} message(s) wait", "See `dicom-assets notify waiting`; is the daemon up?")
    unknown = len(notifier.targets) - len(endpoints)
    return fine("reached" if not unknown else f"reached, but for {unknown} that name no host of their own")
