"""The benchmark's harness, on a corpus of a few files, with our own engine and the floor: counts, never times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import odd_files, references, rows
from benchmarks.ct_study import sop_uid
from benchmarks.deidentification import main
from benchmarks.engine_profile import profile_table
from benchmarks.engines import ENGINES, OURS, EngineSpec
from benchmarks.environments import NotInstallableError, environment_for
from benchmarks.report import MEASURED, conditions, markdown, write_readme
from benchmarks.runs import Bench, Corpus, Measured, measure, write_corpus

SLICES, ROWS = 6, 40
FLOOR = next(engine for engine in ENGINES if engine.driver == "floor_bytes.py")
STAGE = next(engine for engine in ENGINES if engine.variant == "stage")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A small one."""
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus", slices=SLICES, size=8, row_limit=ROWS)


@pytest.fixture(scope="module")
def measured(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measured]:
    """What came of ours, and of a floor that is judged as if it were an engine."""
    home, said = tmp_path_factory.mktemp("runs"), []
    engines = [OURS, replace(FLOOR, name="copy", floor=False)]
    ready = [(engine, environment_for(engine, home, []), Measured(engine.name)) for engine in engines]
    measure(ready, Bench(home, corpus), 2, said.append)
    assert [one.problem for _, _, one in ready] == ["", ""]
    assert len(said) == 6
    return {engine.name: one for engine, _, one in ready}


def test_our_engine_leaks_nothing_and_keeps_every_reference(measured: dict[str, Measured]) -> None:
    ours = measured[OURS.name]
    assert (ours.rows_leaking, ours.odd_leaking) == (0, 0)
    assert (ours.rows, ours.rows_satisfied, ours.unsatisfied) == (ROWS, ROWS, [])
    assert ours.places_below == ours.places_below_satisfied > ROWS
    assert (ours.references_valid, ours.references_removed, ours.references_dangling) == (2 * SLICES, 0, 0)
    assert (ours.study_files, ours.study_written, ours.mapped_two_ways) == (SLICES, SLICES, 0)
    assert ours.same_uids_again is True
    assert len(ours.cpu_seconds) == 2
    assert min(ours.cpu_seconds) > 0


def test_the_whole_stage_writes_every_slice_under_the_name_it_came_with(corpus: Corpus, tmp_path: Path) -> None:
    staged = Measured(STAGE.name)
    Bench(tmp_path, corpus).time_study(STAGE, environment_for(STAGE, tmp_path, []), staged)
    assert (staged.study_written, staged.references_valid, staged.mapped_two_ways) == (SLICES, 2 * SLICES, 0)


def test_copied_files_are_seen_to_leak_everything(measured: dict[str, Measured], corpus: Corpus) -> None:
    copied = measured["copy"]
    assert (copied.rows_leaking, copied.rows_satisfied, copied.places_below_satisfied) == (ROWS, 0, 0)
    assert copied.odd_leaking == copied.odd_files == len(odd_files.odd_files())
    assert copied.references_valid == 2 * SLICES
    assert len(copied.leaking) == ROWS + len(odd_files.odd_files())
    assert copied.rows == len(corpus.cases)


def test_every_row_of_the_table_has_markers_of_its_own() -> None:
    every = rows.cases()
    markers = [marker for case in every for marker in set(case.markers) if not case.path_only and case.vr != "AS"]
    assert len(every) > 600
    assert len(markers) == len(set(markers))


def test_a_reference_to_nothing_dangles_and_a_missing_file_removes_its_own(corpus: Corpus, tmp_path: Path) -> None:
    files = sorted(corpus.study.iterdir())
    for file in files[1:]:
        content = file.read_bytes()
        swapped = sop_uid(2).encode() if file == files[3] else sop_uid(3).encode()
        (tmp_path / file.name).write_bytes(content.replace(sop_uid(2).encode(), swapped))
    study = references.follow(corpus.study, tmp_path)
    assert study.written == SLICES - 1
    assert study.removed == 2
    assert study.dangling > 0
    assert study.mapped_two_ways > 0
    assert study.references == 2 * SLICES


def test_a_rival_that_does_not_install_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NotInstallableError, match="no Python to install on"):
        environment_for(EngineSpec("rival", "rival.py", requirement="rival"), tmp_path, [])
    table = markdown([Measured("rival", problem="not installable")], conditions(1, 1, "2026d"))
    assert "- rival: not installable" in table


def test_a_driver_that_fails_is_reported(corpus: Corpus, tmp_path: Path) -> None:
    broken = Measured("broken")
    engine = replace(FLOOR, driver="no_such_driver.py")
    measure([(engine, environment_for(FLOOR, tmp_path, []), broken)], Bench(tmp_path, corpus), 1, str)
    assert broken.problem.startswith("DriverError")


def test_table_goes_between_the_comments_of_the_readme(tmp_path: Path, measured: dict[str, Measured]) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    write_readme(readme, MEASURED, markdown(list(measured.values()), conditions(2, SLICES, "2026d")))
    text = readme.read_text()
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert f"0 of {ROWS} | {ROWS} of {ROWS}" in text


def test_profile_names_the_modules_of_our_engine(corpus: Corpus) -> None:
    assert "`deidentification/" in profile_table(corpus.study)


def test_help_shows_examples_and_list_names_the_engines() -> None:
    runner = CliRunner()
    assert "--only dcmanon --repeat 1" in runner.invoke(main, ["--help"]).output
    assert runner.invoke(main, ["--list", "--only", "dcmanon"]).output.count("dcmanon") == 2
    assert runner.invoke(main, ["--only", "nobody"]).exit_code == 2
