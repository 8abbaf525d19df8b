"""Nothing but reading and writing the bytes."""

from pathlib import Path

import harness


def prepare(job: harness.Job) -> harness.Deidentify:  # noqa: ARG001
    """Copy a file through memory."""

    def copy(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())

    return copy


harness.main(harness.each_file(prepare))
