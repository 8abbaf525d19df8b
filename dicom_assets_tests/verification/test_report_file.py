"""Reports of a de-identification as they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_assets.verification import UnreadableReportError
from dicom_assets.verification.report_file import ReportLine, read_report

SOURCE, DEST = Path("/from"), Path("/to")


def test_json_lines_and_csv_say_the_same(tmp_path: Path) -> None:
    lines = tmp_path / "report.jsonl"
    lines.write_text(
        '{"profile": "basic", "fingerprint": "x", "dry_run": false}\n'
        '{"source": "./a/1.dcm", "outcome": "written", "output": "a/2.dcm", "reason": null, "detail": null}\n\n'
        '{"source": "/from/b.dcm", "outcome": "quarantined", "output": null, "reason": "malformed", "detail": "x"}\n'
    )
    table = tmp_path / "report.csv"
    table.write_text("source,outcome,output,reason,detail\na/1.dcm,written,a/2.dcm,,\nb.dcm,quarantined,,malformed,x\n")

    expected = [
        ReportLine(Path("/from/a/1.dcm"), "written", Path("/to/a/2.dcm")),
        ReportLine(Path("/from/b.dcm"), "quarantined", None),
    ]
    assert read_report(lines, SOURCE, DEST) == expected
    assert read_report(table, SOURCE, DEST) == expected


def test_report_of_a_dry_run_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_text('{"profile": "basic", "dry_run": true}\n{"source": "a", "outcome": "written", "output": "b"}')

    with pytest.raises(UnreadableReportError, match="dry run"):
        read_report(file, SOURCE, DEST)


@pytest.mark.parametrize(
    "text",
    [
        '{"source": "a", "outcome": "written", "output": "b"}\nnot JSON',
        '{"source": "a", "outcome": "lost"}',
        '{"outcome": "quarantined"}',
        '{"source": "a", "outcome": "written"}',
        '{"source": "a", "outcome": "quarantined"}\n[1]',
        "some,other,table\n1,2,3\n",
    ],
)
def test_report_of_another_form_is_refused_naming_the_line_only(tmp_path: Path, text: str) -> None:
    file = tmp_path / "report"
    file.write_text(text)

    with pytest.raises(UnreadableReportError, match=r"^line \d of the report"):
        read_report(file, SOURCE, DEST)
