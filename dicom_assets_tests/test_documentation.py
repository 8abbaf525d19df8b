"""What the documents say is what the code does."""

from __future__ import annotations

import os
import re
import tomllib

from dicom_assets.definitions import SETTINGS
from dicom_assets.defs.config import RunConfig
from dicom_assets.deidentification.profile_table import profile_table
from dicom_assets_tests.deployment import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


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
    named = {line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")}

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
