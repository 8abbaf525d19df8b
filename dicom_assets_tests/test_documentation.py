"""What the documents say is what the code does."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from dicom_assets.adapters.audit_trail import RunFolder
from dicom_assets.adapters.event_table import event_table, stage_table
from dicom_assets.adapters.own_hook.answers import COUNTS
from dicom_assets.adapters.production.tables import TWINS
from dicom_assets.adapters.registration import DEFAULT_ENCOUNTER_QUERY, EncounterQuery
from dicom_assets.definitions import SETTINGS
from dicom_assets.defs.config import RunConfig
from dicom_assets.deidentification.content_table import content_table
from dicom_assets.deidentification.iod import iod_types
from dicom_assets.deidentification.options import CODES, COLUMNS, DATE_OPTIONS, SUPPORTED, Option
from dicom_assets.deidentification.overrides import ACTIONS
from dicom_assets.deidentification.profile import Profile, load_profile, parse_profile, shipped_profile_names
from dicom_assets.deidentification.profile_table import profile_table
from dicom_assets.deidentification.safe_private_table import safe_private_table
from dicom_assets.deidentification.table import confidentiality_table
from dicom_assets.errors import ProfileError
from dicom_assets.study import PatientIdentity, QuarantineReason, RegisteredStudy
from dicom_assets_tests.deployment import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
CONFORMANCE = (REPOSITORY / "docs" / "deidentification.md").read_text()


def table_after(heading: str) -> dict[str, str]:
    """First column to second column of the first table below a text, back-quotes removed."""
    below = README[README.index(heading) :]
    rows: dict[str, str] = {}
    for line in below.splitlines():
        if line.startswith("| `"):
            name, value, *_ = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name.strip("`")] = value.strip("`")
        elif rows:
            break
    return rows


def test_readme_lists_every_setting_with_its_default() -> None:
    assert table_after("## Settings") == SETTINGS


def test_readme_lists_every_field_of_the_run_config_with_its_default() -> None:
    documented = table_after("| field | default | meaning |")

    fields = {name: field.default for name, field in RunConfig.model_fields.items()}
    assert documented.keys() == fields.keys()
    assert documented.pop("workers") == "number of processors"
    assert fields.pop("workers") == os.cpu_count()
    for name, default in fields.items():
        assert documented[name] == str(default).lower().replace("'", "").replace("[ct, mr]", "[CT, MR]")


def test_example_environment_names_settings_that_exist() -> None:
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    named = {line.lstrip("#").partition("=")[0] for line in lines if re.match(r"#?[A-Z_]+=", line)}

    assert named == SETTINGS.keys() | {"DAGSTER_HOME"}


def test_readme_compares_the_shipped_profiles_as_they_are() -> None:
    shown = README.partition("<!-- profiles -->\n")[2].partition("<!-- end of profiles -->")[0]

    assert shown == profile_table()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    reasons = (REPOSITORY / "docs" / "decisions" / "0003-dependencies-and-their-reasons.md").read_text()
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]

    for requirement in wanted:
        name = re.split(r"[<>=;\[]", requirement)[0].strip()
        assert name == project["name"] or re.search(rf"\b{re.escape(name)}\b", reasons), f"{name} has no reason"


def section(heading: str) -> str:
    """The text of a chapter of the conformance page, its sections included."""
    return CONFORMANCE.partition(f"\n{heading}\n")[2].partition("\n" + heading.split(" ")[0] + " ")[0]


def block(text: str, language: str) -> str:
    """The first block of code in a language."""
    return text.partition(f"```{language}\n")[2].partition("```")[0]


@pytest.fixture
def example(tmp_path: Path) -> Profile:
    """The conformance page's example, beside the white list that it names."""
    (tmp_path / "white_list.json").write_text(block(section("### Clean Descriptors"), "json"))
    (tmp_path / "example.yaml").write_text(block(section("## A complete profile"), "yaml"))
    return load_profile(tmp_path / "example.yaml")


def test_the_conformance_page_has_every_option_with_its_code_and_what_is_done() -> None:
    shown = CONFORMANCE.partition("<!-- options -->\n")[2].partition("<!-- end of options -->")[0]

    rows = [
        f"| {option} | {CODES[option]} | {'yes' if option in COLUMNS else '-'} | "
        f"{'yes' if option in SUPPORTED else 'refused'} |\n"
        for option in Option
    ]
    assert shown == "| option | code | table column | done |\n|---|---|---|---|\n" + "".join(rows)


def test_every_option_has_a_section_that_names_its_code() -> None:
    sections = re.findall(r"^### (.*)$", section("## The options"), re.MULTILINE)

    assert sections == list(Option)
    for option in Option:
        assert CODES[option] in section(f"### {option}")


