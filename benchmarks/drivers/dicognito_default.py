"""dicognito as it comes, with a seed so that a second run gives the same."""

from pathlib import Path

import harness
import pydicom
from dicognito.anonymizer import Anonymizer


def prepare(job: harness.Job) -> harness.Deidentify:  # noqa: ARG001
    """One anonymizer for all files."""
    anonymizer = Anonymizer(seed="benchmark")

    def anonymize(source: Path, target: Path) -> None:
        ds = pydicom.dcmread(source, force=True)
        anonymizer.anonymize(ds)
        ds.save_as(target)

    return anonymize


harness.main(harness.each_file(prepare))
