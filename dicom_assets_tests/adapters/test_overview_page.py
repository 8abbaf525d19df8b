"""`overview.html`: true, escaped, self-contained; and the same in Markdown."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dicom_assets.adapters.overview import Overview
from dicom_assets.adapters.overview_page import duration_text, overview_page
from dicom_assets.adapters.overview_summary import overview_summary
from dicom_assets.study import STAGES, Fact, Stage, StudyKey
from dicom_assets_tests.test_web_interface import CHROMIUM_OPTIONS

START = datetime(2026, 3, 1, 20, tzinfo=UTC)
GOOD, BAD, UNDER_WAY, WAITING = (StudyKey(f"S00000000000{number}") for number in range(4))
VOID = {"meta", "br", "img"}
MARKUP = '<script>alert(1)</script> & "quoted" | [a](b)'


class Parsed(HTMLParser):
    """What a browser would make of the page: whether tags match, what is fetched, the texts of table rows."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [
            f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "xlink:href", "srcset", "action")
        ]
        assert not [name for name, _ in attrs if name.startswith("on")], "no inline handlers"
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.rows[-1][-1] += data

    def row(self, first: str) -> list[str]:
        """The last row that begins with a text: that of the largest table."""
        return [row for row in self.rows if row and row[0] == first][-1]


def a_run(*, finished: bool = False) -> Overview:
    """A study that was published, one that failed, one under way, one that waits."""
    overview = Overview(run_id="0f0e0d0c-0b0a", started_at=START, settings={"limit": 4, "dry_run": "no"})
    clock = START

    def note(name: str, key: StudyKey | None = None, **facts: Fact) -> None:
        nonlocal clock
        clock += timedelta(seconds=10)
        overview.note(clock, name, key, facts)

    note("risk_accepted", what="in the profile", reason=MARKUP)
    for key in (GOOD, BAD, UNDER_WAY, WAITING):
        note("study_selected", key, protocol_series="no")
    note("study_left_out", StudyKey("S000000000009"), reason="reviews 1, 2: has PHI")
    note("studies_selected", left_out_by_reason={"unreviewed": 31}, waiting=7)
    for stage in STAGES:
        more: dict[str, Fact] = {"quarantined_by_reason": {"screen-save": 2}} if stage is Stage.DEIDENTIFIED else {}
        note("stage_finished", GOOD, stage=stage, instances=120, seconds=2.5, **more)
    note("stage_skipped", BAD, stage="pulled", instances=7, seconds=9.0)
    note("study_failed", BAD, stage="deidentified", reason=MARKUP)
    note("stage_started", UNDER_WAY, stage="pulled")
    note("stage_progress", UNDER_WAY, stage="pulled", done=40, total=190)
    if finished:
        note("run_finished")
    return overview


@pytest.fixture(scope="module")
def page() -> str:
    return overview_page(a_run())


def test_page_tells_of_each_study_what_became_of_it(page: str) -> None:
    parsed = Parsed(page)

    assert parsed.row(GOOD) == [GOOD, "published", "120", "120", "120", "120", "10.0", "2", "2 screen-save"]
    assert parsed.row(BAD)[:4] == [BAD, "failed", "7 stood", ""]
    assert parsed.row(UNDER_WAY)[:3] == [UNDER_WAY, "under way", "40 of 190"]
    assert parsed.row(WAITING)[:3] == [WAITING, "waiting", ""]
    assert parsed.row("published") == ["published", "1", "120", "2.5 s", "2.5 s", "2.5 s"]
    assert ["31", "unreviewed"] in parsed.rows
    assert ["S000000000009", "reviews 1, 2: has PHI"] in parsed.rows


def test_page_of_a_run_that_goes_on_or_was_killed_says_of_when_it_is(page: str) -> None:
    assert ">not finished<" in page
    assert "this is how it was at 2026-03-01 20:02:30 UTC" in " ".join(page.split())
    assert ">finished, with failures<" in overview_page(a_run(finished=True))


