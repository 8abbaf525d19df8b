"""What every engine on top of pydicom pays: reading and writing a data set, nothing changed."""

from pathlib import Path

import harness
import pydicom


def prepare(job: harness.Job) -> harness.Deidentify:  # noqa: ARG001
    """Read with pydicom and save."""

    def resave(source: Path, target: Path) -> None:
        pydicom.dcmread(source, force=True).save_as(target)

    return resave


harness.main(harness.each_file(prepare))
