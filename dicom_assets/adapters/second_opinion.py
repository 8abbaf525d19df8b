"""The independent verification, asked about some instances of a study where they lie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dicom_assets.adapters.durable_file import storage_errors
from dicom_assets.adapters.scratch import scratch_folder
from dicom_assets.errors import StorageError
from dicom_assets.verification import Settings, UnreadableFolderError, Verdict, verify


class ScratchSecondOpinion:
    """Gathers the instances in a scratch folder, as links, and has them compared there."""

    def __init__(self, data_dir: Path) -> None:
        """`data_dir` is where the scratch folder is."""
        self._data_dir = data_dir

    def __call__(self, pairs: Mapping[str, tuple[Path, Path]]) -> Verdict:
        """Compare files, each under its name: the pulled one and what was made of it.

        Raises:
            StorageError: one can't be read.
        """
        with scratch_folder(self._data_dir) as folder:
            with storage_errors("gather instances for the second opinion"):
                for place, side in enumerate(("source", "dest")):
                    (folder / side).mkdir()
                    for name, paths in pairs.items():
                        (folder / side / name).symlink_to(paths[place].resolve())
                lines = [json.dumps({"source": name, "outcome": "written", "output": name}) for name in pairs]
                (folder / "report.jsonl").write_text("\n".join(lines) + "\n")
            try:
                return verify(Settings(folder / "source", folder / "dest", folder / "report.jsonl"))
            except UnreadableFolderError:
                raise StorageError("An instance can't be read: check the disk of DATA_DIR.") from None
