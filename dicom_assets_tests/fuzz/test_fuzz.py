"""Fuzzing for a bounded time, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dicom_assets_tests.fuzz.seeds import seeds

SECONDS = 20


@pytest.mark.long
def test_no_bytes_make_the_engine_stumble_or_leak(tmp_path: Path) -> None:
    fuzz("engine_target", tmp_path)
    assert len(list((tmp_path / "seeds").iterdir())) >= len(seeds())


@pytest.mark.long
def test_no_peer_makes_the_data_plane_stumble_or_keep_half_an_instance(tmp_path: Path) -> None:
    fuzz("plane_target", tmp_path)


def fuzz(target: str, tmp_path: Path) -> None:
    """Run a target for a while, from its seeds."""
    pytest.importorskip("atheris", reason="atheris has no build for this platform")
    run = subprocess.run(
        [
            *(sys.executable, "-m", f"dicom_assets_tests.fuzz.{target}", str(tmp_path / "seeds")),
            *(f"-max_total_time={SECONDS}", "-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={tmp_path}/"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "Done" in run.stderr
