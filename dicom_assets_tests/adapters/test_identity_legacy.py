"""Legacy identity.db files are imported wholly or not at all, and written for programs that read them."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicom_assets.adapters.identity_db.ledger import Ledger
from dicom_assets.adapters.identity_db.legacy import ImportReport, TableReport, export_legacy, import_legacy
from dicom_assets.adapters.identity_db.legacy.layout import keyword_of, layout_of, table_of
from dicom_assets.adapters.identity_db.lookup import look_up
from dicom_assets.errors import ConfigurationError
from dicom_assets.study import PatientIdentity
from dicom_assets_tests.adapters.builders import names_nothing_identified
from dicom_assets_tests.adapters.identity_builders import SOMEBODY, execute, ledger_of, opened
from dicom_assets_tests.deidentification.builders import an_image
from dicom_assets_tests.legacy_identity import GENERATIONS, REMOVED, Generation, OldProgram

STUDY, SERIES = "1.2.840.99999.1", "1.2.840.99999.1.1"
PAIRS = {
    "AccessionNumber": "SENTINEL-A1",
    "InstitutionName": "SENTINEL Hospital",
    "PatientName": "SENTINEL^Anna",
    "PatientID": "SENTINEL-1",
}


def an_old_instance(number: int = 1, study: str = STUDY, **attributes: object) -> Dataset:
    uids = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", "SOPInstanceUID": f"{study}.1.{number}"}
    birth = {"PatientBirthDate": "19700101", "StudyDate": "20140302"}
    return an_image(**{**PAIRS, **uids, **birth, **attributes})


def an_old_file(folder: Path, generation: Generation = "newest") -> tuple[Path, list[dict[str, str]]]:
    """A file of two instances of one study, and what the old program gave them."""
    program = OldProgram(folder / "legacy.db", generation)
    given = [program.anonymize(an_old_instance(number)) for number in (1, 2)]
    return program.close(), given


def imported(url: str, path: Path) -> ImportReport:
    with ledger_of(url) as ledger:
        return import_legacy(ledger, path)


def by_attribute(report: ImportReport) -> dict[str, TableReport]:
    return {table.attribute: table for table in report.tables}


def found(ledger: Ledger, value: str) -> set[tuple[str, str, str]]:
    return {(one.attribute, one.original, one.replacement) for one in look_up(ledger, value, SOMEBODY)}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_is_imported_and_findable_from_both_sides(
    database_url: str, tmp_path: Path, generation: Generation
) -> None:
    path, given = an_old_file(tmp_path, generation)
    report = imported(database_url, path)
    assert report.is_clean
    originals = {key: str(an_old_instance()[key].value) for key in given[0]}
    with ledger_of(database_url) as ledger:
        for keyword, original in originals.items():
            replacement = "" if given[0][keyword] == REMOVED else given[0][keyword]
            assert (keyword, original, replacement) in found(ledger, original)
            if replacement:
                assert (keyword, original, replacement) in found(ledger, replacement)
    uids = {value: given[0][key] for key, value in originals.items() if key.endswith("UID")}
    assert opened(database_url).replacements(uids) == uids


@pytest.mark.parametrize("generation", GENERATIONS)
def test_importing_again_adds_nothing(database_url: str, tmp_path: Path, generation: Generation) -> None:
    path, _ = an_old_file(tmp_path, generation)
    first = imported(database_url, path)
    before = execute(database_url, "SELECT * FROM identity_uid"), execute(database_url, "SELECT * FROM identity_value")
    again = imported(database_url, path)
    after = execute(database_url, "SELECT * FROM identity_uid"), execute(database_url, "SELECT * FROM identity_value")
    assert before == after
    assert sum(table.new for table in again.tables) == 0
    assert [table.new + table.already for table in first.tables] == [table.already for table in again.tables]
    assert execute(database_url, "SELECT count(*) FROM identity_import") == [(1,)]


def test_a_file_that_has_grown_brings_what_is_new(database_url: str, tmp_path: Path) -> None:
    program = OldProgram(tmp_path / "legacy.db")
    program.anonymize(an_old_instance(1))
    shutil.copy(program.close(), tmp_path / "earlier.db")
    imported(database_url, tmp_path / "earlier.db")
    with closing(sqlite3.connect(program.path)) as connection, connection:
        connection.execute("INSERT INTO sopinstanceuid (original, cleaned, study) VALUES ('1.2.9', '5.555.5.9', 1)")
    report = by_attribute(imported(database_url, program.path))
    assert (report["SOPInstanceUID"].new, report["SOPInstanceUID"].already) == (1, 1)
    assert opened(database_url).replacements(["1.2.9"]) == {"1.2.9": "5.555.5.9"}


def test_the_legacy_file_is_not_altered_and_nothing_is_left_beside_it(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    path, _ = an_old_file(folder)
    path.chmod(0o400)
    before = hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns
    imported(database_url, path)
    assert (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) == before
    assert [file.name for file in folder.iterdir()] == ["legacy.db"]


def test_a_file_in_wal_mode_is_read_without_leaving_anything(database_url: str, tmp_path: Path) -> None:
    path, _ = an_old_file(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    before = {file.name for file in tmp_path.iterdir()}
    assert imported(database_url, path).is_clean
    assert {file.name for file in tmp_path.iterdir()} - before <= {Path(database_url).name}


def test_a_dry_run_reports_the_same_and_changes_nothing(database_url: str, tmp_path: Path) -> None:
    path, _ = an_old_file(tmp_path)
    with ledger_of(database_url) as ledger:
        rehearsed = import_legacy(ledger, path, dry_run=True)
        assert execute(database_url, "SELECT count(*) FROM identity_study") == [(0,)]
        assert import_legacy(ledger, path) == rehearsed


def test_a_replacement_that_is_in_force_stays_and_the_legacy_one_can_be_found(
    database_url: str, tmp_path: Path
) -> None:
    identity_db = opened(database_url)
    key = identity_db.study_key(STUDY)
    identity_db.record(key, PatientIdentity("SENTINEL-1"), {STUDY: "2.25.7"}, {})
    path, given = an_old_file(tmp_path)
    report = imported(database_url, path)
    assert by_attribute(report)["StudyInstanceUID"].conflicts.total() == 1
    assert identity_db.replacements([STUDY]) == {STUDY: "2.25.7"}
    old = given[0]["StudyInstanceUID"]
    with ledger_of(database_url) as ledger:
        assert found(ledger, old) == {("StudyInstanceUID", STUDY, old)}


def test_of_two_mappings_of_one_uid_the_first_is_in_force(database_url: str, tmp_path: Path) -> None:
    program = OldProgram(tmp_path / "legacy.db")
    given = program.anonymize(an_old_instance())
    program.execute("INSERT INTO sopinstanceuid (original, cleaned, study) VALUES (?, '5.555.5.9', 1)", f"{SERIES}.1")
    report = by_attribute(imported(database_url, program.close()))["SOPInstanceUID"]
    assert (report.new, dict(report.conflicts)) == (1, {"mapped twice in this file; the first is in force": 1})
    assert opened(database_url).replacements([f"{SERIES}.1"]) == {f"{SERIES}.1": given["SOPInstanceUID"]}
    with ledger_of(database_url) as ledger:
        assert found(ledger, "5.555.5.9") == {("SOPInstanceUID", f"{SERIES}.1", "5.555.5.9")}


@pytest.mark.parametrize(
    ("original", "cleaned", "why"),
    [
        ("1.2.5", "", "its replacement is no UID"),
        ("1.2.5", None, "its replacement is no UID"),
        ("1.2.5", REMOVED, "its replacement is no UID"),
        ("1.2.5", "1." * 40 + "1", "its replacement is no UID"),
        ("1.2.5", "SENTINEL", "its replacement is no UID"),
        ("1." * 40 + "1", "5.555.5.8", "the original is longer than 64 characters"),
        ("1.2.5", "1.2.5", "replaced by itself"),
        ("1.2.5", "5.555.5.1.1", "its replacement stands for another UID"),
        (None, "5.555.5.8", "no original"),
        (" ", "5.555.5.8", "no original"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_with_a_reason_and_the_rest_is_taken(
    tmp_path: Path, original: str | None, cleaned: str | None, why: str
) -> None:
    url = f"sqlite:///{tmp_path / 'identity.db'}"
    program = OldProgram(tmp_path / "legacy.db")
    program.anonymize(an_old_instance())
    insert = "INSERT INTO sopinstanceuid (original, cleaned, study) VALUES (?, ?, 1)"
    program.execute(insert, "1.2.4", "5.555.5.1.1")
    program.execute(insert, original, cleaned)
    report = by_attribute(imported(url, program.close()))["SOPInstanceUID"]
    assert (report.new, dict(report.refused)) == (2, {why: 1})
    assert opened(url).replacements([original or "", "1.2.4"]) == {"1.2.4": "5.555.5.1.1"}


def test_numbers_bytes_and_undecodable_text_in_columns_without_type_are_read(database_url: str, tmp_path: Path) -> None:
    program = OldProgram(tmp_path / "legacy.db")
    program.anonymize(an_old_instance())
    insert = "INSERT INTO accessionnumber (original, cleaned, study) VALUES (?, ?, 1)"
    program.execute(insert, 4711, 12)
    program.execute(insert, b"SENTINEL\xff", "Accession Number 3")
    program.execute("INSERT INTO accessionnumber (original, cleaned) VALUES (CAST(x'41ff' AS TEXT), 'odd')")
    imported(database_url, program.close())
    with ledger_of(database_url) as ledger:
        assert found(ledger, "4711") == {("AccessionNumber", "4711", "12")}
        assert found(ledger, "Accession Number 3") == {("AccessionNumber", "SENTINEL\\xff", "Accession Number 3")}
        assert found(ledger, "odd") == {("AccessionNumber", "A\\xff", "odd")}


def test_several_ids_of_one_patient_stay_findable_and_later_studies_get_one_pseudonym(
    database_url: str, tmp_path: Path
) -> None:
    program = OldProgram(tmp_path / "legacy.db")
    ids = [program.anonymize(an_old_instance(study=f"{STUDY}.{n}"))["PatientID"] for n in (1, 2)]
    imported(database_url, program.close())
    assert ids == ["Patient ID 1", "Patient ID 2"]
    with ledger_of(database_url) as ledger:
        for old in ids:
            assert found(ledger, old) == {("PatientID", "SENTINEL-1", old)}
        assert {one[2] for one in found(ledger, "SENTINEL-1")} == set(ids)
    assert opened(database_url).subject(PatientIdentity("SENTINEL-1")).patient_id not in ids


def a_truncated_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 - 100])


def a_file_cut_at_a_page(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 4096 * 3])


def with_(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(statement)

    return change


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "not there": (lambda path: path.unlink(), "can't be read (FileNotFoundError)"),
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "something else": (lambda path: path.write_bytes(b"SENTINEL" * 1000), "no SQLite database"),
    "truncated": (a_truncated_file, "damaged"),
    "cut at a page": (a_file_cut_at_a_page, "damaged"),
    "no tables": (with_("DROP TABLE studyinstanceuid"), "no table studyinstanceuid"),
    "no instances": (with_("DROP TABLE sopinstanceuid"), "no table sopinstanceuid"),
    "no series": (with_("DROP TABLE seriesinstanceuid"), "no table seriesinstanceuid"),
    "another column": (with_("ALTER TABLE patientid ADD COLUMN version"), "table patientid has not the columns"),
    "no column": (with_("ALTER TABLE patientid RENAME COLUMN cleaned TO x"), "table patientid has not the columns"),
    "another table": (with_("CREATE TABLE schema_version (number)"), "table schema_version has not the columns"),
    "odd name": (with_('CREATE TABLE "SENTINEL name" (number)'), "table of another name"),
    "ours": (with_("CREATE TABLE identity_schema_version (number)"), "identity database of this program"),
    "unfinished": (lambda path: path.with_name("legacy.db-journal").write_bytes(b"x"), "not finished"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_can_not_be_imported_is_told_why_and_changes_nothing(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    url = f"sqlite:///{tmp_path / 'identity.db'}"
    path, _ = an_old_file(tmp_path)
    damage(path)
    with ledger_of(url) as ledger:
        with pytest.raises(ConfigurationError) as caught:
            import_legacy(ledger, path)
        assert message in str(caught.value)
        assert str(caught.value).endswith("Nothing was changed.")
        assert names_nothing_identified(str(caught.value))
    for table in ("study", "uid", "value", "import"):
        assert execute(url, f"SELECT count(*) FROM identity_{table}") == [(0,)]


def test_an_import_that_fails_halfway_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    program = OldProgram(tmp_path / "legacy.db")
    program.anonymize(an_old_instance())
    program.execute("CREATE TABLE zzz (id INTEGER PRIMARY KEY AUTOINCREMENT, original, cleaned)")
    program.execute("INSERT INTO zzz (original, cleaned) VALUES ('a', 'b')")
    path = program.close()
    opened(database_url).close()
    execute(database_url, "ALTER TABLE identity_value RENAME COLUMN fingerprint TO fingerprints")
    with ledger_of(database_url) as ledger, pytest.raises(ConfigurationError):
        import_legacy(ledger, path)
    assert execute(database_url, "SELECT count(*) FROM identity_uid") == [(0,)]


def test_what_is_exported_answers_the_old_questions(database_url: str, tmp_path: Path) -> None:
    identity_db = opened(database_url)
    key = identity_db.study_key(STUDY)
    uids = {STUDY: "2.25.1", SERIES: "2.25.2", f"{SERIES}.1": "2.25.3", "1.2.77": "2.25.4"}
    levels = {STUDY: "study", SERIES: "series", f"{SERIES}.1": "instance"}
    values = {"AccessionNumber": {"SENTINEL-A1": ""}, "PatientID": {"SENTINEL-1": "P1"}, "PatientName": {"S^A": "P1"}}
    identity_db.record(key, PatientIdentity("SENTINEL-1"), uids, values, levels)
    path = tmp_path / "identity.db"
    with ledger_of(database_url) as ledger:
        written = export_legacy(ledger, path, SOMEBODY)
    assert (written.rows, written.other_uids) == (7, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with closing(sqlite3.connect(path)) as connection:

        def ask(question: str, *parameters: str) -> list[object]:
            return [row[0] for row in connection.execute(question, parameters)]

        assert ask("SELECT original FROM studyinstanceuid WHERE cleaned = '2.25.1'") == [STUDY]
        assert ask("SELECT original FROM accessionnumber WHERE cleaned = ?", REMOVED) == ["SENTINEL-A1"]
        of_study = "SELECT cleaned FROM {} WHERE original = ? AND study = (SELECT id FROM studyinstanceuid)"
        assert ask(of_study.format("seriesinstanceuid"), SERIES) == ["2.25.2"]
        assert ask(of_study.format("sopinstanceuid"), f"{SERIES}.1") == ["2.25.3"]
        assert ask(of_study.format("patientsname"), "S^A") == ["P1"]
        assert ask("SELECT original FROM sopinstanceuid WHERE cleaned = '2.25.4'") == ["1.2.77"]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_export_holds_what_was_imported_and_imports_again(
    new_database_url: Callable[[], str], tmp_path: Path, generation: Generation
) -> None:
    first, second = new_database_url(), new_database_url()
    path, _ = an_old_file(tmp_path, generation)
    imported(first, path)
    with ledger_of(first) as ledger:
        export_legacy(ledger, tmp_path / "exported.db", SOMEBODY)
    assert imported(second, tmp_path / "exported.db").is_clean
    kept = "SELECT keyword, original, replacement FROM identity_value"
    assert sorted(execute(second, kept)) == sorted(execute(first, kept))
    mapped = "SELECT original, replacement, level, study_key FROM identity_uid"
    assert sorted(execute(second, mapped)) == sorted(execute(first, mapped))


def test_an_export_replaces_no_file_unasked_and_leaves_nothing_when_it_fails(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "there.db").write_bytes(b"precious")
    with ledger_of(database_url) as ledger:
        with pytest.raises(ConfigurationError, match="is there already"):
            export_legacy(ledger, folder / "there.db", SOMEBODY)
        with pytest.raises(ConfigurationError, match="can't be written"):
            export_legacy(ledger, folder / "absent" / "x.db", SOMEBODY)
        assert (folder / "there.db").read_bytes() == b"precious"
        assert execute(database_url, "SELECT count(*) FROM identity_access") == [(0,)]
        export_legacy(ledger, folder / "there.db", SOMEBODY, replace=True)
    assert [file.name for file in folder.iterdir()] == ["there.db"]
    assert stat.S_IMODE((folder / "there.db").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("table", "keyword"),
    [
        ("studydate", "StudyDate"),
        ("institutionaddress", "InstitutionAddress"),
        ("referringphysicianstelephonenumbers", "ReferringPhysicianTelephoneNumbers"),
        ("physiciansofrecord", "PhysiciansOfRecord"),
        ("performingphysiciansname", "PerformingPhysicianName"),
        ("nameofphysiciansreadingstudy", "NameOfPhysiciansReadingStudy"),
        ("operatorsname", "OperatorsName"),
        ("stationname", "StationName"),
        ("patientsname", "PatientName"),
        ("patientsbirthname", "PatientBirthName"),
        ("patientid", "PatientID"),
        ("patientsbirthdate", "PatientBirthDate"),
        ("somethinglocal", "somethinglocal"),
    ],
)
def test_tables_are_about_the_attributes_that_the_dictionary_names_so(table: str, keyword: str) -> None:
    plain = frozenset({"id", "original", "cleaned"})
    layout = layout_of({"studyinstanceuid": plain})
    assert keyword_of(table, layout) == keyword
    assert table_of(keyword) == table
    assert keyword_of("operator", layout_of({"studyuid": plain})) == "OperatorsName"