@pytest.mark.parametrize("option", sorted(set(Option) - SUPPORTED))
def test_an_option_that_is_said_to_be_refused_is(option: Option) -> None:
    with pytest.raises(ProfileError):
        parse_profile(f"name: a\nversion: 1\noptions: [{option}]\n", "a.yaml")


def test_the_conformance_page_tells_the_editions_and_sizes_of_the_tables() -> None:
    head = CONFORMANCE.partition("\n## ")[0]

    editions = {table().edition for table in (confidentiality_table, content_table, safe_private_table)}
    assert editions == set(re.findall(r"\*\*(\w+)\*\*", head))
    assert f"({len(confidentiality_table().rows)} rows)" in head
    assert f"({len(safe_private_table().rows)} elements)" in head
    assert f"{len(iod_types().roots)} SOP Classes" in CONFORMANCE


def test_every_reason_for_quarantine_is_told() -> None:
    first_cells = re.findall(r"^\| (`.*?) \|", section("## What is kept back"), re.MULTILINE)

    assert re.findall(r"`([a-z-]+)`", " ".join(first_cells)) == list(QuarantineReason)


def test_every_action_of_an_override_is_told() -> None:
    assert all(f"`{action}`" in section("## Overrides") for action in ACTIONS)


def test_the_complete_profile_is_one_and_has_every_section(example: Profile) -> None:
    assert example.options == SUPPORTED - {next(o for o in DATE_OPTIONS if "Full" in o), Option.RETAIN_UIDS}
    assert example.epoch is not None
    assert len(example.white_lists) == 4
    assert example.safe_private
    assert len(example.pixels.rules) == 2
    assert [override.action for override in example.overrides] == ["empty", "hash", "replace", "keep"]
    assert list(example.accepted_risks) == ["keep (0020,4000)"]
    assert example.quarantine.suspect_models == ("film digitizer",)


def test_the_rule_that_keeps_heads_back_is_one() -> None:
    rules = block(section("### Clean Recognizable Visual Features"), "yaml").replace("\n", "\n  ")

    profile = parse_profile(f"name: a\nversion: 1\noptions: [Clean Pixel Data]\npixels:\n  {rules}\n", "a.yaml")

    assert [(rule.name, rule.quarantine) for rule in profile.pixels.rules] == [("heads", True)]


def test_the_registration_page_has_every_column_that_is_copied() -> None:
    page = (REPOSITORY / "docs" / "registration.md").read_text()
    shown = page.partition("<!-- production -->\n")[2].partition("<!-- end of production -->")[0]

    rows = [
        f"| `production_{table}` | {', '.join(f'`{name}`' for name in names)} |\n" for table, names in TWINS.items()
    ]
    assert shown == "| table | columns |\n|---|---|\n" + "".join(rows)


def test_the_registration_page_names_all_that_a_hook_is_told_and_may_count() -> None:
    page = (REPOSITORY / "docs" / "registration.md").read_text()

    told = {field.name for kind in (PatientIdentity, RegisteredStudy) for field in fields(kind)}
    assert [name for name in sorted(told | set(COUNTS)) if f"`{name}`" not in page] == []


def test_the_other_query_of_the_registration_page_is_one() -> None:
    page = (REPOSITORY / "docs" / "registration.md").read_text()

    [shipped, other] = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert shipped.strip() == DEFAULT_ENCOUNTER_QUERY.strip()
    EncounterQuery(other).clause()


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CHANGELOG.md",
        "docs/audit-trail.md",
        "docs/commands.md",
        "docs/databases.md",
        "docs/deidentification.md",
        "docs/identity.md",
        "docs/pixel-cleaning.md",
        "docs/registration.md",
        "docs/user-interface.md",
    ],
)
def test_pages_link_to_files_that_exist(page: str) -> None:
    path = REPOSITORY / page
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)

    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize(("name", "table"), [("events", event_table), ("stages", stage_table)])
def test_the_audit_trails_page_tells_every_event_as_the_schema_does(name: str, table: Callable[[], str]) -> None:
    page = (REPOSITORY / "docs" / "audit-trail.md").read_text()
    shown = page.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- end of {name} -->")[0]

    assert shown == table(), "python scripts/write_event_tables.py writes it"


def test_the_audit_trails_page_tells_every_file_of_a_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, "0f0e0d0c-0b0a", {})
    run.finish()
    page = (REPOSITORY / "docs" / "audit-trail.md").read_text()

    told = set(re.findall(r"^\| `([a-z_./]+)` \| (?:people|machines|developers) \|", page, re.MULTILINE))

    assert told == {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}


def test_the_example_environment_names_every_shipped_profile() -> None:
    example = (REPOSITORY / ".env.example").read_text()

    assert all(name in example for name in shipped_profile_names())
