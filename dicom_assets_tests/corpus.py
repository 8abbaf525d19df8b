"""Real DICOM files from outside the repository; tests that need them are skipped where they are absent."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from dicom_assets_tests.deployment import REPOSITORY

CORPUS = REPOSITORY.parent / "shared" / "corpus"


@dataclass(frozen=True)
class CorpusFile:
    """One line of the corpus's manifest."""

    path: Path
    study_uid: str
    series_uid: str
    sop_uid: str
    modality: str
    transfer_syntax: str
    patient_name: str


def corpus_files() -> list[CorpusFile]:
    """All files of the corpus; empty where it is absent."""
    manifest = CORPUS / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="") as file:
        return [
            CorpusFile(
                CORPUS / row["path"],
                row["study_uid"],
                row["series_uid"],
                row["sop_uid"],
                row["modality"],
                row["transfer_syntax"],
                row["patient_name"],
            )
            for row in csv.DictReader(file)
        ]
