"""Real files: what the engine makes of them names nobody and keeps UIDs consistent."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from dicom_assets.deidentification import Deidentified, UidReplacer, deidentify_instance, shipped_profile
from dicom_assets.study import Subject
from dicom_assets.verification import Check, Outcome, Settings, Verdict, verify
from dicom_assets_tests.corpus import CORPUS, corpus_files
from dicom_assets_tests.deidentification.builders import SECRET
from dicom_assets_tests.deidentification.test_files import MODALITIES

pytestmark = pytest.mark.skipif(not corpus_files(), reason="the corpus is not beside the repository")


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    root = tmp_path_factory.mktemp("corpus")
    return verify(Settings(CORPUS, root / "dest", deidentify_corpus(root), with_iod=False))


def deidentify_corpus(root: Path) -> Path:
    """The engine over the corpus, one folder a file; answers the report."""
    uids, profile, report = UidReplacer(SECRET), shipped_profile("basic"), root / "report.jsonl"
    with report.open("w") as lines:
        for number, file in enumerate(corpus_files()):
            written = io.BytesIO()
            outcome = deidentify_instance(
                io.BytesIO(file.path.read_bytes()),
                written,
                profile=profile,
                subject=Subject(f"PX{number}Q", -100),
                uids=uids,
                allowed_modalities=MODALITIES,
            )
            line = {"source": str(file.path), "outcome": "quarantined", "output": None}
            if isinstance(outcome, Deidentified):
                output = root / "dest" / f"{number:03}" / f"{outcome.sop_instance_uid}.dcm"
                output.parent.mkdir(parents=True)
                output.write_bytes(written.getvalue())
                line |= {"outcome": "written", "output": str(output)}
            lines.write(json.dumps(line) + "\n")
        for path in (path for path in CORPUS.iterdir() if path.is_file()):
            lines.write(json.dumps({"source": str(path), "outcome": "quarantined"}) + "\n")
    return report


@pytest.mark.parametrize("check", [Check.PAIRING, Check.LEAKS, Check.UIDS, Check.OBJECTS, Check.METHOD])
def test_nothing_is_found_in_the_corpus(verdict: Verdict, check: Check) -> None:
    result = verdict.result(check)

    assert result.findings == []
    assert result.outcome is Outcome.PASSED
    assert result.examined > 100
