"""Printing what would happen to each attribute of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dicom_assets.cli.tables import Cell, print_rows

if TYPE_CHECKING:
    from dicom_assets.deidentification import Profile

COLUMNS = ("attribute", "VR", "keyword", "effect", "rule", "option")


def print_explanation(file: Path, profile: Profile, secret: bytes, *, as_json: bool) -> None:
    """A table on standard output, one line for each attribute; sequences are indented.

    Raises:
        ConfigurationError: the file can't be read as DICOM.
    """
    from dicom_assets.deidentification import UidReplacer, UnreadableInstanceError, explain_instance
    from dicom_assets.errors import ConfigurationError
    from dicom_assets.study import Subject

    rows: list[dict[str, Cell]] = []
    try:
        with file.open("rb") as source:
            for line in explain_instance(source, profile, Subject("SUBJECT", -1), UidReplacer(secret)):
                rule = line.rule if line.rule == line.action else f"{line.rule} ({line.action})"
                cells = ("> " * line.depth + line.tag, line.vr, line.keyword, line.effect, rule, line.option)
                rows.append(dict(zip(COLUMNS, cells, strict=True)))
    except (UnreadableInstanceError, OSError) as error:
        reason = str(error) if isinstance(error, UnreadableInstanceError) else type(error).__name__
        raise ConfigurationError(f"The file can't be explained: {reason}.") from None
    print_rows(rows, COLUMNS, as_json=as_json, title=f"profile {profile.name} {profile.version}")
