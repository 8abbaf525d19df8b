"""Real files through the folder command: all accounted for, nobody named, UIDs and dates consistent, no new error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dicom_assets.cli import main
from dicom_assets.verification import Check, Outcome, Settings, Verdict, verify
from dicom_assets_tests.corpus import CORPUS, corpus_files
from dicom_assets_tests.deidentification.test_files import MODALITIES

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not corpus_files(), reason="the corpus is not beside the repository"),
]


SECRET = "the same at each run, so that pseudonyms are, too: " + "0123456789abcdef" * 2
"""Of random pseudonyms one in hundreds of runs holds four letters that are a name of the corpus."""


@pytest.fixture(scope="module", params=["basic", "research", "seed"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command made of the corpus: `out` and `report.jsonl`."""
    root = tmp_path_factory.mktemp(request.param)
    (root / "secret").write_text(SECRET)
    arguments = [
        *("deidentify", str(CORPUS), str(root / "out"), "--profile", request.param),
        *("--modalities", ",".join(sorted(MODALITIES)), "--report", str(root / "report.jsonl")),
        *("--identity-db", f"sqlite:///{root / 'identity.db'}", "--secret-file", str(root / "secret")),
    ]
    CliRunner().invoke(main, arguments, catch_exceptions=False)
    return root


@pytest.fixture(scope="module")
def verdict(folder: Path) -> Verdict:
    """A second opinion."""
    return verify(Settings(CORPUS, folder / "out", folder / "report.jsonl", with_iod=True))


@pytest.mark.parametrize("check", [one for one in Check if one is not Check.INTERVALS])
def test_nothing_is_found_in_the_corpus(verdict: Verdict, check: Check) -> None:
    result = verdict.result(check)

    assert result.findings == []
    assert result.outcome is Outcome.PASSED
    assert result.examined > 100


def test_dates_move_together_or_not_at_all(verdict: Verdict, folder: Path) -> None:
    result = verdict.result(Check.INTERVALS)

    assert result.findings == []
    assert result.outcome is (Outcome.PASSED if "research" in folder.name else Outcome.SKIPPED)


def test_every_file_is_accounted_for(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()][1:]

    assert sorted(line["source"] for line in lines) == sorted(
        path.relative_to(CORPUS).as_posix() for path in CORPUS.rglob("*") if path.is_file()
    )
    assert {line["outcome"] for line in lines} == {"written", "quarantined", "failed"}
    assert all(line["reason"] and line["detail"] for line in lines if line["outcome"] != "written")
    # The corpus has one study of two patients; nothing else fails.
    assert {line["detail"] for line in lines if line["outcome"] == "failed"} == {
        "The study holds 2 different Patient IDs: sort its files out, then run again."
    }
