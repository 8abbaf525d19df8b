"""dentdeid's attribute engine under its profile `basic`, without its look at the pixels, which others don't take."""

from pathlib import Path

import harness
import pydicom
from dentdeid.config import get_profile
from dentdeid.dicom.meta import deidentify_dataset
from dentdeid.keys import Pseudonymizer


def prepare(job: harness.Job) -> harness.Deidentify:  # noqa: ARG001
    """One key for all files."""
    profile, pseudonymizer = get_profile("basic").meta, Pseudonymizer(b"a key of thirty-two bytes or so!")

    def deidentify(source: Path, target: Path) -> None:
        ds = pydicom.dcmread(source, force=True)
        deidentify_dataset(ds, profile, pseudonymizer)
        syntax = ds.file_meta.TransferSyntaxUID
        pydicom.dcmwrite(
            target,
            ds,
            enforce_file_format=True,
            implicit_vr=syntax.is_implicit_VR,
            little_endian=syntax.is_little_endian,
        )

    return deidentify


harness.main(harness.each_file(prepare))
