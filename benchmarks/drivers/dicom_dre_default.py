"""dicom-dre under its default profile, which shifts dates."""

from pathlib import Path

import harness
from dicom_dre import DeidParameters, Outcome, default_profile, deidentify_file


class NotWrittenError(Exception):
    """Filtered or quarantined."""


def prepare(job: harness.Job) -> harness.Deidentify:  # noqa: ARG001
    """One profile for all files."""
    profile, parameters = default_profile(), DeidParameters(patient_id="BENCHMARK", jitter=-100)

    def deidentify(source: Path, target: Path) -> None:
        done = deidentify_file(source, target, profile=profile, parameters=parameters, rename_to_sop_uid=False)
        if done.outcome is not Outcome.DEIDENTIFIED:
            raise NotWrittenError

    return deidentify


harness.main(harness.each_file(prepare))
