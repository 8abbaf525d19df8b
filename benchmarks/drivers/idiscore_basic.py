"""idiscore under the Basic Profile alone."""

from pathlib import Path

import harness
import pydicom
from idiscore.core import Profile
from idiscore.defaults import create_core, get_dicom_rule_sets


def prepare(job: harness.Job) -> harness.Deidentify:  # noqa: ARG001
    """One core for all files."""
    core = create_core(Profile([get_dicom_rule_sets().basic_profile]), [])

    def deidentify(source: Path, target: Path) -> None:
        core.deidentify(pydicom.dcmread(source, force=True)).save_as(target)

    return deidentify


harness.main(harness.each_file(prepare))