def test_texts_are_escaped(page: str) -> None:
    assert "<script>alert" not in page
    assert Parsed(page).row(BAD)[0] == BAD
    assert [BAD, f"at deidentified: {MARKUP}"] in Parsed(page).rows


def test_page_needs_no_network(page: str) -> None:
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>]+", page))

    assert Parsed(page).fetched == []
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in page
    assert "url(" not in page
    assert not Parsed(page).tags & {"link", "img", "iframe", "object"}
    assert "default-src 'none'" in page


def test_plots_are_inline_and_leave_colours_to_the_page(page: str) -> None:
    assert page.count("<svg ") == 3
    assert "prefers-color-scheme: dark" in page
    for chart in re.findall(r"<svg .*?</svg>", page, re.DOTALL):
        assert "<style" not in chart
        assert "<script" not in chart
        assert "#" not in chart


def test_run_without_studies_has_a_page_without_plots() -> None:
    overview = Overview(run_id="0f0e0d0c-0b0a", started_at=START, settings={"dry_run": "yes"})
    overview.note(START, "run_finished", None, {})

    page = overview_page(overview)

    assert "Nothing was left to do." in page
    assert "Dry run." in page
    assert "<svg " not in page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (12.3, "12 s"), (61.4, "1 min 1 s"), (3599.6, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_summary_is_markdown_that_shows_texts_as_they_are() -> None:
    summary = overview_summary(a_run())

    assert "| published | 1 | 120 | 2.5 | 2.5 |" in summary
    assert "| screen-save | 2 |" in summary
    [problem] = [line for line in summary.splitlines() if line.startswith(f"| {BAD}")]
    assert "\\<script\\>" in problem
    assert re.sub(r"\\.", "", problem).count("|") == 3


def test_page_of_a_thousand_studies_is_made_in_no_time_and_stays_small() -> None:
    overview = Overview(run_id="0f0e0d0c-0b0a", started_at=START, settings={})
    for number in range(1000):
        for stage in STAGES:
            at = START + timedelta(seconds=number)
            facts: dict[str, Fact] = {"stage": stage, "instances": 1, "seconds": 1.0}
            overview.note(at, "stage_finished", StudyKey(f"S{number:012d}"), facts)

    assert len(overview_page(overview)) < 1_000_000


LATER = ("pygal", "dicom_assets.adapters.overview_page")
"""What makes the page: it must not hold up the start of a run."""


def test_starting_a_run_loads_neither_templates_nor_plots() -> None:
    code = f"import sys, dicom_assets.definitions; print([name for name in {LATER} if name in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def in_chromium(page: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page."""
    if shutil.which("chromium") is None:
        pytest.skip("Chromium is not installed")
    (folder / "overview.html").write_text(page)
    command = ["chromium", *CHROMIUM_OPTIONS, "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}"]
    command += [*options, (folder / "overview.html").as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("width", [390, 1280])
def test_browser_shows_the_page_without_complaint_on_any_width(page: str, tmp_path: Path, width: int) -> None:
    shot = tmp_path / "shot.png"

    said = in_chromium(page, tmp_path, f"--window-size={width},2000", f"--screenshot={shot}").stderr

    assert shot.stat().st_size > 10_000
    assert "CONSOLE" not in said, said


def test_browser_allows_the_pages_own_script_alone(page: str, tmp_path: Path) -> None:
    said = in_chromium(page.replace("</body>", "<script>document.title = 'x'</script></body>"), tmp_path, "--dump-dom")

    assert "Content Security Policy" in said.stderr
    assert "<title>x</title>" not in said.stdout


def test_table_is_sorted_by_the_column_whose_head_is_clicked(page: str, tmp_path: Path) -> None:
    click = "<script>for (const n of [2, 2]) document.querySelectorAll('table.sortable th button')[n].click()</script>"
    open_page = re.sub(r"<meta http-equiv=[^>]*>", "", page).replace("</body>", f"{click}</body>")

    rows = Parsed(in_chromium(open_page, tmp_path, "--dump-dom").stdout).rows

    assert [row[0] for row in rows if len(row) == 9] == [GOOD, UNDER_WAY, BAD, WAITING]
