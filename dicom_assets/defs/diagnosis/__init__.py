"""What is in order and what is not, checked in the order in which one would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dicom_assets.adapters.pacs.association import silence_dicom_libraries
from dicom_assets.defs.diagnosis.databases import checks_of_databases
from dicom_assets.defs.diagnosis.here import checks_here
from dicom_assets.defs.diagnosis.notifications import checks_of_notifications
from dicom_assets.defs.diagnosis.pacs import checks_of_pacs
from dicom_assets.defs.diagnosis.verdict import Finding, State, make
from dicom_assets.defs.diagnosis.withdrawal import checks_of_withdrawal
from dicom_assets.defs.surroundings import Resources

__all__ = ["Finding", "State", "diagnose"]


def diagnose(resources: Resources, demo_settings: Sequence[str], *, write_test: bool) -> Iterator[Finding]:
    """Check everything that is configured; `demo_settings` are settings that nobody has set.

    Changes nothing but, with `write_test`, stores a test object in the research PACS; the canary is moved here
    and dropped.
    """
    silence_dicom_libraries()
    checks = [
        *checks_here(resources, demo_settings),
        *checks_of_databases(resources),
        *checks_of_pacs(resources, write_test=write_test),
        *checks_of_withdrawal(resources),
        *checks_of_notifications(resources),
    ]
    return make(checks)
